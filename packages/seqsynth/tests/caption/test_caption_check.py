"""Scores beside captions, and captions in a corpus."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seqsynth import Checks, HeldError, Manifest, ManifestRow, cli, index_corpus, write_manifest
from seqsynth.caption.backends import BackendError
from seqsynth.caption.check import CHECK_SCHEMA, check_captions
from seqsynth.caption.join import CaptionFilter, Captions
from seqsynth.caption.records import SCHEMA
from seqsynth.caption.shards import shard_paths, write_shard
from seqsynth.caption.writing import SETTINGS_NAME
from seqsynth.one_writer import one_writer

Row = tuple[str, str, str]
GOOD, OTHER, REFUSING, CUT, REPEATING = range(5)
TEXTS = {
    GOOD: "A man juggles balls. He smiles at the camera.",
    OTHER: "A woman walks her dog through a park.",
    REFUSING: "I'm sorry, but I cannot see balls or juggling.",
    CUT: "A man is juggling balls while the",
    REPEATING: "juggling balls and " * 20,
}


def write_captions(folder: Path, rows: Iterable[Row], *, shard: int = 0, root: str = "") -> Path:
    """A shard of captions as a run writes it."""
    folder.mkdir(exist_ok=True)
    values = {field.name: _any_of(field.type) for field in SCHEMA}
    records = [
        {
            **values,
            "id": key,
            "path": key,
            "label": label,
            "caption": caption,
            "finish_reason": "length" if caption == TEXTS[CUT] else "stop",
            "frame_indices": [0, 2],
            "frame_size": 16,
            "geometry": "pad",
        }
        for key, label, caption in rows
    ]
    path = folder / f"captions-{shard:05d}.parquet"
    write_shard(pa.Table.from_pylist(records, SCHEMA), path)
    (folder / SETTINGS_NAME).write_text(json.dumps({"corpus": {"root": root}}))
    return path


def _any_of(kind: pa.DataType) -> Any:
    return "x" if kind == pa.string() else [] if pa.types.is_list(kind) else 1


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    folder = tmp_path / "captions"
    rows = [(f"juggling_balls/{k}.webp", "juggling balls", text) for k, text in TEXTS.items()]
    write_captions(folder, rows)
    write_captions(folder, [("unlabelled.webp", "", TEXTS[OTHER])], shard=1)
    return folder


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of clips, one of which nobody captioned."""
    root = tmp_path / "root"
    root.mkdir()
    lines = ["path,label,duration_seconds,num_frames"]
    for name in (*map(str, TEXTS), "uncaptioned"):
        path = root / "juggling_balls" / f"{name}.webp"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        lines.append(f"juggling_balls/{name}.webp,juggling balls,10,100")
    lines.append("gone.webp,juggling balls,10,100")
    (root / "clips.csv").write_text("\n".join(lines))
    return root


def test_every_caption_gets_its_scores(captions: Path) -> None:
    report = check_captions(captions)
    assert (report.num_captions, report.num_refusals, report.num_cut) == (6, 1, 1)
    assert report.num_unlabelled == 1
    table = pq.read_table(captions / "checks-00000.parquet")
    assert table.schema.equals(CHECK_SCHEMA)
    rows = dict(zip(TEXTS, table.to_pylist(), strict=True))
    assert [row["id"] for row in rows.values()] == [f"juggling_balls/{k}.webp" for k in TEXTS]
    assert rows[GOOD]["label_coverage"] == 1
    assert rows[OTHER]["label_coverage"] == 0
    assert (rows[OTHER]["label_words"], rows[OTHER]["label_words_found"]) == (2, 0)
    assert rows[REFUSING]["refusal"] == "I'm sorry"
    assert [k for k, row in rows.items() if row["is_cut"]] == [CUT]
    assert rows[REPEATING]["repetition"] > 0.9
    assert rows[GOOD]["num_words"] == 9
    assert rows[GOOD]["image_text_mean"] is None
    assert report.to_record()["scores"]["label_coverage"]["mean"] == pytest.approx(0.8)


def test_scores_are_made_once_and_anew_where_captions_change(captions: Path) -> None:
    check_captions(captions)
    paths = [captions / f"checks-0000{k}.parquet" for k in range(2)]
    stamps = [path.stat().st_mtime_ns for path in paths]
    check_captions(captions)
    assert [path.stat().st_mtime_ns for path in paths] == stamps
    write_captions(captions, [("unlabelled.webp", "", "A cat.")], shard=1)
    check_captions(captions)
    assert paths[0].stat().st_mtime_ns == stamps[0]
    assert pq.read_table(paths[1]).column("num_words").to_pylist() == [2]


def test_damaged_captions_and_scores_are_named(captions: Path) -> None:
    check_captions(captions)
    scores = captions / "checks-00001.parquet"
    scores.write_bytes(scores.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"checks-00001.parquet is damaged"):
        check_captions(captions)
    path = shard_paths(captions)[0]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"captions-00000.parquet is damaged"):
        check_captions(captions)


def test_the_commands_print_and_write_a_summary(
    captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "summary.json"
    assert cli.main(["caption-check", str(captions), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "label_coverage" in printed
    assert "1 decline to answer" in printed
    assert json.loads(out.read_text())["num_cut"] == 1
    assert cli.main(["caption-check", str(captions), "--json", "-"]) == 0
    printed, tables = capsys.readouterr()
    assert printed == out.read_text()
    assert "label_coverage" in tables
    assert cli.main(["caption-check", str(tmp_path / "gone")]) == 2
    assert "is no folder of captions" in capsys.readouterr().err


KEPT = {
    (): {GOOD, OTHER, REFUSING, CUT, REPEATING},
    ("--min-label-words", "0.5"): {GOOD, REFUSING, CUT, REPEATING},
    ("--no-refusals",): {GOOD, OTHER, CUT, REPEATING},
    ("--no-cut",): {GOOD, OTHER, REFUSING, REPEATING},
    ("--max-repetition", "0.5"): {GOOD, OTHER, REFUSING, CUT},
    ("--min-label-words", "1", "--no-refusals", "--no-cut", "--max-repetition", "0.3"): {GOOD},
}


@pytest.mark.parametrize("options", KEPT)
def test_an_index_takes_captions_that_reach_the_thresholds_and_counts_the_others(
    captions: Path, table: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    out = tmp_path / "m.arrow"
    common = ["clip_table", str(table), "--probe", "none", "--captions", str(captions), *options]
    assert cli.main(["index", *common, "--out", str(out)]) == 0
    manifest = Manifest.open(out)
    assert {item.id: item.caption for item in manifest} == {
        f"juggling_balls/{k}.webp": TEXTS[k] for k in KEPT[options]
    }
    assert {item.label for item in manifest} == {"juggling balls"}
    absent = [
        json.loads(line)
        for line in Path(f"{out}.skipped.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    reasons = {line["id"]: line["reason"] for line in absent}
    assert len(reasons) == len(absent) == 7 - len(KEPT[options])
    assert reasons["juggling_balls/uncaptioned.webp"] == "no caption"
    assert reasons["gone.webp"] == "no such file"
    left_out = [reason for reason in reasons.values() if reason.startswith("caption left out: ")]
    assert len(left_out) == 5 - len(KEPT[options])
    # Joining a manifest that is there already comes to the same rows.
    plain, joined = tmp_path / "plain.arrow", tmp_path / "joined.arrow"
    index_corpus("clip_table", table, plain, checks=Checks(probe="none"))
    words = ["caption-join", str(plain), "--captions", str(captions), *options]
    assert cli.main([*words, "--out", str(joined)]) == 0
    assert Manifest.open(joined).content_sha256 == manifest.content_sha256
    coverage = json.loads(Path(f"{joined}.coverage.json").read_text(encoding="utf-8"))
    assert coverage["totals"]["missing"] == 6 - len(KEPT[options])


def test_a_manifest_of_another_maker_that_gets_no_caption_says_why(
    captions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ManifestRow(
        id="elsewhere.mp4", kind="clip", path="elsewhere.mp4", label="x", duration_seconds=1.0,
        num_frames=9, source="my own",
    )  # fmt: skip
    write_manifest([row], tmp_path / "mine.arrow", root=tmp_path, command="")
    words = ["caption-join", str(tmp_path / "mine.arrow"), "--captions", str(captions)]
    assert cli.main([*words, "--out", str(tmp_path / "joined.arrow")]) == 2
    assert capsys.readouterr().err == (
        "seqsynth: none of the 1 rows of my own can be used; 1 are missing, for instance "
        "elsewhere.mp4 (no caption)\n"
    )


def test_two_processes_do_not_score_one_folder(captions: Path) -> None:
    lock = captions / ".checks.lock"
    with one_writer(lock, "scoring"), pytest.raises(HeldError, match=r"another process is scoring"):
        check_captions(captions)
    check_captions(captions)
    assert not lock.exists()
    with one_writer(lock, "scoring"):
        assert check_captions(str(captions)).num_captions == 6, "nothing is left to write"


def test_coverage_tells_how_many_captions_are_missing(
    captions: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["coverage", "clip_table", str(table), "--probe", "none", "--captions", str(captions)]
    assert cli.main([*words, "--fail-under", "90"]) == 1
    printed = capsys.readouterr()
    assert "missing: no caption" in printed.out
    assert "71.4 % of the rows are present" in printed.err


def test_pts_events_and_all_else_of_a_manifest_survive_the_join(
    captions: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    import timetokens as tt
    from seqsynth.manifest_rows import rows_of
    from seqsynth.manifest_schema import ManifestRow
    from seqsynth.records import Turn

    rows = [
        ManifestRow(
            id="juggling_balls/0.webp", kind="clip", path="a.mp4", label="juggling balls",
            duration_seconds=4.0, num_frames=3, codec="h264", pts_index=[0, 1, 5], pts_end=6,
            source="kinetics", part="train",
        ),
        ManifestRow(
            id="v", kind="video", path="v.mp4", duration_seconds=9.0, time_codec="seconds",
            events=(tt.Event(0.0, 2.0, "b"),), turns=(Turn("q", "a"),), source="timeit",
        ),
        ManifestRow(id="i", kind="image", path="i.tar", shard_offset=3, num_bytes=7, source="s"),
    ]  # fmt: skip
    write_manifest(rows, tmp_path / "a.arrow", root=tmp_path, command="")
    assert list(rows_of(Manifest.open(tmp_path / "a.arrow"))) == rows
    words = ["caption-join", str(tmp_path / "a.arrow"), "--captions", str(captions)]
    assert cli.main([*words, "--out", str(tmp_path / "b.arrow")]) == 0
    joined = Manifest.open(tmp_path / "b.arrow")
    assert list(rows_of(joined)) == [replace(rows[0], caption=TEXTS[GOOD]), *rows[1:]]
    assert joined.root == tmp_path


def test_scores_of_a_model_decide_where_they_are_asked_for(
    captions: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "m.arrow"
    words = ["index", "clip_table", str(table), "--probe", "none", "--captions", str(captions)]
    words += ["--min-image-text", "0.2", "--out", str(out)]
    assert cli.main(words) == 2
    assert "is not scored by the model" in capsys.readouterr().err
    check_captions(captions)
    path = captions / "checks-00000.parquet"
    scored = pq.read_table(path)
    values = pa.array([0.3, 0.1, 0.3, None, 0.2])
    place = scored.schema.get_field_index("image_text_mean")
    write_shard(scored.set_column(place, "image_text_mean", values), path)
    assert cli.main(words) == 0
    kept = {item.id for item in Manifest.open(out)}
    assert kept == {f"juggling_balls/{k}.webp" for k in (0, 2, 4)}


def test_a_clip_with_two_captions_is_named(captions: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write_captions(other, [("unlabelled.webp", "", "A cat.")])
    with pytest.raises(ValueError, match=r"'unlabelled.webp' has a caption in .*captions-00001.*"):
        Captions([captions, other])
    assert len(Captions([captions])) == 6
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="no captions there yet"):
        Captions([empty])


def test_a_caption_made_under_another_label_is_counted(
    captions: Path, table: Path, tmp_path: Path
) -> None:
    (table / "clips.csv").write_text(
        "path,label,duration_seconds,num_frames\njuggling_balls/0.webp,walking dogs,10,100\n"
    )
    words = ["index", "clip_table", str(table), "--probe", "none", "--captions", str(captions)]
    assert cli.main([*words, "--out", str(tmp_path / "m.arrow")]) == 0
    coverage = json.loads((tmp_path / "m.arrow.coverage.json").read_text())
    assert coverage["flaws"] == {"captioned under another label": 1}


def test_thresholds_out_of_range_are_refused() -> None:
    for name in ("min_label_words", "max_repetition"):
        with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\]"):
            CaptionFilter(**{name: 1.5})


@pytest.fixture(scope="module")
def clip_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch", reason="torch (the extra caption) is not installed")
    pytest.importorskip("transformers", reason="transformers (the extra caption) is not installed")
    from .tiny_models import save_clip

    return save_clip(tmp_path_factory.mktemp("clip"))


def test_a_model_scores_each_sentence_against_its_best_frame(
    clip_folder: Path, clip_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "captions"
    texts = ["A man. A dog runs.", "A man.", "A dog runs.", "x" * 500]
    names = ["0", "3", "6", "gone"]
    rows = [
        (f"juggling_balls/{name}.webp", "juggling balls", text)
        for name, text in zip(names, texts, strict=True)
    ]
    write_captions(folder, rows, root=str(clip_folder))
    words = ["caption-check", str(folder), "--image-text", str(clip_model)]
    assert cli.main(words) == 0
    table = pq.read_table(folder / "checks-00000.parquet").to_pylist()
    assert all(-1 <= row["image_text_lowest"] <= row["image_text_mean"] <= 1 for row in table[:3])
    assert table[0]["image_text_lowest"] < table[0]["image_text_mean"]
    assert table[1]["image_text_lowest"] == table[1]["image_text_mean"]
    assert table[3]["image_text_mean"] is None
    assert "gone.webp" in table[3]["image_text_error"]
    assert "1 are not scored by a model" in capsys.readouterr().out
    stamp = (folder / "checks-00000.parquet").stat().st_mtime_ns
    assert cli.main(words) == 0
    assert cli.main(["caption-check", str(folder)]) == 0  # keeps the scores of the model
    assert (folder / "checks-00000.parquet").stat().st_mtime_ns == stamp


def test_the_score_of_a_caption_is_the_cosine_of_its_parts(clip_model: Path) -> None:
    import numpy as np
    import torch
    import transformers
    from PIL import Image

    from seqsynth.caption.image_text import ImageTextScorer

    frames = np.random.default_rng(0).integers(0, 255, (3, 16, 16, 3), dtype=np.uint8)
    score = ImageTextScorer(str(clip_model)).score("A man. A dog runs.", frames)
    model = transformers.CLIPModel.from_pretrained(clip_model).eval()
    processor = transformers.AutoProcessor.from_pretrained(clip_model)
    best = []
    for sentence in ("A man.", "A dog runs."):
        cosines = []
        for frame in frames:
            inputs = processor(text=[sentence], images=Image.fromarray(frame), return_tensors="pt")
            with torch.no_grad():
                output = model(**inputs)
            cosines.append(output.logits_per_image.item() / model.logit_scale.exp().item())
        best.append(max(cosines))
    assert score.mean == pytest.approx(sum(best) / 2, abs=1e-5)
    assert score.lowest == pytest.approx(min(best), abs=1e-5)


def test_a_model_that_scores_nothing_is_refused(tmp_path: Path, clip_model: Path) -> None:
    from seqsynth.caption.image_text import ImageTextScorer

    from .tiny_models import save_llava

    with pytest.raises(BackendError, match="takes a model such as CLIP or SigLIP"):
        ImageTextScorer(str(save_llava(tmp_path / "llava")))

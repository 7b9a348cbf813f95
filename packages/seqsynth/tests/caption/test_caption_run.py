"""Runs without a model: which rows come out, and that nothing is lost or doubled."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seqsynth import Manifest, index_corpus
from seqsynth.caption import backends
from seqsynth.caption.backends import Answer, BackendKind, NoAnswer, Question
from seqsynth.caption.records import SCHEMA, Failed
from seqsynth.caption.requests import CaptionRequest
from seqsynth.caption.run import CaptionPlan, caption_manifest
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.shards import locked, shard_paths
from seqsynth.caption.writing import TooManyFailedError, write_results

from .conftest import LABELS, StubBackend

Settings = Callable[..., CaptionSettings]


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [row for path in shard_paths(folder) for row in pq.read_table(path).to_pylist()]


def test_every_clip_gets_a_row_with_all_that_it_rests_on(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    out = tmp_path / "out"
    settings = make_settings(revision="r7", generation=Generation(temperature=0.5, seed=3))
    report = caption_manifest(manifest, out, settings, plan=CaptionPlan(shard_size=4))
    assert (report.num_captioned, report.num_before, report.num_failed) == (9, 0, 0)
    assert [path.name for path in shard_paths(out)] == [
        f"captions-0000{k}.parquet" for k in range(3)
    ]
    assert [pq.read_metadata(path).num_rows for path in shard_paths(out)] == [4, 4, 1]
    rows = rows_in(out)
    assert [row["id"] for row in rows] == manifest.table.column("id").to_pylist()
    assert [row["path"] for row in rows] == manifest.table.column("path").to_pylist()
    for row in rows:
        assert row["label"] in LABELS
        assert f"Someone is {row['label']}." in row["caption"]
        assert (row["backend"], row["model"], row["revision"]) == ("stub", "m", "r7")
        assert row["prompt"] == "factual"
        assert row["prompt_sha256"] == settings.prompt.sha256
        assert len(row["frame_indices"]) == len(row["frame_seconds"]) == 3
        assert len(row["frames_sha256"]) == 64
        assert (row["frame_size"], row["geometry"]) == (8, "pad")
        assert (row["max_new_tokens"], row["temperature"], row["top_p"]) == (256, 0.5, 1.0)
        assert row["finish_reason"] == "stop"
    assert len({row["seed"] for row in rows}) == 9
    assert len({row["frames_sha256"] for row in rows}) == 9
    assert stub[0].is_closed
    record = json.loads((out / "caption.json").read_text())
    assert record["settings"]["prompt"]["text"] == settings.prompt.text
    assert record["corpus"]["manifest_sha256"] == manifest.content_sha256


def test_frames_are_those_of_the_plan_and_times_those_of_the_file(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    caption_manifest(manifest, tmp_path / "out", make_settings())
    rows = {row["path"]: row for row in rows_in(tmp_path / "out")}
    row = rows["juggling_balls/6.webp"]  # 11 frames of 40 ms
    assert row["frame_indices"] == [0, 3, 7]
    assert row["frame_seconds"] == pytest.approx([0, 0.12, 0.28])


def test_presentation_times_are_used_where_they_are_indexed(
    tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    from seqsynth.caption.requests import requests_of
    from seqsynth.manifest_schema import ManifestRow
    from seqsynth.manifest_writer import write_manifest

    row = ManifestRow(
        id="a", kind="clip", path="a.mp4", label="x", duration_seconds=10.0, num_frames=4,
        pts_index=[5, 15, 65, 85], pts_end=105, source="clip_table",
    )  # fmt: skip
    write_manifest([row], tmp_path / "m.arrow", root=tmp_path, command="")
    clips = Manifest.open(tmp_path / "m.arrow").select(kind="clip")
    (request,) = requests_of(clips, num_frames=2, seed=0)
    assert (request.frame_indices, request.frame_seconds) == ((0, 2), (0.0, 6.0))


@pytest.mark.parametrize(("batch_size", "shard_size"), [(1, 1), (3, 2), (4, 100)])
def test_rows_do_not_depend_on_batches_shards_or_interruptions(
    manifest: Manifest,
    tmp_path: Path,
    make_settings: Settings,
    stub: list[StubBackend],
    batch_size: int,
    shard_size: int,
) -> None:
    settings = make_settings(generation=Generation(temperature=1.0))
    caption_manifest(manifest, tmp_path / "whole", settings)
    plan = CaptionPlan(batch_size=batch_size, shard_size=shard_size, start=5, count=2)
    caption_manifest(manifest, tmp_path / "parts", settings, plan=plan)
    caption_manifest(
        manifest, tmp_path / "parts", settings, plan=CaptionPlan(batch_size=batch_size)
    )
    one, two = (
        sorted(rows_in(tmp_path / name), key=lambda row: str(row["id"]))
        for name in ("whole", "parts")
    )
    assert one == two
    assert stub[-1].num_asked == 7


def test_a_finished_folder_is_left_alone_and_no_model_is_loaded(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    caption_manifest(manifest, tmp_path / "out", make_settings())
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    report = caption_manifest(manifest, tmp_path / "out", make_settings())
    assert (report.num_before, report.num_captioned) == (9, 0)
    assert len(stub) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_an_interrupted_run_keeps_what_it_has_and_the_next_one_does_the_rest(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    def interrupt(_: int) -> None:
        if stub[0].num_asked == 6:
            raise KeyboardInterrupt

    out, plan = tmp_path / "out", CaptionPlan(shard_size=4, batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        caption_manifest(manifest, out, make_settings(), plan=plan, on_done=interrupt)
    assert stub[0].is_closed
    assert [pq.read_metadata(path).num_rows for path in shard_paths(out)] == [4, 2]
    report = caption_manifest(manifest, out, make_settings(), plan=plan)
    assert (report.num_before, report.num_captioned) == (6, 3)
    assert len({row["id"] for row in rows_in(out)}) == len(rows_in(out)) == 9


def test_clips_without_a_caption_are_named_counted_and_tried_again(
    manifest: Manifest,
    clip_folder: Path,
    tmp_path: Path,
    make_settings: Settings,
    stub: list[StubBackend],
) -> None:
    out, damaged = tmp_path / "out", clip_folder / "riding_a_bike" / "4.webp"
    whole = damaged.read_bytes()
    damaged.write_bytes(b"no picture")
    report = caption_manifest(manifest, out, make_settings())
    assert (report.num_captioned, report.num_failed) == (8, 1)
    (line,) = (out / "failed.jsonl").read_text().splitlines()
    failure = json.loads(line)
    assert failure["path"] == "riding_a_bike/4.webp"
    assert "not a picture" in failure["reason"]
    damaged.write_bytes(whole)
    report = caption_manifest(manifest, out, make_settings())
    assert (report.num_before, report.num_captioned) == (8, 1)
    assert not (out / "failed.jsonl").exists()


def test_empty_and_absent_answers_are_failures_and_too_many_stop_the_run(
    manifest: Manifest,
    tmp_path: Path,
    make_settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Moody(StubBackend):
        def answer(self, questions: Sequence[Question]) -> list[Answer | NoAnswer]:
            answers = super().answer(questions)
            return [Answer(" \n", "stop"), NoAnswer("status 400"), *answers[2:]][: len(answers)]

    monkeypatch.setitem(backends.BACKENDS, "stub", BackendKind(Moody, "", 4, True))
    out = tmp_path / "out"
    with pytest.raises(TooManyFailedError, match=r"1 x empty answer \(stop\); 1 x status 400"):
        caption_manifest(manifest, out, make_settings())
    plan = CaptionPlan(max_failed=0.5)
    report = caption_manifest(manifest, tmp_path / "two", make_settings(), plan=plan)
    assert report.reasons == {"empty answer (stop)": 3, "status 400": 2}
    assert len(rows_in(tmp_path / "two")) == 4


def test_the_first_few_of_many_clips_may_fail(tmp_path: Path, make_settings: Settings) -> None:
    request = CaptionRequest("clip", "", "clip.webp", (0,), (0.0,), seed=0)
    failures = [Failed(request, "not a picture")] * 3
    settings = make_settings()
    report = write_results(failures, tmp_path, settings, {}, shard_size=9, num_planned=60)
    assert report.num_failed == 3
    with pytest.raises(TooManyFailedError, match=r"2 of 2 .* at most 5\.0% are allowed"):
        write_results(failures, tmp_path, settings, {}, shard_size=9, num_planned=39)


def test_a_folder_holds_captions_of_one_kind(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    out = tmp_path / "out"
    caption_manifest(manifest, out, make_settings(revision="r1"), plan=CaptionPlan(count=2))
    with pytest.raises(ValueError, match=r"caption.json has num_frames 3, this run 4"):
        caption_manifest(manifest, out, make_settings(num_frames=4))
    with pytest.raises(ValueError, match=r"by revision r1, the model is now r2"):
        caption_manifest(manifest, out, make_settings(revision="r2"))
    assert len(rows_in(out)) == 2


def test_a_damaged_shard_is_named_and_made_again_once_it_is_deleted(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    out, plan = tmp_path / "out", CaptionPlan(shard_size=3)
    caption_manifest(manifest, out, make_settings(), plan=plan)
    good = {path.name: path.read_bytes() for path in shard_paths(out)}
    path = shard_paths(out)[1]
    for damage in (good[path.name][:-50], b"", _flipped(good[path.name])):
        path.write_bytes(damage)
        with pytest.raises(ValueError, match=r"captions-00001.parquet is damaged \(.*delete it"):
            caption_manifest(manifest, out, make_settings(), plan=plan)
    path.unlink()
    assert caption_manifest(manifest, out, make_settings(), plan=plan).num_captioned == 3
    assert {path.name: path.read_bytes() for path in shard_paths(out)} == good


def test_a_clip_that_stands_in_two_shards_is_named(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    out = tmp_path / "out"
    caption_manifest(manifest, out, make_settings())
    (out / "captions-00007.parquet").write_bytes(shard_paths(out)[0].read_bytes())
    with pytest.raises(ValueError, match=r"stands in .*captions-00000.* and in .*captions-00007"):
        caption_manifest(manifest, out, make_settings())
    pq.write_table(
        pq.read_table(shard_paths(out)[0]).select(["id"]), out / "captions-00007.parquet"
    )
    with pytest.raises(ValueError, match=r"captions-00007.parquet does not have the columns"):
        caption_manifest(manifest, out, make_settings())


def test_one_process_writes_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="no file locks on this system")
    with (
        locked(tmp_path / "out"),
        pytest.raises(ValueError, match="another process is captioning into"),
        locked(tmp_path / "out"),
    ):
        pass
    (tmp_path / "out" / ".captions-00003.parquet.partial").touch()
    with locked(tmp_path / "out"):
        assert not (tmp_path / "out" / ".captions-00003.parquet.partial").exists()


def test_settings_and_plans_out_of_range_are_refused(make_settings: Settings) -> None:
    for values, name in (
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"seed": -1}, "seed"),
    ):
        with pytest.raises(ValueError, match=name):
            Generation(**values)
    for name in ("count", "num_workers", "batch_size", "shard_size"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1"):
            CaptionPlan(**{name: 0})
    with pytest.raises(ValueError, match="max_failed"):
        CaptionPlan(max_failed=2)
    with pytest.raises(ValueError, match="num_frames"):
        make_settings(num_frames=0)


def test_a_corpus_without_clips_is_refused(
    tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    from PIL import Image

    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("a thing")
    index_corpus("image_folder", tmp_path, tmp_path / "m.arrow")
    with pytest.raises(ValueError, match="has no clips"):
        caption_manifest(Manifest.open(tmp_path / "m.arrow"), tmp_path / "out", make_settings())


def test_ray_is_refused_for_a_server(
    manifest: Manifest, tmp_path: Path, make_settings: Settings
) -> None:
    with pytest.raises(ValueError, match="raise --concurrency"):
        caption_manifest(
            manifest,
            tmp_path / "out",
            make_settings(backend="server"),
            plan=CaptionPlan(engine="ray"),
        )


def test_the_schema_is_that_of_the_rows(
    manifest: Manifest, tmp_path: Path, make_settings: Settings, stub: list[StubBackend]
) -> None:
    caption_manifest(manifest, tmp_path / "out", make_settings())
    assert pq.read_schema(shard_paths(tmp_path / "out")[0]).equals(SCHEMA)


def _flipped(content: bytes) -> bytes:
    """The content with one byte of a data page changed; pages are packed, so any place will do."""
    place = len(content) // 8
    return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]

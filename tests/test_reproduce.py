"""Every table of the paper in seconds: what is trained, scored, written, refused."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import report_pictures
import reproduce
import timetokens as tt
from reproduction import benchmarks
from reproduction.codecs import CODES_BY_DIGITS, ceiling, largest_error, read_back
from reproduction.experiment import Answers, digest
from reproduction.markdown import PAGE_NAME, RESULTS_NAME, page_of
from reproduction.scoring import position_error, scored_table
from reproduction.sizes import SIZES
from reproduction.tables import TABLES, Row, Table, config_of
from seqsynth import AnnotatedVideo, FilmSpec
from seqsynth.testing import VideoRecipe, write_video
from vidllm.paper_recipes import TABLE_ROWS
from vidllm.shapes import shapes_corpus

RICHNESS = {"mean_length", "type_token_ratio"}


@pytest.fixture(scope="module", autouse=True)
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, in processes side by side too: a sum in another order may tip an answer.

    And a cache of our own: what other versions or suites have left in the user's does not matter.
    """
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("SEQ2TIME_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables share runs, as they do for a user."""
    return tmp_path_factory.mktemp("reproduce")


@pytest.mark.parametrize(
    "name",
    # Those that are not of the paper have rows of the same kind and take long.
    [name if name.isdigit() else pytest.param(name, marks=pytest.mark.slow) for name in TABLES],
)
def test_every_table_runs_and_is_written(name: str, out: Path) -> None:
    assert reproduce.main([name, "--size", "smoke", "--out", str(out)]) == 0
    outcome = json.loads((out / f"{name}.json").read_text())
    table = TABLES[name]
    assert [row["label"] for row in outcome["rows"]] == [row.label for row in table.rows]
    for row in outcome["rows"]:
        assert any(column.startswith("exact@") for column in row["scores"])
        for entry in row["scores"].values():
            assert entry["questions"] > 0
            assert entry.get("low", 0) <= entry["value"] <= entry.get("high", entry["value"])
    assert set(outcome["chance"]) == set(outcome["rows"][0]["scores"]) - RICHNESS
    assert all(("ceiling" in row) == table.ceiling for row in outcome["rows"])
    assert outcome["made_by"]["versions"][0]["torch"]
    page = (out / f"{name}.html").read_text()
    assert table.title.replace("'", "&#x27;") in page
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_second_call_trains_and_asks_nothing_again(out: Path) -> None:
    assert reproduce.main(["2", "--size", "smoke", "--out", str(out)]) == 0
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*.jsonl")}
    rows = json.loads((out / "2.json").read_text())["rows"]
    assert reproduce.main(["2", "--size", "smoke", "--out", str(out)]) == 0
    assert before == {path: path.stat().st_mtime_ns for path in out.glob("runs/*/*.jsonl")}
    assert json.loads((out / "2.json").read_text())["rows"] == rows


def test_runs_side_by_side_are_those_of_one_after_another(out: Path, tmp_path: Path) -> None:
    assert reproduce.main(["2", "--size", "smoke", "--out", str(out)]) == 0
    beside = tmp_path / "beside"
    assert reproduce.main(["2", "--size", "smoke", "--jobs", "2", "--out", str(beside)]) == 0
    rows, others = (json.loads((at / "2.json").read_text())["rows"] for at in (out, beside))
    assert others == rows


def test_a_process_that_the_system_ends_is_reported_with_the_way_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(self: object, *call: object) -> None:
        raise BrokenProcessPool("a process ended abruptly")

    monkeypatch.setattr("concurrent.futures.ProcessPoolExecutor.submit", lost)
    assert reproduce.main(["2", "--size", "smoke", "--jobs", "2", "--out", str(tmp_path)]) == 1
    assert "--jobs 1 needs least" in capsys.readouterr().err


@pytest.mark.parametrize("codec", tt.CODECS)
def test_an_event_may_end_with_its_video_or_a_rounding_after_it(codec: str) -> None:
    row = {
        "task": "tvg",
        "events": [[0.0, 13.188, "a cat"]],
        "duration_seconds": 13.187999999999999,
    }
    start, end, caption = read_back(row, codec)
    assert (start, caption) == (0.0, "a cat")
    assert end == pytest.approx(13.188, abs=0.2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--size", "smoke", "--jobs", "0"], "--jobs is 0: give 1 or more"),
        (["--size", "smoke", "--seeds", "-1"], "--seeds is -1: give 1 or more"),
        (["--size", "smoke", "--data-root", "x"], "--data-root goes with --size paper"),
        (["--size", "paper", "--update-docs"], "--update-docs does nothing"),
        (["--size", "smoke", "--seed", "2"], "unrecognized arguments: --seed"),
    ],
)
def test_what_cannot_be_or_would_do_nothing_is_refused(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        reproduce.main(["2", *arguments])
    assert reason in capsys.readouterr().err


def test_clips_and_film_that_no_row_has_seen_are_asked_about_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "film.mp4"
    write_video(VideoRecipe(num_frames=120, options={"preset": "ultrafast"}), path)
    events = tuple(
        tt.Event(float(second), second + 0.5, f"<script>event {second}</script>")
        for second in range(4)
    )
    film = AnnotatedVideo(
        id="film", path=str(path), duration_seconds=120 / 25, num_frames=120, events=events
    )
    shapes = shapes_corpus(tmp_path / "shapes")
    monkeypatch.setattr(benchmarks, "film_video", lambda: film)
    monkeypatch.setattr(benchmarks, "generated_corpus", lambda: shapes)
    monkeypatch.setattr(benchmarks, "default_cache_dir", lambda: tmp_path)
    monkeypatch.setattr(
        benchmarks, "FilmSpec", partial(FilmSpec, part=(0.0, 4.0), window_seconds=(2.0,))
    )
    monkeypatch.setitem(SIZES, "smoke", replace(SIZES["smoke"], further_tasks=("tvg",)))
    assert reproduce.main(["4", "--size", "smoke", "--out", str(tmp_path / "out")]) == 0
    outcome = json.loads((tmp_path / "out" / "4.json").read_text())
    for row in outcome["rows"]:
        scores = row["scores"]
        for kind, count in (("film", 4), ("generated", 4)):
            assert scores[f"{kind}_mean_iou"]["questions"] == count
            assert f"{kind}_f1" not in scores  # dense captions were not asked for
    page = (tmp_path / "out" / "4.html").read_text()
    assert "The end of a film in natural order" in page
    assert "&lt;script&gt;event 0" in page
    assert "<script" not in page


def test_the_committed_page_is_that_of_the_committed_results() -> None:
    docs = reproduce.ROOT / "docs"
    assert (docs / PAGE_NAME).read_text("utf-8") == page_of(docs / RESULTS_NAME)


def test_results_are_kept_below_the_docs_when_asked_for(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    for name in ("2", "digits"):
        arguments = [name, "--size", "smoke", "--out", str(out), "--update-docs"]
        assert reproduce.main(arguments) == 0
    kept = json.loads((tmp_path / "docs" / RESULTS_NAME / "smoke" / "2.json").read_text())
    assert kept == json.loads((out / "2.json").read_text())
    page = (tmp_path / "docs" / PAGE_NAME).read_text("utf-8")
    assert "## Table 2: Seq2Time and its tokens" in page
    assert "[31.2]" in page
    assert "| 2 digits |" in page
    assert "right answers, written and read" in page


def test_the_front_page_shows_the_scores_and_three_timelines(
    out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reproduce.main(["2", "--size", "smoke", "--out", str(out)]) == 0
    pages = report_pictures.sections((out / "2.html").read_text("utf-8"))
    assert "exact@4" in pages["report_scores"]
    assert "as text" not in pages["report_scores"]
    assert 0 < pages["report_timelines"].count("as text") <= report_pictures.NUM_TIMELINES
    monkeypatch.setattr("sys.argv", ["report_pictures", str(out / "missing.html")])
    assert report_pictures.main() == 2
    assert "nox -s reproduce -- 2 writes it" in capsys.readouterr().err
    monkeypatch.setenv("PATH", str(out))
    monkeypatch.setattr("sys.argv", ["report_pictures", str(out / "2.html"), "--out", str(out)])
    assert report_pictures.main() == 2
    assert "there is no chromium on the PATH" in capsys.readouterr().err


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on PATH")
def test_a_page_fits_400_pixels_and_says_nothing_to_the_console(out: Path, tmp_path: Path) -> None:
    assert reproduce.main(["codecs", "--size", "smoke", "--out", str(out)]) == 0
    page = tmp_path / "page.html"
    page.write_text((out / "codecs.html").read_text("utf-8"), "utf-8")
    frame = tmp_path / "frame.html"  # a window has 500 pixels at least
    frame.write_text(
        "<iframe id='f' src='page.html' style='width:400px;height:800px;border:0'></iframe>"
        "<script>addEventListener('load', () => { const w = document.getElementById('f')"
        ".contentWindow; document.title = w.document.documentElement.scrollWidth"
        " + ' of ' + w.innerWidth; });</script>",
        "utf-8",
    )
    command = [
        "chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
        "--allow-file-access-from-files", "--enable-logging=stderr", "--dump-dom", frame.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    assert "CONSOLE" not in done.stderr
    found = re.search(r"<title>(\d+) of (\d+)</title>", done.stdout)
    assert found is not None
    assert int(found[2]) == 400
    assert int(found[1]) <= 400


@pytest.mark.parametrize("codec", [*tt.CODECS, *CODES_BY_DIGITS])
def test_right_answers_reach_what_the_way_of_writing_allows(
    codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, own in CODES_BY_DIGITS.items():
        monkeypatch.setitem(tt.CODECS, name, own)
    asked = [
        {
            "id": f"i.{k}", "task": "iig", "benchmark": "index_grounding@256",
            "duration_seconds": 256.0, "events": [[k - 1.0, float(k), ""]],
        }
        for k in range(1, 257)
    ] + [
        {
            "id": f"t.{k}", "task": "tvg", "benchmark": "film_grounding",
            "duration_seconds": 100.0, "events": [[k * 0.97, k * 0.97 + 1.3, ""]],
        }
        for k in range(100)
    ]  # fmt: skip
    reached, rounding = ceiling(asked, codec), largest_error(asked, codec)
    assert rounding["largest_seconds"] <= rounding["bound_seconds"] + 1e-9
    assert rounding["mean_seconds"] <= rounding["largest_seconds"]
    # 256 places need as many codes; two digits have 100.
    assert (reached["exact@256"] == 1.0) == (codec not in ("rpt2", "percent", "bins"))
    assert (reached["film_mean_iou"] < 0.9) == (codec in ("rpt2", "percent", "bins"))


def test_rows_that_train_the_same_share_a_run() -> None:
    size = SIZES["tiny"]
    full = {
        name: digest(config_of(size, next(r for r in TABLES[name].rows if r.label == label), 0))
        for name, label in (("1", "Full"), ("2", "Seq2Time"), ("7", "100%"), ("codecs", "rpt"))
    }
    assert len(set(full.values())) == 1
    assert digest(config_of(size, TABLES["2"].rows[1], 0)) not in full.values()


@pytest.mark.parametrize("size", SIZES.values(), ids=list(SIZES))
def test_table_6_holds_the_volume_and_table_3_adds_to_it(size: Any) -> None:
    steps = {
        name: [config_of(size, row, 0).num_steps for row in TABLES[name].rows] for name in "36"
    }
    assert len(set(steps["6"][:-1])) == 1
    assert steps["3"] == sorted(steps["3"])
    assert steps["3"][0] < steps["3"][-1]


def test_a_row_shows_nothing_that_it_leaves_out() -> None:
    for row in TABLES["6"].rows:
        stage = config_of(SIZES["tiny"], row, 0).data.stages[0]
        assert stage.clip_weight == 0
        if row.task_weights:
            assert stage.task_weights == row.task_weights


def test_tables_have_the_rows_that_the_recipes_of_the_paper_have() -> None:
    for number, rows in TABLE_ROWS.items():
        labels = {row.label for row in TABLES[str(number)].rows}
        assert labels == set(rows), number


def _answers(hits: int, count: int) -> Answers:
    references = [
        {
            "id": f"q.{n}", "task": "tvg", "benchmark": "clip_grounding", "duration_seconds": 10.0,
            "events": [[2.0, 6.0, "a cat"]],
            "example": f"clip_grounding-{n}",
        }
        for n in range(count)
    ]  # fmt: skip
    predictions = [
        {**row, "events": [[2.0, 6.0, ""]] if n < hits else [[8.0, 9.0, ""]]}
        for n, row in enumerate(references)
    ]
    return Answers(references, predictions, 0, [], {}, (), "")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(10, 60, "as the paper"), (60, 10, "not as the paper"), (30, 31, "within noise")],
)
def test_directions_are_those_of_the_difference(first: int, second: int, expected: str) -> None:
    rows = (
        Row(label="without", paper={"recall_at_1@0.5": 27.2}),
        Row(label="with", paper={"recall_at_1@0.5": 31.2}),
    )
    table = Table(name="t", title="t", rows=rows, note="")
    scored = scored_table(table, {"without": [_answers(first, 80)], "with": [_answers(second, 80)]})
    assert scored[1]["scores"]["recall_at_1@0.5"]["direction"] == expected
    assert scored[1]["scores"]["recall_at_1@0.5"]["value"] == second / 80
    assert "direction" not in scored[0]["scores"]["recall_at_1@0.5"]


def test_a_first_row_without_captions_leaves_nothing_to_compare() -> None:
    paper = {"mean_length": 6.0}
    rows = (Row(label="silent", paper=paper), Row(label="talking", paper=paper))
    table = Table(name="t", title="t", rows=rows, note="", richness=True)
    asked = {"id": "d.0", "task": "dvc", "benchmark": "clip_dense_captions", "example": "d"}
    reference = {**asked, "duration_seconds": 10.0, "events": [[0.0, 5.0, "a cat"]]}
    silent = Answers([reference], [{**asked, "events": []}], 0, [], {}, (), "")
    talking = replace(silent, predictions=[{**asked, "events": [[0.0, 5.0, "a red cat"]]}])
    first, second = scored_table(table, {"silent": [silent], "talking": [talking]})
    assert "mean_length" not in first["scores"]
    assert second["scores"]["mean_length"]["value"] == 3.0
    assert "direction" not in second["scores"]["mean_length"]


def test_questions_and_seeds_of_a_sequence_are_drawn_together() -> None:
    table = Table(name="t", title="t", rows=(Row(label="only"),), note="")

    def interval(*answers: Answers) -> dict[str, Any]:
        entry = scored_table(table, {"only": list(answers)})[0]["scores"]["recall_at_1@0.5"]
        assert entry["low"] < entry["value"] < entry["high"]
        return dict(entry)

    one = interval(_answers(20, 40))
    twice = interval(_answers(20, 40), _answers(20, 40))
    assert (twice["low"], twice["high"]) == (one["low"], one["high"])  # nothing new was asked
    different = interval(_answers(10, 40), _answers(30, 40))
    assert (different["value"], different["by_seed"]) == (0.5, [0.25, 0.75])
    assert (different["questions"], different["sequences"]) == (40, 40)
    of_one_sequence = _answers(20, 40)
    for number, row in enumerate(of_one_sequence.references):
        row["example"] = f"sequence {number // 10}"  # two answered all right, two all wrong
    few = interval(of_one_sequence)
    assert few["high"] - few["low"] > 2 * (one["high"] - one["low"])


def test_a_table_of_steps_compares_with_the_row_above() -> None:
    rows = tuple(Row(label=str(n), paper={"mean_iou": float(n)}) for n in range(3))
    answers = {"0": [_answers(0, 80)], "1": [_answers(60, 80)], "2": [_answers(20, 80)]}
    steps = Table(name="t", title="t", rows=rows, note="", stepwise=True)
    compared = [row["compared_with"] for row in scored_table(steps, answers)]
    assert compared == ["", "0", "1"]
    found = scored_table(steps, answers)
    assert "direction" not in found[1]["scores"]["mean_iou"]  # the row before answers nothing
    assert found[2]["scores"]["mean_iou"]["direction"] == "not as the paper"
    first = scored_table(replace(steps, stepwise=False), answers)
    assert [row["compared_with"] for row in first] == ["", "0", "0"]


def test_errors_of_places_are_counted_by_fifths() -> None:
    asked = {"id": "i.0", "task": "iig", "benchmark": "b", "duration_seconds": 10.0}
    reference = {**asked, "events": [[9.0, 10.0, ""]]}
    answer = {**asked, "events": [[4.0, 5.0, ""]]}
    one = Answers([reference], [answer], 0, [], {}, (), "")
    assert position_error([one]) == [None, None, None, None, 0.5]
    silent = replace(one, predictions=[{**asked, "events": []}])
    assert position_error([silent]) == [None] * 5


def test_the_real_sizes_are_listed_and_not_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    assert reproduce.main(["4", "--size", "paper"]) == 0
    printed = capsys.readouterr().err
    assert "nothing is trained" in printed
    assert "videollama_images" in printed
    assert "memory" in printed
    assert not list(tmp_path.iterdir())


def test_a_signal_ends_it_with_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(reproduce, "answers_of", interrupted)
    assert reproduce.main(["2", "--size", "smoke", "--out", str(tmp_path)]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_an_unknown_table_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        reproduce.main(["8"])
    assert exit_.value.code == 2
    assert "codecs" in capsys.readouterr().err

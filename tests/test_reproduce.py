"""Every table of the paper in seconds: what is trained, scored, written, refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import reproduce
from reproduction.experiment import Answers, digest
from reproduction.scoring import position_error, scored_table
from reproduction.sizes import SIZES
from reproduction.tables import TABLES, Row, Table, config_of
from vidllm.paper_recipes import TABLE_ROWS


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables share runs, as they do for a user."""
    return tmp_path_factory.mktemp("reproduce")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_runs_and_is_written(name: str, out: Path) -> None:
    assert reproduce.main([name, "--size", "smoke", "--out", str(out)]) == 0
    outcome = json.loads((out / f"{name}.json").read_text())
    table = TABLES[name]
    assert [row["label"] for row in outcome["rows"]] == [row.label for row in table.rows]
    for row in outcome["rows"]:
        assert any(column.startswith("exact@") for column in row["scores"])
        for entry in row["scores"].values():
            assert entry["count"] > 0
            assert entry.get("low", 0) <= entry["value"] <= entry.get("high", entry["value"])
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
        }
        for n in range(count)
    ]  # fmt: skip
    predictions = [
        {**row, "events": [[2.0, 6.0, ""]] if n < hits else [[8.0, 9.0, ""]]}
        for n, row in enumerate(references)
    ]
    return Answers(references, predictions, 0, [], Path(), "")


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


def test_seeds_are_pooled() -> None:
    rows = (Row(label="only"),)
    table = Table(name="t", title="t", rows=rows, note="")
    scored = scored_table(table, {"only": [_answers(10, 40), _answers(30, 40)]})
    entry = scored[0]["scores"]["recall_at_1@0.5"]
    assert (entry["value"], entry["count"]) == (0.5, 80)
    assert entry["low"] < 0.5 < entry["high"]


def test_errors_of_places_are_counted_by_fifths() -> None:
    asked = {"id": "i.0", "task": "iig", "benchmark": "b", "duration_seconds": 10.0}
    reference = {**asked, "events": [[9.0, 10.0, ""]]}
    answer = {**asked, "events": [[4.0, 5.0, ""]]}
    one = Answers([reference], [answer], 0, [], Path(), "")
    assert position_error([one]) == [None, None, None, None, 0.5]
    silent = replace(one, predictions=[{**asked, "events": []}])
    assert position_error([silent]) == [None] * 5


def test_the_real_sizes_are_listed_and_not_trained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert reproduce.main(["4", "--size", "paper", "--out", str(tmp_path)]) == 0
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

"""The evaluation of a run: what it scores, what it writes, what it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import evaluate_default


def row(kind: str, id_: str, events: list[Any], **changes: Any) -> dict[str, Any]:
    task = {"index_grounding@4": "iig", "clips": "tvg", "captions": "dvc"}[kind]
    return {"id": id_, "task": task, "benchmark": kind, "events": events, **changes}


@pytest.fixture
def references() -> list[dict[str, Any]]:
    return [
        row("index_grounding@4", "i.0", [[0.0, 1.0, "a cat"]]),
        row("index_grounding@4", "i.1", [[3.0, 4.0, "a dog"]]),
        row("clips", "c.0", [[0.0, 10.0, "a man runs"]]),
        row("captions", "d.0", [[0.0, 5.0, "a man runs fast"], [5.0, 9.0, "a bird sings"]]),
    ]


def test_scores_are_by_benchmark_and_system(references: list[dict[str, Any]]) -> None:
    trained = [
        row("index_grounding@4", "i.0", [[0.0, 1.0, ""]], system="trained"),
        row("index_grounding@4", "i.1", [[2.0, 3.0, ""]], system="trained"),
        row("clips", "c.0", [[0.0, 6.0, ""]], system="trained"),
        row("captions", "d.0", references[3]["events"], system="trained"),
    ]
    silent = [{**answer, "system": "chance", "events": []} for answer in trained]
    scores = evaluate_default.scored(references, [*trained, *silent])
    assert list(scores) == ["index_grounding@4", "clips", "captions"]
    exact = scores["index_grounding@4"]["trained"]["exact"]
    assert (exact["value"], exact["count"]) == (0.5, 2)
    assert exact["low"] <= 0.5 <= exact["high"]
    clips = scores["clips"]["trained"]
    assert [clips[f"recall_at_1@{iou}"]["value"] for iou in (0.3, 0.5, 0.7)] == [1.0, 1.0, 0.0]
    assert clips["mean_iou"]["value"] == pytest.approx(0.6)
    assert scores["captions"]["trained"]["f1"]["value"] == 1.0
    assert scores["captions"]["trained"]["cider"]["value"] > 0
    for benchmark in scores.values():
        assert all(entry["value"] == 0 for entry in benchmark["chance"].values())
    json.dumps(scores, allow_nan=False)


def test_the_readme_table_stands_between_its_markers(tmp_path: Path) -> None:
    from vidllm.recipes import smoke

    entry = {"value": 0.412, "low": 0.35, "high": 0.47, "count": 200}
    scores = {"index_grounding@16": {"trained": {"exact": entry}, "chance": {"exact": entry}}}
    path = tmp_path / "README.md"
    path.write_text(f"before\n{evaluate_default.START}\nold\n{evaluate_default.END}\nafter\n")
    evaluate_default.update_readme(path, scores, smoke())
    text = path.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| index_grounding@16 | exact | 200 | 41.2 (35-47) | - | - | 41.2 (35-47) |" in text
    evaluate_default.update_readme(path, scores, smoke())
    assert path.read_text() == text
    path.write_text("no markers")
    with pytest.raises(ValueError, match="lacks the markers"):
        evaluate_default.update_readme(path, scores, smoke())


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vidllm import run_folder
    from vidllm.recipes import smoke

    run_folder.create(smoke(), tmp_path / "empty")
    for run_dir, message in (
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "has no checkpoint: train it first"),
    ):
        assert evaluate_default.main(["--run", str(run_dir)]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1


def test_no_sequences_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate_default.main(["--sequences", "0"])
    assert "--sequences is 0: give 1 or more" in capsys.readouterr().err


@pytest.fixture
def trained_run(tmp_path: Path) -> Callable[[], Path]:
    """The smoke recipe, three steps."""

    def train_it() -> Path:
        from rich.console import Console

        from vidllm import run_folder
        from vidllm.recipes import smoke
        from vidllm.training import train

        base = smoke()
        config = replace(
            base,
            data=replace(base.data, cache_dir=str(tmp_path / "cache")),
            optim=replace(base.optim, max_steps=3),
        )
        run_folder.create(config, tmp_path / "run")
        train(config, tmp_path / "run", resume_from=None, console=Console(quiet=True))
        return tmp_path / "run"

    return train_it


def test_four_systems_answer_the_same_questions(
    trained_run: Callable[[], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run_dir = trained_run()
    arguments = ["--run", str(run_dir), "--sequences", "2"]
    assert evaluate_default.main(arguments) == 0
    scores = json.loads((run_dir / "scores.json").read_text())
    assert list(scores) == ["index_grounding@16", "clip_grounding", "clip_dense_captions"]
    systems = ["trained", "untrained", "without_seq2time", "chance"]
    assert all(list(by_system) == systems for by_system in scores.values())
    rows = [json.loads(line) for line in (run_dir / "predictions.jsonl").read_text().splitlines()]
    asked = {r["id"] for r in rows if r["system"] == "chance"}
    assert all({r["id"] for r in rows if r["system"] == name} == asked for name in systems)
    assert (run_dir / "report.html").exists()
    assert (run_dir / "without_seq2time" / "checkpoint-3").is_dir()
    capsys.readouterr()
    control = (run_dir / "without_seq2time" / "metrics.jsonl").stat().st_mtime_ns
    assert evaluate_default.main(arguments) == 0  # nothing is trained or predicted twice
    assert "'answered': 0" in capsys.readouterr().err
    assert (run_dir / "without_seq2time" / "metrics.jsonl").stat().st_mtime_ns == control
    assert json.loads((run_dir / "scores.json").read_text()) == scores

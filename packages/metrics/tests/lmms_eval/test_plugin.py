"""The tasks as the real lmms-eval loads and runs them (nox session `lmms_eval`)."""

import json
import os
from pathlib import Path

import pytest

import vidmetrics
from vidmetrics.lmms_eval import TASKS_DIR

if "lmms_eval" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
    import lmms_eval  # noqa: F401  (an ImportError is the failure that was asked for)
else:
    pytest.importorskip("lmms_eval", reason="lmms-eval is not installed: nox -s lmms_eval has it")

pytestmark = pytest.mark.filterwarnings("ignore")  # lmms-eval and its dependencies warn a lot

YOUCOOK2 = {
    "database": {
        "abc": {
            "duration": 60.0,
            "subset": "validation",
            "annotations": [
                {"id": 0, "segment": [0, 10], "sentence": "cut the onions"},
                {"id": 1, "segment": [10, 30], "sentence": "fry them in a pan"},
            ],
        }
    }
}


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from lmms_eval.tasks import TaskManager, get_task_dict

    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("abc.mp4", "AO8RW.mp4"):
        (videos / name).touch()
    (tmp_path / "youcook2.json").write_text(json.dumps(YOUCOOK2))
    (tmp_path / "charades.txt").write_text("AO8RW 0.0 6.9##a person is reading a book.\n")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("YOUCOOK2_REFERENCES", str(tmp_path / "youcook2.json"))
    monkeypatch.setenv("CHARADES_STA_REFERENCES", str(tmp_path / "charades.txt"))
    monkeypatch.setenv("YOUCOOK2_VIDEOS", str(videos))
    monkeypatch.setenv("CHARADES_STA_VIDEOS", str(videos))
    manager = TaskManager(include_path=str(TASKS_DIR), include_defaults=False)
    assert set(manager.all_tasks) == {"youcook2_dvc", "charades_sta_tvg"}
    return get_task_dict(["youcook2_dvc", "charades_sta_tvg"], manager)


def aggregate(task, answers: list[str]) -> dict[str, float]:
    """Scores of the answers, the way the harness calls a task."""
    docs = list(task.test_docs())
    results = [
        task.process_results(doc, [answer]) for doc, answer in zip(docs, answers, strict=True)
    ]
    return {
        metric: function([result[metric] for result in results])
        for metric, function in task.aggregation().items()
    }


def test_dense_captions_score_as_the_library_does(tasks) -> None:
    task = tasks["youcook2_dvc"]
    answer = "0.0 - 12.0 seconds, cut the onions\n20.0 - 30.0 seconds, boil water"
    scores = aggregate(task, [answer])
    reference = {"abc": [(0.0, 10.0, "cut the onions"), (10.0, 30.0, "fry them in a pan")]}
    prediction = {"abc": [(0.0, 12.0, "cut the onions"), (20.0, 30.0, "boil water")]}
    expected = vidmetrics.evaluate_dense_captions(reference, prediction).scores
    assert scores == {name: 100 * expected[name] for name in ("soda_c", "cider", "meteor", "f1")}
    assert scores["f1"] > 0


def test_the_target_of_dense_captions_scores_perfectly(tasks) -> None:
    task = tasks["youcook2_dvc"]
    target = task.doc_to_target(task.test_docs()[0])
    assert aggregate(task, [target])["f1"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("answer", "iou"),
    [("0.0 - 6.9 seconds", 100.0), ("It happens from 0 to 3.45 seconds.", 50.0), ("never", 0.0)],
)
def test_grounding_reads_the_answer_and_scores_it(tasks, answer: str, iou: float) -> None:
    scores = aggregate(tasks["charades_sta_tvg"], [answer])
    assert scores["mean_iou"] == pytest.approx(iou)
    assert scores["recall_at_1_iou_0.3"] == (100.0 if iou >= 30 else 0.0)
    assert scores["recall_at_1_iou_0.7"] == (100.0 if iou >= 70 else 0.0)


def test_the_model_gets_the_video_and_a_question(tasks) -> None:
    task = tasks["charades_sta_tvg"]
    doc = task.test_docs()[0]
    assert 'in the video: "a person is reading a book"?' in task.doc_to_text(doc)
    assert task.doc_to_visual(doc)[0].endswith("AO8RW.mp4")

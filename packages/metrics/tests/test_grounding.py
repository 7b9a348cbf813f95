import numpy as np
import pytest

from vidmetrics import InputError, Resampling, evaluate_grounding


def test_equals_the_original(golden) -> None:
    data = golden("grounding")
    result = evaluate_grounding(data["references"], data["predictions"])
    for threshold, recall in result.recall_at_1.items():
        assert 100 * recall == pytest.approx(data["percent"][f"R@1_IoU{threshold}"], abs=1e-9)
    assert 100 * result.mean_iou == pytest.approx(data["percent"]["mIoU"], abs=1e-9)
    for query, iou in data["iou"].items():
        assert result.per_query[query]["iou"] == pytest.approx(iou, abs=1e-12), query


def test_a_threshold_that_is_reached_counts() -> None:
    result = evaluate_grounding({"q": [(0.0, 10.0)]}, {"q": [(0.0, 5.0)]}, (0.5, 0.51))
    assert result.recall_at_1 == {0.5: 1.0, 0.51: 0.0}


def test_thresholds_keep_all_their_digits() -> None:
    thresholds = (1 / 3, 0.33333, 0.1 + 0.2, 0.3, 1)
    result = evaluate_grounding({"q": [(0.0, 3.0)]}, {"q": [(0.0, 1.0)]}, thresholds)
    assert result.recall_at_1 == {1 / 3: 1.0, 0.33333: 1.0, 0.1 + 0.2: 1.0, 0.3: 1.0, 1.0: 0.0}
    signature = "|iou:.3333333333333333,.33333,.30000000000000004,.3,1|"
    assert signature in result.signature


def test_the_first_prediction_counts_and_the_best_window() -> None:
    windows = {"q": [(0.0, 10.0), (50.0, 60.0)]}
    assert evaluate_grounding(windows, {"q": [(50.0, 60.0), (0.0, 1.0)]}).mean_iou == 1.0
    assert evaluate_grounding(windows, {"q": [(90.0, 99.0), (0.0, 10.0)]}).mean_iou == 0.0


def test_misses_stay_in_the_mean_and_are_reported_by_kind() -> None:
    windows = {name: [(0.0, 10.0)] for name in "abcd"}
    answers = {"a": [(0.0, 10.0)], "b": [], "c": None, "x": [(0.0, 1.0)]}
    result = evaluate_grounding(windows, answers)
    assert result.mean_iou == 0.25
    assert result.counts == {
        "queries": 4,
        "missing": 1,
        "unanswered": 2,
        "unknown": 1,
        "reversed": 0,
    }


def test_reversed_answers_follow_the_choice_and_are_counted() -> None:
    windows, answers = {"q": [(0.0, 10.0)]}, {"q": [(10.0, 0.0)]}
    kept = evaluate_grounding(windows, answers)
    assert (kept.mean_iou, kept.counts["reversed"]) == (0.0, 1)
    repaired = evaluate_grounding(windows, answers, reversed_spans="repaired")
    assert repaired.mean_iou == 1.0
    assert kept.signature != repaired.signature


def test_union_is_named_in_the_signature() -> None:
    windows = {"q": [(0.0, 10.0)]}
    hull = evaluate_grounding(windows, windows)
    true = evaluate_grounding(windows, windows, union="true")
    assert "|union:hull|" in hull.signature
    assert "|union:true|" in true.signature
    assert hull.mean_iou == true.mean_iou == 1.0


def test_the_same_point_twice_is_no_division_by_zero() -> None:
    assert evaluate_grounding({"q": [(3.0, 3.0)]}, {"q": [(3.0, 3.0)]}).mean_iou == 0.0


def test_numpy_scores_are_numbers() -> None:
    spans = [(0.0, 9.0, np.float32(0.5)), (5.0, 6.0, np.int64(1))]
    result = evaluate_grounding({"q": [(5.0, 6.0)]}, {"q": spans}, moments=True)
    assert result.scores["map"] == 1.0


def test_arrays_are_lists_of_spans() -> None:
    windows = {"q": np.array([[0.0, 10.0]])}
    assert evaluate_grounding(windows, windows).mean_iou == 1.0


def test_intervals_hold_the_score_and_repeat_with_the_seed() -> None:
    windows = {str(n): [(0.0, 10.0)] for n in range(50)}
    answers = {str(n): [(0.0, 0.2 * n)] for n in range(50)}
    first = evaluate_grounding(windows, answers, resampling=Resampling(seed=3))
    again = evaluate_grounding(windows, answers, resampling=Resampling(seed=3))
    other = evaluate_grounding(windows, answers, resampling=Resampling(seed=4))
    low, high = first.confidence["mean_iou"]
    assert low < first.mean_iou < high
    assert first.confidence == again.confidence
    assert first.confidence != other.confidence


def test_no_resamples_give_no_intervals() -> None:
    windows = {"q": [(0.0, 10.0)]}
    result = evaluate_grounding(windows, windows, resampling=Resampling(num_resamples=0))
    assert result.confidence == {}


@pytest.mark.parametrize(
    ("references", "predictions", "message"),
    [
        ({}, {}, "nothing to score"),
        ({"q": []}, {}, "'q'.*at least one span"),
        ({"q": [(0.0,)]}, {}, r"references\['q'\]\[0\]"),
        ({"q": [(0.0, float("nan"))]}, {}, "finite"),
        ({"q": [(0.0, "9")]}, {}, "a time must be a number"),
        ({"q": [(0.0, True)]}, {}, "a time must be a number"),
        ({"q": [(0.0, 9.0)]}, {"q": [(0.0, 9.0), (0.0, float("inf"))]}, r"\['q'\]\[1\].*finite"),
        ({"q": [(0.0, 9.0)]}, {"q": 5}, "list of spans"),
        ({"q": [(0.0, 9.0)]}, {"q": [(0.0, 9.0, "best")]}, "score must be a number"),
        ({"q": [(0.0, 10**400)]}, {}, "finite"),
        ({"q": [(0.0, 9.0)]}, {"q": [(0.0, 9.0, 10**400)]}, "score must be finite"),
        ([[(0.0, 9.0)]], {}, "references must be a mapping of query to spans, got list"),
        ({"q": [(0.0, 9.0)]}, None, "predictions must be a mapping"),
    ],
)
def test_bad_input_is_named(references, predictions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        evaluate_grounding(references, predictions)


@pytest.mark.parametrize("thresholds", [(), (0.0,), (1.5,), (0.5, 0.5)])
def test_bad_thresholds_are_rejected(thresholds: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="threshold"):
        evaluate_grounding({"q": [(0.0, 9.0)]}, {}, thresholds)

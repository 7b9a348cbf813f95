import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics import InputError, Saliency, evaluate_grounding, evaluate_highlights
from vidmetrics.moments import average_precision
from vidmetrics.readers.highlight_answers import clip_scores_in_text


def test_average_precision_of_moments_equals_the_original(golden) -> None:
    for case in golden("qvhighlights")["moments"]:
        ours = average_precision(case["windows"], case["predictions"])
        assert ours == pytest.approx(case["average_precision"], abs=1e-9)


def test_moments_are_averaged_over_all_queries_and_misses_count() -> None:
    windows = {"a": [(0.0, 10.0), (20.0, 30.0)], "b": [(0.0, 5.0)]}
    answers = {"a": [(0.0, 10.0, 0.9), (20.0, 30.0, 0.1)]}
    result = evaluate_grounding(windows, answers, moments=True)
    assert result.scores["map"] == 0.5
    assert result.per_query["a"]["map@0.75"] == 1.0
    assert result.per_query["b"]["map"] == 0.0
    assert "map:.5-.95,10" in result.signature


def test_without_scores_the_order_ranks() -> None:
    ranked = average_precision([(0.0, 10.0)], [(0.0, 10.0), (50.0, 60.0)])
    reverse = average_precision([(0.0, 10.0)], [(50.0, 60.0), (0.0, 10.0)])
    assert ranked.tolist() == [1.0] * 10
    assert reverse.tolist() == [0.5] * 10


def rated(seconds: float, clips, ratings) -> Saliency:
    return Saliency(duration_seconds=seconds, clip_indices=clips, ratings=ratings)


def saliency(case) -> Saliency:
    return rated(case["duration"], case["clips"], case["ratings"])


def test_highlights_equal_the_original(golden) -> None:
    cases = {str(n): case for n, case in enumerate(golden("qvhighlights")["highlights"])}
    result = evaluate_highlights(
        {name: saliency(case) for name, case in cases.items()},
        {name: case["prediction"] for name, case in cases.items()},
    )
    for name, case in cases.items():
        assert result.per_query[name]["map"] == pytest.approx(case["map"], abs=1e-6), name
        assert result.per_query[name]["hit_at_1"] == case["hit_at_1"], name
    assert result.scores["map"] == pytest.approx(np.mean([c["map"] for c in cases.values()]))


def test_answers_are_read_as_by_the_original(golden) -> None:
    for case in golden("highlight_answers"):
        found = clip_scores_in_text(case["text"], duration_seconds=case["duration"])
        assert found == (case["clip_scores"], case["is_read"]), case["text"]


def test_a_time_beyond_all_numbers_is_passed_over() -> None:
    text = f"It is in the {'9' * 400}, 5.0 seconds. Their scores are 1.3, 1.7."
    scores, is_read = clip_scores_in_text(text, duration_seconds=8.0)
    assert (scores, is_read) == ([0.0, 0.0, 1.7, 0.0], True)


@given(st.text("0123456789.: \nabcdhighscoreseconds"), st.floats(0.1, 1000.0))
def test_any_answer_gives_every_clip_a_score(text: str, seconds: float) -> None:
    scores, _ = clip_scores_in_text(f"{text} second score {text}", duration_seconds=seconds)
    assert len(scores) == int(seconds / 2)
    assert all(0.0 <= score < 10.0 for score in scores)


def test_a_missing_query_counts_zero() -> None:
    one = rated(4.0, [0], [[4, 4, 4]])
    result = evaluate_highlights({"a": one, "b": one}, {"a": [1.0, 0.0]})
    assert result.scores == {"map": 0.5, "hit_at_1": 0.5}
    assert result.counts["missing"] == 1


def test_a_lower_rating_makes_more_highlights() -> None:
    queries = {"a": rated(4.0, [0, 1], [[2], [4]])}
    assert evaluate_highlights(queries, {"a": [1.0, 0.0]}).scores["hit_at_1"] == 0.0
    assert evaluate_highlights(queries, {"a": [1.0, 0.0]}, min_rating=2).scores["hit_at_1"] == 1.0


@pytest.mark.parametrize(
    ("reference", "prediction", "message"),
    [
        (rated(4.0, [2], [[4]]), [0.0], "clip 2 lies outside the 2 clips"),
        (rated(4.0, [0], []), [0.0], "need as many rows"),
        (rated(4.0, [0], [[]]), [0.0], "need as many rows"),
        (rated(4.0, [0, 1], [[4], [4, 3]]), [0.0], "all equally long"),
        (rated(4.0, [0], [[float("nan")]]), [0.0], "lists of numbers"),
        (rated(4.0, [0.5], [[4]]), [0.0], "a clip must be a whole number, got 0.5"),
        (rated(1e12, [0], [[4]]), [0.0], "1e[+]12 seconds has no clips that can be rated"),
        (rated(4.0, [0], [["4"]]), [0.0], "lists of numbers"),
        (rated(4.0, [0], [[4]]), [float("nan")], "finite"),
        (rated(4.0, [0], [[4]]), ["high"], "finite"),
        (rated(4.0, [0], [[4]]), ["1.5"], "finite"),
        (rated(4.0, [0], [[4]]), [None], "finite"),
        (rated(4.0, [0], [[4]]), [[1.0]], "finite"),
        (rated(4.0, [0], [[4]]), "high", "list of finite numbers"),
    ],
)
def test_what_does_not_fit_is_named(reference, prediction, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        evaluate_highlights({"q7": reference}, {"q7": prediction})
    assert "q7" in str(error.value)


def test_a_rating_that_is_no_number_makes_no_highlights() -> None:
    with pytest.raises(InputError, match="min_rating must be a number"):
        evaluate_highlights({"q": rated(4.0, [0], [[4]])}, {}, min_rating=float("nan"))


def test_scores_of_any_size_rank() -> None:
    queries = {"q": rated(6.0, [1], [[4]])}
    assert evaluate_highlights(queries, {"q": [-1e308, 1e308, 0.0]}).scores["map"] == 1.0


def test_arrays_are_lists_of_clips() -> None:
    queries = {"q": rated(6.0, np.array([1]), np.array([[4]]))}
    result = evaluate_highlights(queries, {"q": np.array([0.0, 1.0, 0.5], dtype=np.float32)})
    assert result.scores == {"map": 1.0, "hit_at_1": 1.0}


def test_spans_of_which_some_have_no_score_cannot_be_ranked() -> None:
    answers = {"q": [(0.0, 5.0, 0.5), (5.0, 9.0)]}
    with pytest.raises(InputError, match=r"predictions\['q'\]: some spans carry a score"):
        evaluate_grounding({"q": [(0.0, 5.0)]}, answers, moments=True)
    assert evaluate_grounding({"q": [(0.0, 5.0)]}, answers).mean_iou == 1.0

"""What must hold for any input."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vidmetrics import PROTOCOLS, Resampling, cider_d, evaluate_dense_captions, evaluate_grounding
from vidmetrics.highlights import Saliency, evaluate_highlights
from vidmetrics.iou import IouRule, iou_matrix
from vidmetrics.moments import average_precision
from vidmetrics.soda import best_path_value, soda_c

NO_INTERVALS = Resampling(num_resamples=0)
TIMES = st.floats(-5, 60) | st.integers(0, 20).map(float) | st.floats(-1e300, 1e300)
SPANS = st.tuples(TIMES, TIMES)
WORDS = st.sampled_from("cut the onion onions fry it in a pan slowly , . 180°C 1/2".split())  # noqa: SIM905
CAPTIONS = st.lists(WORDS, max_size=6).map(" ".join) | st.text(max_size=12)
EVENTS = st.tuples(TIMES, TIMES, CAPTIONS)
RULES = st.builds(
    IouRule,
    union=st.sampled_from(["hull", "capped", "true"]),
    epsilon=st.sampled_from([0.0, 1e-8]),
    reversed_spans=st.sampled_from(["repaired", "zero", "kept"]),
)
VIDEOS = st.dictionaries(
    st.sampled_from("abcd"), st.lists(EVENTS, min_size=1, max_size=4), min_size=1, max_size=4
)
PREDICTED = st.dictionaries(st.sampled_from("abcde"), st.lists(EVENTS, max_size=13), max_size=4)


def spans(listed) -> np.ndarray:
    clipped = [(max(min(s, 1e100), -1e100), max(min(e, 1e100), -1e100)) for s, e in listed]
    return np.array(clipped, dtype=float).reshape(-1, 2)


@given(st.lists(SPANS, max_size=5), st.lists(SPANS, max_size=5), RULES)
def test_iou_is_bounded_and_symmetric(a, b, rule: IouRule) -> None:
    matrix = iou_matrix(spans(a), spans(b), rule)
    assert ((matrix >= 0.0) & (matrix <= 1.0)).all()
    assert np.array_equal(matrix, iou_matrix(spans(b), spans(a), rule).T)


@given(st.lists(SPANS, min_size=1, max_size=5), RULES)
def test_iou_with_itself_is_the_largest(a, rule: IouRule) -> None:
    matrix = iou_matrix(spans(a), spans(a), rule)
    best = np.diag(matrix)
    proper = np.array([end > start for start, end in spans(a)])
    assert (best[proper][:, None] >= matrix[proper] - 1e-12).all()


def best_path_by_trying_all(values: np.ndarray) -> float:
    """The best order-preserving matching, by every choice of rows and columns."""
    num_rows, num_columns = values.shape
    best = 0.0
    for size in range(1, min(num_rows, num_columns) + 1):
        for rows in combinations(range(num_rows), size):
            for columns in combinations(range(num_columns), size):
                best = max(best, float(values[list(rows), list(columns)].sum()))
    return best


@given(
    arrays(
        float,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        elements=st.floats(0, 1, allow_subnormal=False),
    )
)
def test_soda_finds_the_best_of_all_paths(values: np.ndarray) -> None:
    assert best_path_value(values) == pytest.approx(best_path_by_trying_all(values))
    assert 0.0 <= soda_c(values) <= 1.0


@settings(max_examples=40)
@given(VIDEOS, PREDICTED, st.sampled_from(sorted(PROTOCOLS)))
def test_dense_scores_are_bounded_and_finite(references, predictions, protocol: str) -> None:
    result = evaluate_dense_captions(references, predictions, protocol, resampling=NO_INTERVALS)
    for scores in (result.scores, *result.per_video.values()):
        for name, score in scores.items():
            top = 10.0 + 1e-9 if "cider" in name else 1.0 + 1e-12
            assert name.startswith("num_") or 0.0 <= score <= top, name


@settings(max_examples=25)
@given(VIDEOS, PREDICTED, st.randoms(use_true_random=False))
def test_the_order_of_videos_and_events_does_not_matter(references, predictions, random) -> None:
    # SODA_c is about order; with columns put right, only that of equal start times may matter.
    protocol = replace(PROTOCOLS["timechat"], soda_columns="natural", soda_order="start")
    distinct = {
        video: list({event[0]: event for event in events}.values())
        for video, events in predictions.items()
    }
    shuffled = {video: random.sample(events, len(events)) for video, events in distinct.items()}
    backwards = dict(reversed(references.items()))
    one = evaluate_dense_captions(references, distinct, protocol, resampling=NO_INTERVALS)
    two = evaluate_dense_captions(backwards, shuffled, protocol, resampling=NO_INTERVALS)
    assert two.scores == pytest.approx(dict(one.scores), abs=1e-9)


@settings(max_examples=25)
@given(VIDEOS)
def test_precision_and_recall_swap_with_their_sides(videos) -> None:
    other = {video: events[:2] for video, events in videos.items()}
    one = evaluate_dense_captions(videos, other, resampling=NO_INTERVALS).scores
    two = evaluate_dense_captions(other, videos, resampling=NO_INTERVALS).scores
    assert one["precision"] == pytest.approx(two["recall"])
    assert one["f1"] == pytest.approx(two["f1"])


@given(st.lists(st.tuples(CAPTIONS, st.lists(CAPTIONS, min_size=1, max_size=3)), max_size=6))
def test_cider_is_bounded_and_ignores_the_order_of_items(items) -> None:
    scores = cider_d([r for _, r in items], [p for p, _ in items])
    assert ((scores >= 0.0) & (scores <= 10.0 + 1e-9)).all()
    backwards = cider_d([r for _, r in items[::-1]], [p for p, _ in items[::-1]])
    assert backwards[::-1] == pytest.approx(scores)


@given(
    st.dictionaries(
        st.integers(0, 5).map(str), st.lists(SPANS, min_size=1, max_size=3), min_size=1
    ),
    st.dictionaries(st.integers(0, 6).map(str), st.none() | st.lists(SPANS, max_size=12)),
)
def test_recall_falls_with_the_threshold_and_bounds_hold(references, predictions) -> None:
    result = evaluate_grounding(
        references, predictions, (0.1, 0.5, 0.9), moments=True, resampling=NO_INTERVALS
    )
    recalls = list(result.recall_at_1.values())
    assert recalls == sorted(recalls, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in result.scores.values())


@given(st.lists(SPANS, min_size=1, max_size=4), st.lists(SPANS, max_size=12))
def test_average_precision_falls_with_the_threshold(windows, predictions) -> None:
    precision = average_precision(
        [tuple(w) for w in spans(windows)], [tuple(p) for p in spans(predictions)]
    )
    assert ((precision >= 0.0) & (precision <= 1.0 + 1e-12)).all()


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=8),
    st.lists(st.floats(-1e6, 1e6), max_size=10),
)
def test_highlight_scores_are_bounded(ratings, scores) -> None:
    rated = Saliency(
        duration_seconds=2.0 * len(ratings),
        clip_indices=list(range(len(ratings))),
        ratings=ratings,
    )
    result = evaluate_highlights({"q": rated}, {"q": scores}, resampling=NO_INTERVALS)
    assert all(0.0 <= score <= 1.0 for score in result.scores.values())

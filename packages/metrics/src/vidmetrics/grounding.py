"""Temporal grounding: recall at 1, mean IoU, and average precision for several windows a query.

Defaults are those of the Charades-STA scorer of TimeChat: IoU over the hull, no constant in the
denominator, `>=` at the threshold, the first prediction counts, and a query without an answer is a
miss that stays in the mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from vidmetrics.errors import InputError
from vidmetrics.events import (
    FloatArray,
    ScoredSpan,
    Span,
    check_scored_span,
    check_span,
    is_list,
    plain,
    span_array,
)
from vidmetrics.iou import IouRule, ReversedSpans, check_iou_thresholds, exact, iou_pairs
from vidmetrics.moments import MOMENT_IOU_THRESHOLDS, average_precision
from vidmetrics.resampling import (
    Interval,
    Resampling,
    Statistics,
    confidence,
    mean_statistic,
)
from vidmetrics.signature import grounding_signature

Predictions = Mapping[str, Sequence[ScoredSpan] | None]


@dataclass(frozen=True, eq=False)
class GroundingResult:
    """Scores of temporal grounding, as fractions.

    Attributes:
        scores: `recall_at_1@T` for each threshold T, `mean_iou`, and with `moments` also `map`,
            `map@0.5` and `map@0.75`.
        per_query: `iou` of the first prediction with its best window, and the same scores.
        signature: every choice behind the numbers, in one line.
        counts: `queries`, `missing` (no entry in the predictions), `unanswered` (an entry without
            a span: the answer could not be read), `unknown` (predictions for no query), and the
            number of `reversed` first predictions.
        statistics: what the scores are made of, per query, for intervals and comparisons.
        resampling: how `confidence` is drawn.
    """

    scores: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]
    signature: str
    counts: Mapping[str, int]
    statistics: Statistics = field(repr=False)
    resampling: Resampling = field(repr=False)

    @property
    def recall_at_1(self) -> dict[float, float]:
        """Share of queries whose first prediction reaches each IoU threshold."""
        prefix = "recall_at_1@"
        return {
            float(name.removeprefix(prefix)): score
            for name, score in self.scores.items()
            if name.startswith(prefix)
        }

    @property
    def mean_iou(self) -> float:
        """Mean IoU over all queries, unanswered ones as 0."""
        return self.scores["mean_iou"]

    @cached_property
    def confidence(self) -> dict[str, Interval]:
        """Bootstrap interval over queries of each score, drawn when first asked for."""
        return confidence(self.statistics, self.resampling)


def evaluate_grounding(
    references: Mapping[str, Sequence[Span]],
    predictions: Predictions,
    iou_thresholds: Sequence[float] = (0.3, 0.5, 0.7),
    *,
    union: Literal["hull", "true"] = "hull",
    reversed_spans: ReversedSpans = "kept",
    moments: bool = False,
    resampling: Resampling | None = None,
) -> GroundingResult:
    """Score temporal grounding.

    Args:
        references: `{query: [(start_seconds, end_seconds), ...]}`; the window that the prediction
            overlaps most counts, as in QVHighlights.
        predictions: the same for the system, best first; a span may carry a third value, its
            score, for `moments`. No entry, None or an empty list is a miss.
        iou_thresholds: recall at 1 is reported at each.
        union: denominator of the IoU. `"hull"` and `"true"` differ for spans that do not overlap,
            where both give 0, and for reversed ones.
        reversed_spans: what a prediction with end < start counts: `"kept"` as it is (its IoU is 0
            unless the window is reversed too), `"repaired"` (ends swapped) or `"zero"`.
        moments: also average precision over all predicted windows (at most 10 a query), at
            IoU 0.5 to 0.95, as QVHighlights does.
        resampling: how intervals are drawn; 1000 resamples at 95 % with seed 0 if not given.

    Raises:
        InputError: a span that is none, a query without a window, no queries at all, or with
            `moments` an answer of which only some spans carry a score.
        ValueError: thresholds outside (0, 1].

    Example:
        >>> result = evaluate_grounding({"q": [(2.0, 6.0)]}, {"q": [(3.0, 6.0)]})
        >>> result.recall_at_1, result.mean_iou
        ({0.3: 1.0, 0.5: 1.0, 0.7: 1.0}, 0.75)
    """
    thresholds = tuple(float(threshold) for threshold in iou_thresholds)
    check_iou_thresholds(thresholds)
    rule = IouRule(union=union, reversed_spans=reversed_spans)
    windows = _checked_windows(references)
    answers = _checked_answers(predictions)
    queries = tuple(windows)
    iou = _best_iou(windows, answers, rule)
    columns = {"iou": iou} | {
        f"recall_at_1@{exact(threshold)}": (iou >= threshold).astype(np.float64)
        for threshold in thresholds
    }
    metrics = {name: values for name, values in columns.items() if name != "iou"}
    metrics["mean_iou"] = iou
    if moments:
        _check_ranks(answers)
        precision = np.stack([average_precision(windows[q], answers.get(q, ())) for q in queries])
        metrics["map"] = columns["map"] = precision.mean(axis=1)
        for threshold in (0.5, 0.75):
            column = MOMENT_IOU_THRESHOLDS.index(threshold)
            metrics[f"map@{threshold:g}"] = columns[f"map@{threshold:g}"] = precision[:, column]
    counted = np.ones(len(queries))
    statistics = Statistics(
        queries, {name: mean_statistic(values, counted) for name, values in metrics.items()}
    )
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return GroundingResult(
        scores={name: statistic.score for name, statistic in statistics.metrics.items()},
        per_query={
            query: dict(zip(columns, row, strict=True))
            for query, row in zip(queries, rows, strict=True)
        },
        signature=grounding_signature(rule, thresholds, *(["map:.5-.95,10"] if moments else [])),
        counts=_counts(queries, predictions, answers),
        statistics=statistics,
        resampling=resampling or Resampling(),
    )


def _checked_windows(references: Mapping[str, Sequence[Span]]) -> dict[str, list[Span]]:
    _check_mapping(references, "references")
    windows: dict[str, list[Span]] = {}
    for query, given in references.items():
        spans = plain(given)
        if not is_list(spans) or not spans:
            raise InputError(f"references[{query!r}] must be a list of at least one span")
        windows[query] = [
            check_span(span, lambda q=query, i=i: f"references[{q!r}][{i}]")  # type: ignore[misc]
            for i, span in enumerate(spans)
        ]
    if not windows:
        raise InputError("references hold no query, so there is nothing to score")
    return windows


def _checked_answers(predictions: Predictions) -> dict[str, list[ScoredSpan]]:
    _check_mapping(predictions, "predictions")
    answers: dict[str, list[ScoredSpan]] = {}
    for query, given in predictions.items():
        spans = plain(given)
        if spans is not None and not is_list(spans):
            raise InputError(
                f"predictions[{query!r}] must be a list of spans, got {type(spans).__name__}"
            )
        answers[query] = [
            check_scored_span(span, lambda q=query, i=i: f"predictions[{q!r}][{i}]")  # type: ignore[misc]
            for i, span in enumerate(spans or ())
        ]
    return answers


def _check_ranks(answers: Mapping[str, Sequence[ScoredSpan]]) -> None:
    """Raise InputError where some spans of a query carry a score and others do not."""
    for query, spans in answers.items():
        if len({len(span) for span in spans}) > 1:
            raise InputError(
                f"predictions[{query!r}]: some spans carry a score and others do not, so they "
                "cannot be ranked; give all of them one, or none"
            )


def _check_mapping(given: object, name: str) -> None:
    if not isinstance(given, Mapping):
        raise InputError(f"{name} must be a mapping of query to spans, got {type(given).__name__}")


def _best_iou(
    windows: Mapping[str, Sequence[Span]],
    answers: Mapping[str, Sequence[ScoredSpan]],
    rule: IouRule,
) -> FloatArray:
    """IoU of each query's first prediction with the window that it overlaps most: (q,)."""
    num_windows = np.array([len(spans) for spans in windows.values()], dtype=np.int64)
    first = [answers.get(query) or () for query in windows]
    answered = np.array([len(spans) > 0 for spans in first])
    predicted = span_array([spans[0][:2] if spans else (0.0, 0.0) for spans in first])
    iou = iou_pairs(
        span_array([span for spans in windows.values() for span in spans]),
        np.repeat(predicted, num_windows, axis=0),
        rule,
    )
    starts = np.cumsum(num_windows) - num_windows
    best: FloatArray = np.maximum.reduceat(iou, starts) * answered
    return best


def _counts(
    queries: Sequence[str], predictions: Predictions, answers: Mapping[str, Sequence[ScoredSpan]]
) -> dict[str, int]:
    first = [answers[query][0] for query in queries if answers.get(query)]
    missing = sum(query not in predictions for query in queries)
    return {
        "queries": len(queries),
        "missing": missing,
        "unanswered": len(queries) - len(first) - missing,
        "unknown": len(answers.keys() - set(queries)),
        "reversed": sum(span[1] < span[0] for span in first),
    }

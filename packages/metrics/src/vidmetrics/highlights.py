"""Highlight detection as QVHighlights and TimeChat score it: mAP and HIT@1 over 2-second clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from vidmetrics.errors import InputError
from vidmetrics.events import BoolArray, FloatArray, is_list, plain
from vidmetrics.iou import exact
from vidmetrics.resampling import (
    Interval,
    Resampling,
    Statistics,
    confidence,
    mean_statistic,
)
from vidmetrics.version import __version__

CLIP_SECONDS = 2.0
VERY_GOOD = 4
MAX_CLIPS = 1_000_000  # more than three weeks of video; a matrix of more may not fit in memory


@dataclass(frozen=True, kw_only=True, slots=True)
class Saliency:
    """What annotators said about one query.

    Attributes:
        duration_seconds: of the video; it has `int(duration_seconds / 2)` clips.
        clip_indices: 0-based clips that were rated; every other clip counts as rated 0.
        ratings: for each of them one rating an annotator, 0 (very bad) to 4 (very good).
    """

    duration_seconds: float
    clip_indices: Sequence[int]
    ratings: Sequence[Sequence[float]]

    def matrix(self) -> FloatArray:
        """Ratings of every clip: (clips, annotators) float64.

        Raises:
            InputError: a video without end, a clip that it does not have, or ratings that do not
                fit the clips.
        """
        if not 0.0 < self.duration_seconds <= CLIP_SECONDS * MAX_CLIPS:
            raise InputError(
                f"a video of {self.duration_seconds:g} seconds has no clips that can be rated"
            )
        num_clips = int(self.duration_seconds / CLIP_SECONDS)
        ratings = _rating_matrix(self.ratings)
        if ratings.ndim != 2 or not ratings.size or len(ratings) != len(self.clip_indices):
            raise InputError(
                f"{len(self.clip_indices)} rated clips need as many rows of ratings, "
                f"got shape {ratings.shape}"
            )
        odd = [clip for clip in self.clip_indices if not isinstance(clip, int | np.integer)]
        if odd:
            raise InputError(f"a clip must be a whole number, got {odd[0]!r:.60}")
        outside = [clip for clip in self.clip_indices if not 0 <= clip < num_clips]
        if outside:
            raise InputError(
                f"clip {outside[0]} lies outside the {num_clips} clips of "
                f"{self.duration_seconds:g} seconds"
            )
        matrix = np.zeros((num_clips, ratings.shape[1]))
        matrix[list(self.clip_indices)] = ratings
        return matrix


@dataclass(frozen=True, eq=False)
class HighlightResult:
    """Scores of highlight detection, as fractions.

    Attributes:
        scores: `map` and `hit_at_1`.
        per_query: the same for each query.
        signature: every choice behind the numbers, in one line.
        counts: `queries`, `missing` and `unknown`.
        statistics: what the scores are made of, per query.
        resampling: how `confidence` is drawn.
    """

    scores: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]
    signature: str
    counts: Mapping[str, int]
    statistics: Statistics = field(repr=False)
    resampling: Resampling = field(repr=False)

    @cached_property
    def confidence(self) -> dict[str, Interval]:
        """Bootstrap interval over queries of each score, drawn when first asked for."""
        return confidence(self.statistics, self.resampling)


def evaluate_highlights(
    references: Mapping[str, Saliency],
    predictions: Mapping[str, Sequence[float]],
    *,
    min_rating: float = VERY_GOOD,
    resampling: Resampling | None = None,
) -> HighlightResult:
    """Score predicted saliency of every clip.

    Args:
        references: ratings of each query.
        predictions: one score a clip, in order; too few are filled up with 0, too many are cut.
            A query without an entry scores 0.
        min_rating: ratings from here on make a clip a highlight; published numbers use 4.
        resampling: how intervals are drawn; 1000 resamples at 95 % with seed 0 if not given.

    Raises:
        InputError: scores that are no finite numbers, ratings that do not fit (names the query),
            `min_rating` NaN, no queries at all.
    """
    if math.isnan(min_rating):
        raise InputError("min_rating must be a number, got nan")
    if not references:
        raise InputError("references hold no query, so there is nothing to score")
    queries = tuple(references)
    precision, hit = np.zeros(len(queries)), np.zeros(len(queries))
    for row, query in enumerate(queries):
        try:
            positive = references[query].matrix() >= min_rating
        except InputError as error:
            raise InputError(f"references[{query!r}]: {error}") from None
        if query not in predictions:
            continue
        scores = _clip_scores(predictions[query], query)
        if len(scores) and (best := int(np.argmax(scores))) < len(positive):
            hit[row] = float(positive[best].any())
        fitted = np.zeros(len(positive))
        fitted[: len(scores)] = scores[: len(positive)]
        precision[row] = np.mean([_average_precision(column, fitted) for column in positive.T])
    counted = np.ones(len(queries))
    statistics = Statistics(
        queries,
        {"map": mean_statistic(precision, counted), "hit_at_1": mean_statistic(hit, counted)},
    )
    return HighlightResult(
        scores={name: statistic.score for name, statistic in statistics.metrics.items()},
        per_query={
            query: {"map": float(precision[row]), "hit_at_1": float(hit[row])}
            for row, query in enumerate(queries)
        },
        signature=f"VHD|rating:>={exact(min_rating)}|clip:{CLIP_SECONDS:g}s|missing:0|v:{__version__}",
        counts={
            "queries": len(queries),
            "missing": sum(query not in predictions for query in queries),
            "unknown": len(predictions.keys() - set(queries)),
        },
        statistics=statistics,
        resampling=resampling or Resampling(),
    )


def _rating_matrix(rows: Sequence[Sequence[float]]) -> FloatArray:
    """Ratings as (rated clips, annotators) float64."""
    ratings = _finite_numbers(rows)
    if ratings is None:
        raise InputError("ratings must be lists of numbers, one list a clip, all equally long")
    return ratings


def _clip_scores(values: object, query: str) -> FloatArray:
    scores = _finite_numbers(values)
    if scores is None or scores.ndim != 1:
        raise InputError(f"predictions[{query!r}] must be a list of finite numbers, one a clip")
    return scores


def _finite_numbers(values: object) -> FloatArray | None:
    """Lists or an array of numbers as float64; None where they are anything else."""
    values = plain(values)
    if not is_list(values):
        return None
    try:
        numbers = np.array(values)
    except (ValueError, OverflowError):  # lists of different lengths, numbers beyond all types
        return None
    # NumPy would read texts as numbers, True as 1, and None as NaN.
    if numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        return None
    return numbers.astype(np.float64)


def _average_precision(positive: BoolArray, scores: FloatArray) -> float:
    """Mean of the interpolated precision at every threshold where recall grows.

    Equal scores form one threshold. All clips positive gives 1, none 0.
    """
    if not positive.any():
        return 0.0
    if positive.all():
        return 1.0
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last_of_tie = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits = np.cumsum(positive[order])[last_of_tie]
    precision = hits / (last_of_tie + 1.0)
    best_later = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_later[np.diff(hits, prepend=0) > 0].mean())

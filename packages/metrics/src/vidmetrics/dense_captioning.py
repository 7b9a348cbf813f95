"""SODA_c, CIDEr, METEOR, precision, recall and F1 of dense captions, by a named protocol.

All captions of a benchmark are tokenized together and all caption pairs scored together; what is
left per video is small matrices. `docs/metrics_protocols.md` has the definitions and their quirks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from vidmetrics.coverage import f_score
from vidmetrics.dense_scores import DenseScores, score_layouts
from vidmetrics.errors import InputError
from vidmetrics.events import Event, FloatArray, check_videos
from vidmetrics.iou import exact
from vidmetrics.meteor import Meteor, MeteorMode, load_meteor
from vidmetrics.meteor_data import data_path
from vidmetrics.protocol import Protocol, protocol_named
from vidmetrics.resampling import (
    Interval,
    Resampling,
    Statistic,
    Statistics,
    confidence,
    mean_statistic,
)
from vidmetrics.signature import dense_captioning_signature
from vidmetrics.video_layout import Video, lay_out

Videos = Mapping[str, Sequence[Event]]
"""Events of each video."""


@dataclass(frozen=True, eq=False)
class DenseCaptioningResult:
    """Scores of dense captions, as fractions (CIDEr as the originals return it, 0 to 10).

    Attributes:
        scores: `soda_c`, `cider`, `meteor`, `f1`, `precision`, `recall`, and `cider_corpus`, which
            is CIDEr with one document frequency for all videos and not what papers print.
        per_threshold: precision, recall, cider and meteor at each IoU threshold.
        per_video: the same scores of each video that counts; see `Protocol.missing`.
        signature: every choice behind the numbers, in one line.
        counts: `videos`, `scored`, `missing` (no entry in the predictions), `empty` (an entry
            without events), `unknown` (predictions for a video without references), `references`,
            `predictions`.
        statistics: what the scores are made of, per video, for intervals and comparisons.
        resampling: how `confidence` is drawn.
    """

    scores: Mapping[str, float]
    per_threshold: Mapping[float, Mapping[str, float]]
    per_video: Mapping[str, Mapping[str, float]]
    signature: str
    counts: Mapping[str, int]
    statistics: Statistics = field(repr=False)
    resampling: Resampling = field(repr=False)

    @cached_property
    def confidence(self) -> dict[str, Interval]:
        """Bootstrap interval over videos of each score, drawn when first asked for."""
        return confidence(self.statistics, self.resampling)


def evaluate_dense_captions(
    references: Videos | Sequence[Videos],
    predictions: Videos,
    protocol: Protocol | str = "timechat",
    *,
    resampling: Resampling | None = None,
) -> DenseCaptioningResult:
    """Score dense captions.

    Args:
        references: `{video: [(start_seconds, end_seconds, caption), ...]}`, or several of these
            (a second annotator, as in ActivityNet Captions). Videos here decide what is scored.
        predictions: the same for the system. A video without an entry is missing; what that means
            is the protocol's choice.
        protocol: a name of `PROTOCOLS` or a `Protocol`.
        resampling: how intervals are drawn; 1000 resamples at 95 % with seed 0 if not given.

    Raises:
        InputError: an event that is none, a video without reference events, no videos at all.
        ValueError: an unknown protocol.
        MeteorDataError: the protocol wants the full METEOR data and it is not there.

    Example:
        >>> truth = {"a": [(0.0, 5.0, "cut the onion"), (5.0, 9.0, "fry it")]}
        >>> evaluate_dense_captions(truth, truth).scores["f1"]
        1.0
    """
    chosen = protocol_named(protocol)
    sets = [references] if isinstance(references, Mapping) else list(references)
    checked_sets = [
        check_videos(one, "references" if len(sets) == 1 else f"references[{n}]", allow_empty=False)
        for n, one in enumerate(sets)
    ]
    checked = check_videos(predictions, "predictions", allow_empty=True)
    all_ids = list(dict.fromkeys(video for one in checked_sets for video in one))
    if not all_ids:
        raise InputError("references hold no video, so there is nothing to score")
    videos = _scored_videos(all_ids, checked_sets, checked, chosen)
    meteor = loaded_meteor(chosen.meteor)
    layouts, tokens = lay_out(videos, chosen)
    try:
        scores = score_layouts(layouts, tokens, meteor, chosen)
    except InputError as error:
        raise InputError(f"{error}; the longest are in video {_longest(videos)!r}") from None
    statistics = Statistics(
        tuple(video.id for video in videos),
        _statistics(scores, chosen),
    )
    return DenseCaptioningResult(
        scores={name: metric.score for name, metric in statistics.metrics.items()},
        per_threshold=_per_threshold(scores, chosen),
        per_video=_per_video(scores, chosen, videos),
        signature=dense_captioning_signature(chosen, meteor.label),
        counts={
            "videos": len(all_ids),
            "scored": len(videos),
            "missing": sum(video not in checked for video in all_ids),
            "empty": sum(checked.get(video) == [] for video in all_ids),
            "unknown": len(checked.keys() - set(all_ids)),
            "references": sum(len(events) for one in checked_sets for events in one.values()),
            "predictions": sum(len(checked.get(video, ())) for video in all_ids),
        },
        statistics=statistics,
        resampling=resampling or Resampling(),
    )


def loaded_meteor(mode: MeteorMode) -> Meteor:
    """METEOR of that mode, loaded once a process, and anew where its data has come meanwhile."""
    path = data_path()
    return _loaded_meteor(mode, path, path.exists())


@lru_cache(maxsize=3)
def _loaded_meteor(mode: MeteorMode, path: Path, is_there: bool) -> Meteor:
    del path, is_there
    return load_meteor(mode)


def _longest(videos: Sequence[Video]) -> str:
    """The video with the longest captions on both sides."""

    def longest_pair(video: Video) -> int:
        sides = (video.references, video.predictions)
        return math.prod(max((len(event[2]) for event in side), default=0) for side in sides)

    return max(videos, key=longest_pair).id


def _scored_videos(
    ids: Sequence[str],
    sets: Sequence[Mapping[str, Sequence[Event]]],
    predictions: Mapping[str, Sequence[Event]],
    protocol: Protocol,
) -> list[Video]:
    videos: list[Video] = []
    for video in ids:
        if protocol.missing == "skipped" and video not in predictions:
            continue
        predicted = predictions.get(video, ())
        if protocol.empty == "skipped" and not predicted:
            continue
        own = {number: one[video] for number, one in enumerate(sets) if video in one}
        if protocol.several_references == "merged":
            own = {0: [event for events in own.values() for event in events]}
        videos.append(Video(video, own, predicted))
    return videos


def _statistics(scores: DenseScores, protocol: Protocol) -> dict[str, Statistic]:
    """What each score of the corpus is made of, per video."""
    num_videos = len(scores.precision)
    once = np.ones((num_videos, 1))
    corpus_cider = Statistic("mean", scores.cider_corpus_sum, scores.num_pairs)
    per_video = _video_scores(scores, protocol)
    coverage = np.concatenate([scores.precision, scores.recall], axis=1)
    f1 = {
        "video": lambda: mean_statistic(per_video["f1"], once),
        "thresholds": lambda: Statistic("f_of_thresholds", coverage, np.ones_like(coverage)),
        "means": lambda: Statistic("f_of_means", coverage, np.ones_like(coverage)),
    }
    num_columns = scores.meteor_statistics.shape[1] * scores.meteor_statistics.shape[2]
    meteor_sums = scores.meteor_statistics.reshape(num_videos, num_columns).astype(np.float64)
    meteor = {
        "video": lambda: mean_statistic(scores.meteor, once),
        "pairs": lambda: mean_statistic(_pair_means(scores), once),
        "corpus": lambda: Statistic("meteor", meteor_sums, once),
    }
    best = protocol.several_references == "best"
    return {
        "soda_c": mean_statistic(per_video["soda_c"], once)
        if best
        else mean_statistic(scores.soda, scores.has_set),
        "cider": corpus_cider
        if protocol.cider_documents == "corpus"
        else mean_statistic(scores.cider, once),
        "meteor": meteor[protocol.meteor_aggregate](),
        "f1": f1[protocol.f1](),
        "precision": mean_statistic(scores.precision, once),
        "recall": mean_statistic(scores.recall, once),
        "cider_corpus": corpus_cider,
    }


def _video_scores(scores: DenseScores, protocol: Protocol) -> dict[str, FloatArray]:
    """Each score of each video, means over thresholds and reference sets: (V,) arrays."""
    precision, recall = scores.precision.mean(axis=1), scores.recall.mean(axis=1)
    if protocol.several_references == "best":
        soda = scores.soda.max(axis=1)
    else:
        soda = scores.soda.sum(axis=1) / np.maximum(scores.has_set.sum(axis=1), 1.0)
    meteor = _pair_means(scores) if protocol.meteor_aggregate == "pairs" else scores.meteor
    return {
        "soda_c": soda,
        "cider": scores.cider.mean(axis=1),
        "meteor": meteor.mean(axis=1),
        "f1": f_score(precision, recall),
        "precision": precision,
        "recall": recall,
    }


def _pair_means(scores: DenseScores) -> FloatArray:
    return scores.meteor_pair_sum / np.maximum(scores.num_pairs, 1.0)


def _per_video(
    scores: DenseScores, protocol: Protocol, videos: Sequence[Video]
) -> dict[str, dict[str, float]]:
    columns = {name: values.tolist() for name, values in _video_scores(scores, protocol).items()}
    for column, threshold in enumerate(protocol.iou_thresholds):
        for name, table in _threshold_scores(scores).items():
            columns[f"{name}@{exact(threshold)}"] = table[:, column].tolist()
    return {
        video.id: {name: values[row] for name, values in columns.items()}
        | {
            "num_references": float(len(video.references)),
            "num_predictions": float(len(video.predictions)),
        }
        for row, video in enumerate(videos)
    }


def _per_threshold(scores: DenseScores, protocol: Protocol) -> dict[float, dict[str, float]]:
    return {
        threshold: {
            name: float(table[:, column].mean()) if len(table) else 0.0
            for name, table in _threshold_scores(scores).items()
        }
        for column, threshold in enumerate(protocol.iou_thresholds)
    }


def _threshold_scores(scores: DenseScores) -> dict[str, FloatArray]:
    """The scores that there are at each threshold: (V, T) arrays."""
    return {
        "precision": scores.precision,
        "recall": scores.recall,
        "cider": scores.cider,
        "meteor": scores.meteor,
    }

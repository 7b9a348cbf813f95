"""Dense-captioning scores written down once more, plainly, from what a given METEOR and CIDEr say.

Nothing of vidmetrics is used: one video, one threshold and one pair at a time, lists and loops. The
protocols are those of docs/metrics_protocols.md.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

Event = tuple[float, float, str]
Pair = tuple[str, str]
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)


@dataclass(frozen=True)
class Rules:
    """What the three protocols disagree in."""

    repairs_spans: bool = False
    f1_of_corpus: bool = False
    permutes_columns: bool = False
    sorts_predictions: bool = False
    skips_missing: bool = False
    skips_empty: bool = False


RULES = {
    "timechat": Rules(repairs_spans=True, permutes_columns=True),
    "soda": Rules(sorts_predictions=True, skips_missing=True, skips_empty=True),
    "vidchapters": Rules(f1_of_corpus=True, sorts_predictions=True, skips_missing=True),
}


@dataclass(frozen=True)
class Scorers:
    """What captions are worth.

    Attributes:
        meteor: score of a (hypothesis, reference).
        meteor_of_block: one score of many pairs together.
        cider: the same.
    """

    meteor: Callable[[Pair], float]
    meteor_of_block: Callable[[Sequence[Pair]], float]
    cider: Callable[[Sequence[Pair]], float]


def iou(a: Event, b: Event, rules: Rules) -> float:
    """Overlap of two events."""
    (a_start, a_end), (b_start, b_end) = a[:2], b[:2]
    if rules.repairs_spans:
        (a_start, a_end), (b_start, b_end) = sorted(a[:2]), sorted(b[:2])
    elif a_start > a_end or b_start > b_end:
        return 0.0
    shared = max(0.0, min(a_end, b_end) - max(a_start, b_start))
    hull = max(a_end, b_end) - min(a_start, b_start)
    return shared / (min(hull, a_end - a_start + b_end - b_start) + 1e-8)


def compared(
    references: Sequence[Event], predictions: Sequence[Event], threshold: float, rules: Rules
) -> list[Pair]:
    """(prediction, reference) captions at one threshold."""
    pairs = []
    for predicted in predictions:
        found = [own[2] for own in references if iou(own, predicted, rules) >= threshold]
        if not found:
            rng = Random(f"{predicted}{threshold}")
            length = rng.randint(10, 20)
            found = ["".join(rng.choices(string.ascii_lowercase, k=length))]
        pairs += [(predicted[2], caption) for caption in found]
    return pairs


def soda_cells(
    references: Sequence[Event], predictions: Sequence[Event], rules: Rules
) -> list[list[tuple[float, Pair]]]:
    """For each reference and each prediction their overlap and the captions to compare."""
    if rules.sorts_predictions:
        predictions = sorted(predictions, key=lambda event: event[0])
    captions = [event[2] for event in predictions]
    if rules.permutes_columns:
        captions = [captions[int(key)] for key in sorted(map(str, range(len(captions))))]
    return [
        [
            (iou(own, predicted, rules), (own[2], caption))
            for predicted, caption in zip(predictions, captions, strict=True)
        ]
        for own in references
    ]


def soda_c(values: list[list[float]]) -> float:
    """The best matching that keeps the order, found by trying all."""
    num_rows, num_columns = len(values), len(values[0]) if values else 0

    @cache
    def best(row: int, column: int) -> float:
        if row == num_rows or column == num_columns:
            return 0.0
        taken = values[row][column] + best(row + 1, column + 1)
        return max(taken, best(row + 1, column), best(row, column + 1))

    total = best(0, 0)
    return 0.0 if total == 0 else harmonic(total / num_columns, total / num_rows)


def harmonic(a: float, b: float) -> float:
    """Their harmonic mean, 0 of zeros."""
    return 2 * a * b / (a + b) if a + b else 0.0


def mean(numbers: Sequence[float]) -> float:
    """Their mean."""
    return sum(numbers) / len(numbers)


def of_video(
    references: Sequence[Event], predictions: Sequence[Event], rules: Rules, scorers: Scorers
) -> dict[str, float]:
    """Scores of one video, those at each threshold as `NAME@THRESHOLD`."""
    scores: dict[str, float] = {}
    for threshold in THRESHOLDS:
        overlaps = [[iou(own, p, rules) > threshold for p in predictions] for own in references]
        hit = sum(any(row[k] for row in overlaps) for k in range(len(predictions)))
        scores[f"precision@{threshold}"] = hit / max(len(predictions), 1)
        scores[f"recall@{threshold}"] = sum(map(any, overlaps)) / len(references)
        pairs = compared(references, predictions, threshold, rules)
        scores[f"meteor@{threshold}"] = scorers.meteor_of_block(pairs) if pairs else 0.0
        scores[f"cider@{threshold}"] = scorers.cider(pairs) if pairs else 0.0
    for name in ("precision", "recall", "meteor", "cider"):
        scores[name] = mean([scores[f"{name}@{threshold}"] for threshold in THRESHOLDS])
    scores["f1"] = harmonic(scores["precision"], scores["recall"])
    cells = soda_cells(references, predictions, rules)
    values = [
        [overlap and overlap * scorers.meteor(pair) for overlap, pair in row] for row in cells
    ]
    scores["soda_c"] = soda_c(values) if predictions else 0.0
    return scores


def scored(
    references: Mapping[str, Sequence[Event]],
    predictions: Mapping[str, Sequence[Event]],
    rules: Rules,
) -> dict[str, tuple[Sequence[Event], Sequence[Event]]]:
    """The videos that count, with both sides."""
    return {
        video: (events, predictions.get(video, []))
        for video, events in references.items()
        if not (rules.skips_missing and video not in predictions)
        and not (rules.skips_empty and not predictions.get(video, []))
    }


def of_corpus(per_video: Mapping[str, Mapping[str, float]], rules: Rules) -> dict[str, float]:
    """Scores of all videos together."""
    rows = list(per_video.values())
    names = ("soda_c", "meteor", "cider", "precision", "recall", "f1")
    scores = {name: mean([row[name] for row in rows]) for name in names}
    if rules.f1_of_corpus:
        scores["f1"] = mean(
            [
                harmonic(
                    mean([row[f"precision@{t}"] for row in rows]),
                    mean([r[f"recall@{t}"] for r in rows]),
                )
                for t in THRESHOLDS
            ]
        )
    return scores

"""Scores for people: titles, times 100, intervals below or beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vidmetrics.iou import exact
from vidmetrics.resampling import Interval
from vidmetrics.tables import render_table

if TYPE_CHECKING:
    from vidmetrics.results_file import Result

_TITLES = {
    "soda_c": "SODA_c",
    "cider": "CIDEr",
    "meteor": "METEOR",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "cider_corpus": "CIDEr (corpus)",
    "mean_iou": "mIoU",
    "map": "mAP",
    "hit_at_1": "HIT@1",
    "recall_at_1": "R@1",
    "iou": "IoU",
}


def title(name: str) -> str:
    """How people call a score: `recall_at_1@0.5` becomes `R@1 IoU 0.5`."""
    base, _, threshold = name.partition("@")
    text = _TITLES.get(base, base)
    return f"{text} IoU {threshold}" if threshold else text


def percent(value: float) -> str:
    """A fraction times 100, two decimals."""
    return f"{100.0 * value:.2f}"


def score_table(result: Result) -> str:
    """All scores of one result, one a row."""
    level = f"{100 * result.resampling.level:g} % interval"
    intervals = result.confidence
    rows = [
        [title(name), percent(score), _interval(intervals.get(name))]
        for name, score in result.scores.items()
    ]
    if not intervals:
        return render_table(["score", "x 100"], [row[:2] for row in rows])
    return render_table(["score", "x 100", level], rows)


def threshold_table(per_threshold: Mapping[float, Mapping[str, float]]) -> str:
    """Scores at each IoU threshold, one threshold a row."""
    names = list(next(iter(per_threshold.values())))
    return render_table(
        ["IoU", *map(title, names)],
        [
            [exact(threshold), *(percent(scores[name]) for name in names)]
            for threshold, scores in per_threshold.items()
        ],
    )


def systems_table(results: Sequence[tuple[str, str, Result]]) -> str:
    """Several results, one a row with its intervals below: `(benchmark, system, result)`."""
    names = list(results[0][2].scores)
    rows: list[list[str]] = []
    for benchmark, system, result in results:
        rows.append([benchmark, system, *(percent(result.scores[name]) for name in names)])
        intervals = result.confidence
        if intervals:
            rows.append(["", "", *(_interval(intervals.get(name)) for name in names)])
    return render_table(["benchmark", "system", *map(title, names)], rows, text_columns=2)


def unit_table(
    rows: Mapping[str, Mapping[str, float]], names: Sequence[str], unit: str, sort_by: str
) -> str:
    """Scores of each video or query, worst first."""
    ordered = sorted(rows.items(), key=lambda row: row[1][sort_by])
    return render_table(
        [unit, *map(title, names)],
        [
            [
                name,
                *(
                    f"{row[column]:.0f}" if column.startswith("num_") else percent(row[column])
                    for column in names
                ),
            ]
            for name, row in ordered
        ],
    )


def _interval(interval: Interval | None) -> str:
    return f"[{percent(interval.low)}, {percent(interval.high)}]" if interval else ""

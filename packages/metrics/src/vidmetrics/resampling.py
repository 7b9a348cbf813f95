"""Intervals and paired tests from statistics that were computed once.

Every score here is a function of sums over videos (or queries), so a resample only weighs those
sums anew: nothing is scored twice. Bootstrap: Efron 1979; paired test: approximate randomization
(Noreen 1989), as sacrebleu offers for translation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from vidmetrics.coverage import f_score
from vidmetrics.errors import InputError
from vidmetrics.events import FloatArray

_BLOCK = 100_000  # random numbers drawn at once: few enough to stay in the processor's cache


class Interval(NamedTuple):
    """A confidence interval of one score."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Resampling:
    """How intervals and tests are drawn; the same values give the same numbers.

    Attributes:
        level: coverage of the intervals, in (0, 1).
        num_resamples: how many resamples; 0 means no intervals.
        seed: of the random generator.
    """

    level: float = 0.95
    num_resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Reject values that make no interval."""
        if not 0.0 < self.level < 1.0:
            raise ValueError(f"level must lie strictly between 0 and 1, got {self.level!r}")
        if self.num_resamples < 0:
            raise ValueError(f"num_resamples must not be negative, got {self.num_resamples!r}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed!r}")

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator of this seed."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, eq=False, slots=True)
class Statistic:
    """What one score is made of, per unit (video or query).

    Attributes:
        kind: how sums become the score, a key of `FINISHERS`.
        numerators: (n, k) float64.
        denominators: (n, k) float64; a unit that does not count has zeros in both.
    """

    kind: str
    numerators: FloatArray
    denominators: FloatArray = field(repr=False)

    @property
    def score(self) -> float:
        """The score with every unit counted once."""
        sums = self.numerators.sum(axis=0)[None], self.denominators.sum(axis=0)[None]
        return float(FINISHERS[self.kind](*sums)[0])


@dataclass(frozen=True, eq=False, slots=True)
class Statistics:
    """Statistics of all scores of one evaluation.

    Attributes:
        ids: the n units, in the order of the rows.
        metrics: score name -> its statistic.
    """

    ids: tuple[str, ...]
    metrics: Mapping[str, Statistic]

    def stacked(self) -> FloatArray:
        """Numerators and denominators of all scores side by side: (n, columns) float64."""
        return np.concatenate(
            [
                part
                for statistic in self.metrics.values()
                for part in (statistic.numerators, statistic.denominators)
            ],
            axis=1,
        )

    def finish(self, sums: FloatArray) -> dict[str, FloatArray]:
        """All scores from sums of `stacked` rows: (r, columns) -> (r,) each."""
        scores: dict[str, FloatArray] = {}
        first = 0
        for name, statistic in self.metrics.items():
            middle = first + statistic.numerators.shape[1]
            last = middle + statistic.denominators.shape[1]
            scores[name] = FINISHERS[statistic.kind](sums[:, first:middle], sums[:, middle:last])
            first = last
        return scores


class Comparison(NamedTuple):
    """One score of two systems.

    Attributes:
        first: the first system's score.
        second: the second system's score.
        difference: second minus first.
        interval: bootstrap interval of the difference.
        p_value: of the paired randomization test that both are equally good.
    """

    first: float
    second: float
    difference: float
    interval: Interval
    p_value: float


def mean_statistic(values: FloatArray, counted: FloatArray) -> Statistic:
    """A score that is the mean over counted units, then over columns.

    Args:
        values: (n,) or (n, k) float64.
        counted: (n,) or (n, k) float64, 1 where the unit counts, else 0.
    """
    if values.ndim == 1:
        values = values[:, None]
    if counted.ndim == 1:
        counted = counted[:, None]
    counted = np.broadcast_to(counted, values.shape)
    return Statistic("mean", values * counted, np.ascontiguousarray(counted))


def grouped(statistics: Statistics, group_of: Mapping[str, str]) -> Statistics:
    """The same scores over units that are drawn together: all questions about one video, say.

    Answers about one video have much in common, so drawn one by one they give intervals that are
    too narrow.

    Args:
        statistics: of any evaluation.
        group_of: the group of each unit.

    Raises:
        KeyError: a unit without a group.
    """
    names = [group_of[unit] for unit in statistics.ids]
    groups = {name: number for number, name in enumerate(dict.fromkeys(names))}
    membership = np.zeros((len(groups), len(names)))
    membership[[groups[name] for name in names], range(len(names))] = 1.0
    return Statistics(
        tuple(groups),
        {
            name: Statistic(one.kind, membership @ one.numerators, membership @ one.denominators)
            for name, one in statistics.metrics.items()
        },
    )


def confidence(statistics: Statistics, resampling: Resampling) -> dict[str, Interval]:
    """Percentile bootstrap interval of every score; empty without resamples or units."""
    num_units = len(statistics.ids)
    if resampling.num_resamples == 0 or num_units == 0:
        return {}
    stacked = statistics.stacked()
    drawn = [
        statistics.finish(weights @ stacked) for weights in bootstrap_weights(num_units, resampling)
    ]
    return {
        name: percentile_interval(
            np.concatenate([block[name] for block in drawn]), resampling.level
        )
        for name in statistics.metrics
    }


def compare(
    first: Statistics, second: Statistics, resampling: Resampling | None = None
) -> dict[str, Comparison]:
    """Both systems' scores, an interval of each difference, and a paired test.

    Args:
        first: one system's statistics (`result.statistics` of any evaluation).
        second: the other's, of the same units.
        resampling: how both are drawn; the test makes as many trials as there are resamples. 1000
            at 95 % with seed 0 if not given.

    Raises:
        InputError: the units differ (names one), there are none, or no score is in both.
        ValueError: no resamples.
    """
    resampling = resampling or Resampling()
    first, second = _aligned(first, second)
    if resampling.num_resamples == 0:
        raise ValueError("a comparison needs at least one resample, got num_resamples=0")
    a, b = first.stacked(), second.stacked()
    differences: dict[str, list[FloatArray]] = {name: [] for name in first.metrics}
    for weights in bootstrap_weights(len(first.ids), resampling):
        drawn_a, drawn_b = first.finish(weights @ a), second.finish(weights @ b)
        for name, blocks in differences.items():
            blocks.append(drawn_b[name] - drawn_a[name])
    extreme = dict.fromkeys(first.metrics, 0)
    for mask in _swap_masks(len(first.ids), resampling):
        swapped = mask @ (b - a)  # what moves from one system to the other
        swapped_a = first.finish(a.sum(axis=0) + swapped)
        swapped_b = second.finish(b.sum(axis=0) - swapped)
        for name in extreme:
            observed = abs(second.metrics[name].score - first.metrics[name].score)
            # Rounding must not turn a tie with the observed difference into a smaller one.
            extreme[name] += int(
                (np.abs(swapped_b[name] - swapped_a[name]) >= observed - 1e-12).sum()
            )
    return {
        name: Comparison(
            first=one.score,
            second=second.metrics[name].score,
            difference=second.metrics[name].score - one.score,
            interval=percentile_interval(np.concatenate(differences[name]), resampling.level),
            p_value=(extreme[name] + 1) / (resampling.num_resamples + 1),
        )
        for name, one in first.metrics.items()
    }


def bootstrap_weights(num_units: int, resampling: Resampling) -> Iterator[FloatArray]:
    """How often each unit is drawn in each resample, in blocks of (r, n) float64."""
    rng = resampling.rng
    for num_rows in _blocks(resampling.num_resamples, num_units):
        drawn = rng.integers(0, num_units, (num_rows, num_units))
        weights = np.empty((num_rows, num_units))
        for row in range(num_rows):
            weights[row] = np.bincount(drawn[row], minlength=num_units)
        yield weights


def percentile_interval(scores: FloatArray, level: float) -> Interval:
    """The central part of the drawn scores that holds `level` of them."""
    ordered = np.sort(scores)
    return Interval(
        _quantile(ordered, (1.0 - level) / 2.0), _quantile(ordered, (1.0 + level) / 2.0)
    )


def _quantile(ordered: FloatArray, share: float) -> float:
    """As np.quantile interpolates; that imports np.ma, a fifth of a short command's time."""
    place = share * (len(ordered) - 1)
    below = min(int(place), len(ordered) - 2) if len(ordered) > 1 else 0
    above = min(below + 1, len(ordered) - 1)
    part, step = place - below, ordered[above] - ordered[below]
    if part >= 0.5:  # from the nearer end, so that a whole step ends on the value itself
        return float(ordered[above] - step * (1.0 - part))
    return float(ordered[below] + step * part)


def _aligned(first: Statistics, second: Statistics) -> tuple[Statistics, Statistics]:
    """Both with the scores that they share, units in the order of the first."""
    row_of = {unit: row for row, unit in enumerate(second.ids)}
    odd = sorted(set(row_of) ^ set(first.ids))
    if odd:
        where = "second" if odd[0] in row_of else "first"
        raise InputError(
            "the two evaluations cover different videos or queries: "
            f"{odd[0]!r} is in the {where} only; a comparison needs the same references, and a "
            "protocol that skips no video"
        )
    if not first.ids:
        raise InputError("no comparison can be made: no video or query was scored")
    rows = np.array([row_of[unit] for unit in first.ids], dtype=np.int64)
    names = [name for name in first.metrics if name in second.metrics]
    if not names:
        raise InputError("the two evaluations have no score in common: no comparison can be made")
    for name in names:
        a, b = first.metrics[name], second.metrics[name]
        if (a.kind, a.numerators.shape[1]) != (b.kind, b.numerators.shape[1]):
            raise InputError(
                f"the two evaluations made {name} by different protocols: no comparison can be made"
            )
    return (
        Statistics(first.ids, {name: first.metrics[name] for name in names}),
        Statistics(
            first.ids,
            {
                name: Statistic(
                    second.metrics[name].kind,
                    second.metrics[name].numerators[rows],
                    second.metrics[name].denominators[rows],
                )
                for name in names
            },
        ),
    )


def _swap_masks(num_units: int, resampling: Resampling) -> Iterator[FloatArray]:
    # A stream of its own: the test must not depend on how many numbers the bootstrap drew.
    rng = np.random.default_rng([resampling.seed, 1])
    for num_rows in _blocks(resampling.num_resamples, num_units):
        yield rng.integers(0, 2, (num_rows, num_units), dtype=np.int8).astype(np.float64)


def _blocks(num_rows: int, num_units: int) -> Iterator[int]:
    rows = max(1, _BLOCK // max(num_units, 1))
    for start in range(0, num_rows, rows):
        yield min(rows, num_rows - start)


def _ratios(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    return np.divide(
        numerators, denominators, out=np.zeros_like(numerators), where=denominators > 0.0
    )


def _mean(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """Mean over columns of the ratio of sums."""
    mean: FloatArray = _ratios(numerators, denominators).mean(axis=1)
    return mean


def _f_of_thresholds(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """Columns: precisions, then recalls, one of each a threshold. Mean of their F scores."""
    precision, recall = np.split(_ratios(numerators, denominators), 2, axis=1)
    mean: FloatArray = f_score(precision, recall).mean(axis=1)
    return mean


def _f_of_means(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """Columns as above. F score of mean precision and mean recall."""
    precision, recall = np.split(_ratios(numerators, denominators), 2, axis=1)
    return f_score(precision.mean(axis=1), recall.mean(axis=1))


def _meteor(numerators: FloatArray, denominators: FloatArray) -> FloatArray:
    """Columns: the 23 statistics at each threshold. Mean of the corpus-level scores."""
    from vidmetrics.meteor_score import STATISTICS, score_statistics

    del denominators  # the statistics carry their own lengths
    sums = np.rint(numerators).astype(np.int64).reshape(len(numerators), -1, len(STATISTICS))
    mean: FloatArray = score_statistics(sums).mean(axis=1)
    return mean


FINISHERS: dict[str, Callable[[FloatArray, FloatArray], FloatArray]] = {
    "mean": _mean,
    "f_of_thresholds": _f_of_thresholds,
    "f_of_means": _f_of_means,
    "meteor": _meteor,
}

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics.errors import InputError
from vidmetrics.resampling import (
    Resampling,
    Statistic,
    Statistics,
    bootstrap_weights,
    compare,
    confidence,
    mean_statistic,
    percentile_interval,
)


def statistics(values: np.ndarray, ids: tuple[str, ...] | None = None) -> Statistics:
    names = ids or tuple(str(n) for n in range(len(values)))
    return Statistics(names, {"score": mean_statistic(values, np.ones(len(values)))})


def test_weights_draw_every_resample_with_replacement() -> None:
    blocks = list(bootstrap_weights(7, Resampling(num_resamples=50)))
    weights = np.concatenate(blocks)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert weights.max() > 1


def test_blocks_do_not_change_the_number_of_resamples() -> None:
    rows = [len(block) for block in bootstrap_weights(40_000, Resampling(num_resamples=5))]
    assert rows == [2, 2, 1]


def test_interval_of_a_mean_has_the_width_that_theory_says() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    low, high = confidence(statistics(values), Resampling(num_resamples=2000))["score"]
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_a_unit_that_does_not_count_changes_nothing() -> None:
    counted = np.array([1.0, 1.0, 0.0])
    statistic = mean_statistic(np.array([0.2, 0.4, 99.0]), counted)
    assert statistic.score == pytest.approx(0.3)


def test_columns_are_averaged_each_over_its_own_units() -> None:
    values = np.array([[1.0, 0.0], [0.0, 0.5]])
    counted = np.array([[1.0, 0.0], [1.0, 1.0]])
    assert mean_statistic(values, counted).score == pytest.approx((0.5 + 0.5) / 2)


def test_f_scores_are_taken_of_sums_not_of_units() -> None:
    # Two videos, one threshold: precision 1 and 0, recall 0.5 and 0.5.
    numerators = np.array([[1.0, 0.5], [0.0, 0.5]])
    for kind in ("f_of_thresholds", "f_of_means"):
        assert Statistic(kind, numerators, np.ones((2, 2))).score == pytest.approx(0.5)


def test_equal_systems_are_not_different() -> None:
    values = np.random.default_rng(0).random(100)
    result = compare(statistics(values), statistics(values), Resampling())["score"]
    assert result.difference == 0.0
    assert result.interval == (0.0, 0.0)
    assert result.p_value == 1.0


def test_a_consistent_difference_is_found_and_a_noisy_one_is_not() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(200)
    better = compare(statistics(base), statistics(base + 0.05), Resampling())["score"]
    assert better.difference == pytest.approx(0.05)
    assert better.p_value == pytest.approx(1 / 1001)
    assert better.interval.low > 0
    noisy = compare(statistics(base), statistics(rng.permutation(base)), Resampling())["score"]
    assert noisy.p_value > 0.05
    assert noisy.interval.low < 0 < noisy.interval.high


def test_p_values_of_equal_systems_are_uniform() -> None:
    rng = np.random.default_rng(1)
    p_values = [
        compare(
            statistics(rng.random(40)), statistics(rng.random(40)), Resampling(num_resamples=200)
        )["score"].p_value
        for _ in range(100)
    ]
    assert 0.03 <= np.mean(np.array(p_values) < 0.1) <= 0.2


def test_units_are_paired_by_name() -> None:
    values = np.array([0.1, 0.5, 0.9])
    first = statistics(values, ("a", "b", "c"))
    second = statistics(values[::-1].copy(), ("c", "b", "a"))
    assert compare(first, second, Resampling())["score"].p_value == 1.0


def test_different_units_are_named() -> None:
    first, second = statistics(np.ones(2), ("a", "b")), statistics(np.ones(2), ("a", "c"))
    with pytest.raises(InputError, match="'b' is in the first only"):
        compare(first, second, Resampling())


def test_nothing_in_common_is_an_error() -> None:
    first = statistics(np.ones(2))
    second = Statistics(first.ids, {"other": first.metrics["score"]})
    with pytest.raises(InputError, match="no score in common"):
        compare(first, second, Resampling())
    nothing = statistics(np.ones(0))
    with pytest.raises(InputError, match="no video or query was scored"):
        compare(nothing, nothing, Resampling())
    with pytest.raises(ValueError, match="at least one resample"):
        compare(first, first, Resampling(num_resamples=0))


@pytest.mark.parametrize("arguments", [{"level": 1.0}, {"num_resamples": -1}, {"seed": -1}])
def test_bad_resampling_is_rejected(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        Resampling(**arguments)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.sampled_from([0.5, 0.9, 0.95, 0.99])
)
def test_intervals_are_the_quantiles_of_numpy(scores: list[float], level: float) -> None:
    interval = percentile_interval(np.array(scores), level)
    expected = np.quantile(scores, [(1 - level) / 2, (1 + level) / 2])
    assert [interval.low, interval.high] == expected.tolist()

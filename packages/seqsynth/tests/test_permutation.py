from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.permutation import MAX_LENGTH, Permutation

seeds = st.integers(0, 2**64 - 1)


@given(length=st.integers(1, 200), seed=seeds, stream=st.integers(0, 9))
def test_every_index_stands_at_one_place(length: int, seed: int, stream: int) -> None:
    order = Permutation(length, seed, stream=stream)
    indices = [order[place] for place in range(length)]
    assert sorted(indices) == list(range(length))
    assert [order.place_of(index) for index in indices] == list(range(length))


@given(length=st.integers(1, MAX_LENGTH), seed=seeds, data=st.data())
def test_places_of_huge_orders_are_found_again(length: int, seed: int, data: st.DataObject) -> None:
    order = Permutation(length, seed)
    place = data.draw(st.integers(0, length - 1))
    assert 0 <= order[place] < length
    assert order.place_of(order[place]) == place


def test_a_seed_means_one_order_for_ever() -> None:
    """Whoever changes these numbers changes everybody's runs."""
    assert [Permutation(10, 0)[k] for k in range(10)] == [8, 4, 9, 1, 7, 5, 6, 3, 2, 0]
    paper = Permutation(643_000, 2**63)
    assert [paper[k] for k in (0, 1, 642_999)] == [119317, 356807, 323771]


def test_every_index_comes_first_equally_often() -> None:
    length, num_seeds = 7, 1400
    orders = [Permutation(length, seed) for seed in range(num_seeds)]
    for place in (0, 3, 6):
        counts = Counter(order[place] for order in orders)
        expected = num_seeds / length
        statistic = sum((counts[k] - expected) ** 2 / expected for k in range(length))
        assert statistic < 22.5  # chi-square with 6 degrees of freedom: one in a thousand


def test_all_orders_of_four_occur() -> None:
    orders = Counter(tuple(Permutation(4, seed)[k] for k in range(4)) for seed in range(960))
    assert len(orders) == 24
    assert min(orders.values()) > 15  # 40 expected


def test_neighbours_do_not_stay_neighbours() -> None:
    length = 2000
    indices = np.array([Permutation(length, 3)[place] for place in range(length)])
    places = np.arange(length)
    assert abs(np.corrcoef(indices, places)[0, 1]) < 0.05
    steps = np.diff(indices) % length
    assert max(Counter(steps.tolist()).values()) < 12


def test_seeds_and_streams_give_different_orders() -> None:
    heads = {
        tuple(Permutation(10_000, seed, stream=stream)[k] for k in range(3))
        for seed in range(12)
        for stream in range(12)
    }
    assert len(heads) == 144


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"length": 0}, "length must be in"),
        ({"length": MAX_LENGTH + 1}, "length must be in"),
        ({"seed": -1}, "seed must be in"),
        ({"seed": 2**64}, "seed must be in"),
        ({"stream": -1}, "stream must be in"),
    ],
)
def test_bad_sizes_are_refused(arguments: dict[str, int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Permutation(**{"length": 5, "seed": 0, **arguments})


@pytest.mark.parametrize("number", [-1, 5])
def test_places_outside_are_refused(number: int) -> None:
    order = Permutation(5, 0)
    with pytest.raises(IndexError, match=rf"{number} is not in a permutation of 0 \.\. 4"):
        order[number]
    with pytest.raises(IndexError, match=rf"{number} is not in"):
        order.place_of(number)

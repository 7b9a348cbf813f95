"""The formula of METEOR on statistics alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics.meteor_score import (
    CHUNKS,
    STATISTICS,
    additive,
    score_statistics,
)


def statistics_of(hypothesis: int, reference: int, matched: int, chunks: int) -> np.ndarray:
    """Content words only, matched exactly."""
    row = np.zeros(23, dtype=np.int64)
    row[[0, 1]] = hypothesis, reference
    row[[4, 5]] = matched
    row[CHUNKS:] = chunks, matched, matched
    return row


def test_columns_are_named_once() -> None:
    assert len(STATISTICS) == len(set(STATISTICS)) == 23
    assert STATISTICS[4:8] == (
        "exact_hypothesis_content",
        "exact_reference_content",
        "exact_hypothesis_function",
        "exact_reference_function",
    )


def test_by_hand() -> None:
    # P = 2/3, R = 2/4, two chunks of two words.
    row = statistics_of(hypothesis=3, reference=4, matched=2, chunks=2)
    f_mean = 1 / (0.15 / (2 / 3) + 0.85 / (2 / 4))
    assert score_statistics(row) == pytest.approx(f_mean * (1 - 0.6 * (2 / 2) ** 0.2), rel=1e-15)


def test_nothing_matched_or_nothing_there_is_zero() -> None:
    assert score_statistics(statistics_of(3, 4, 0, 0)) == 0.0
    assert score_statistics(np.zeros(23, dtype=np.int64)) == 0.0


def test_a_perfect_pair_has_no_penalty_alone_or_in_a_sum() -> None:
    perfect = statistics_of(4, 4, 4, 1)
    rows = np.array([perfect, perfect])
    assert score_statistics(perfect) == 1.0
    assert additive(rows)[:, CHUNKS].tolist() == [0, 0]
    assert rows[:, CHUNKS].tolist() == [1, 1]
    assert score_statistics(additive(rows).sum(axis=0)) == 1.0


@pytest.mark.parametrize(
    ("chunks", "matched_words", "expected"),
    # From meteor-1.5.jar; the nearest number to the power is another one in the last two.
    [
        (6, 47, 0.5433663333048044),
        (45, 94, 0.4051955876131743),
        (22, 131, 0.5176219622330112),
        (55, 117, 0.4073577423944731),
    ],
)
def test_powers_round_as_in_java(chunks: int, matched_words: int, expected: float) -> None:
    hypothesis, reference = matched_words // 2, matched_words - matched_words // 2
    row = statistics_of(hypothesis, reference, 0, chunks)
    row[[4, 5]] = hypothesis, reference
    row[[21, 22]] = hypothesis, reference
    assert float(score_statistics(row)) == expected


def test_a_wrong_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"23 columns, got shape \(2, 22\)"):
        score_statistics(np.zeros((2, 22), dtype=np.int64))


@given(
    st.lists(
        st.tuples(*[st.integers(1, 40)] * 3).map(lambda t: (t[0] + t[2], t[1] + t[2], t[2])),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
def test_scores_lie_between_0_and_1_and_batches_agree(
    sizes: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    rows = np.array([statistics_of(h, r, m, data.draw(st.integers(1, m))) for h, r, m in sizes])
    scores = score_statistics(rows)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert [float(score_statistics(row)) for row in rows] == scores.tolist()
    assert score_statistics(rows.reshape(1, *rows.shape)).shape == (1, len(rows))

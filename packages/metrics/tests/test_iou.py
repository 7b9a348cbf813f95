import numpy as np
import pytest

from vidmetrics.iou import IouRule, iou_matrix, iou_pairs

DENSE = IouRule(union="capped", epsilon=1e-8, reversed_spans="repaired")


def iou(a, b, rule: IouRule = DENSE) -> float:
    return float(iou_matrix(np.array([a], dtype=float), np.array([b], dtype=float), rule)[0, 0])


def test_overlap_over_union() -> None:
    assert iou((0, 2), (1, 3), IouRule()) == 1 / 3


def test_disjoint_and_touching_spans_share_nothing() -> None:
    assert iou((0, 1), (5, 9)) == 0.0
    assert iou((0, 1), (1, 9)) == 0.0


def test_epsilon_pushes_an_exact_threshold_below_it() -> None:
    assert iou((0, 10), (0, 5)) < 0.5
    assert iou((0, 10), (0, 5), IouRule()) == 0.5


def test_reversed_spans_follow_the_rule() -> None:
    assert iou((0, 10), (10, 0), IouRule(reversed_spans="repaired")) == 1.0
    assert iou((0, 10), (10, 0), IouRule(reversed_spans="zero")) == 0.0
    assert iou((0, 10), (10, 0), IouRule(reversed_spans="kept")) == 0.0


def test_two_spans_reversed_alike_are_no_match_unless_repaired() -> None:
    for union in ("hull", "capped", "true"):
        assert iou((10, 0), (10, 0), IouRule(union=union, reversed_spans="kept")) == 0.0


def test_spans_without_length_score_nothing() -> None:
    for union in ("hull", "capped", "true"):
        assert iou((5, 5), (5, 5), IouRule(union=union)) == 0.0
        assert iou((5, 5), (0, 9), IouRule(union=union)) == 0.0


def test_matrix_has_references_as_rows() -> None:
    matrix = iou_matrix(np.array([[0.0, 4.0], [6.0, 8.0]]), np.array([[0.0, 2.0]]), IouRule())
    assert matrix.tolist() == [[0.5], [0.0]]


def test_pairs_are_the_diagonal_of_the_matrix() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((20, 2)) * 9, rng.random((20, 2)) * 9
    for union in ("hull", "capped", "true"):
        for reversed_spans in ("repaired", "zero", "kept"):
            rule = IouRule(union=union, reversed_spans=reversed_spans)
            assert np.array_equal(iou_pairs(a, b, rule), np.diag(iou_matrix(a, b, rule)))


def test_enormous_times_stay_finite() -> None:
    assert iou((-1e100, 1e100), (0, 5)) < 1e-90
    assert np.isfinite(iou((-1e100, 1e100), (-1e100, 1e100)))


@pytest.mark.parametrize(
    "arguments", [{"union": "half"}, {"reversed_spans": "swapped"}, {"epsilon": -1.0}]
)
def test_a_rule_that_no_one_could_follow_is_rejected(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        IouRule(**arguments)

import numpy as np
import pytest

from vidmetrics.iou import iou_matrix
from vidmetrics.protocol import TIMECHAT
from vidmetrics.soda import best_path_value, permuted_columns, soda_c, start_order


def spans(events) -> np.ndarray:
    return np.array([event[:2] for event in events], dtype=float).reshape(-1, 2)


@pytest.mark.parametrize("name", ["dense_main", "dense_edge"])
@pytest.mark.parametrize("columns", ["permuted", "natural", "sorted"])
def test_equals_the_original_given_its_meteor_matrix(golden, name: str, columns: str) -> None:
    data = golden(name)
    key = "soda_c" if columns == "permuted" else f"soda_c_{columns}"
    for video, expected in data["timechat"]["per_video"].items():
        references, predictions = data["references"][video], data["predictions"].get(video, [])
        iou = iou_matrix(spans(references), spans(predictions), TIMECHAT.iou_rule)
        meteor = np.array(data["soda_detail"][video]["meteor"]).reshape(iou.shape)
        if columns == "permuted":
            meteor = meteor[:, permuted_columns(len(predictions))]
        if columns == "sorted":
            order = start_order(spans(predictions))
            iou, meteor = iou[:, order], meteor[:, order]
        assert soda_c(iou * meteor) == pytest.approx(expected[key], abs=1e-12), video


def test_string_order_differs_beyond_ten_predictions_only() -> None:
    assert permuted_columns(10).tolist() == list(range(10))
    assert permuted_columns(12).tolist() == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_path_cannot_cross() -> None:
    crossing = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert best_path_value(crossing) == 1.0
    assert best_path_value(np.eye(2)) == 2.0


def test_one_reference_takes_one_prediction() -> None:
    assert best_path_value(np.array([[0.4, 0.9, 0.6]])) == 0.9


def test_perfect_and_empty() -> None:
    assert soda_c(np.eye(3)) == 1.0
    assert soda_c(np.zeros((3, 0))) == 0.0
    assert soda_c(np.zeros((3, 2))) == 0.0


def test_a_thousand_events_a_side_need_no_recursion() -> None:
    assert soda_c(np.eye(1500)) == 1.0

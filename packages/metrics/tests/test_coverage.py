import numpy as np

from vidmetrics.coverage import f_score, precision_and_recall


def test_every_duplicate_of_a_good_prediction_counts() -> None:
    iou = np.array([[0.9, 0.9, 0.0], [0.0, 0.0, 0.0]])
    precision, recall = precision_and_recall(iou, (0.5,), strict=True)
    assert precision.tolist() == [2 / 3]
    assert recall.tolist() == [0.5]


def test_strict_needs_more_than_the_threshold() -> None:
    iou = np.array([[0.5]])
    assert precision_and_recall(iou, (0.5,), strict=True)[0].tolist() == [0.0]
    assert precision_and_recall(iou, (0.5,), strict=False)[0].tolist() == [1.0]


def test_no_predictions_give_zeros() -> None:
    precision, recall = precision_and_recall(np.zeros((3, 0)), (0.3, 0.5), strict=True)
    assert precision.tolist() == recall.tolist() == [0.0, 0.0]


def test_f_score_of_nothing_is_zero() -> None:
    assert f_score(np.array([0.0, 1.0]), np.array([0.0, 0.5])).tolist() == [0.0, 2 / 3]

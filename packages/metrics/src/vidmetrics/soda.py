"""SODA_c: the best order-preserving matching of predicted and reference events (ECCV 2020).

The value of matching reference g with prediction p is IoU x METEOR. The best monotone one-to-one
path is found by dynamic programming; its value over the number of predictions is a precision, over
the number of references a recall, and SODA_c is their harmonic mean.
"""

from __future__ import annotations

import numpy as np

from vidmetrics.events import FloatArray, IntArray


def best_path_value(values: FloatArray) -> float:
    """The largest sum over matchings that keep the order of both sides.

    Args:
        values: (references, predictions) float64, not negative.

    Returns:
        The value of the best matching, 0.0 if a side is empty.
    """
    num_references, num_predictions = values.shape
    best = np.zeros(num_predictions + 1)
    for row in range(num_references):
        # best[j]: the best value with the references so far and the first j predictions. Taking
        # pair (row, j - 1) extends best[j - 1]; a running maximum carries "skip this prediction".
        best[1:] = np.maximum(best[1:], best[:-1] + values[row])
        np.maximum.accumulate(best, out=best)
    return float(best[-1])


def soda_c(values: FloatArray) -> float:
    """SODA_c of one video from its (references, predictions) matrix of IoU x METEOR."""
    num_references, num_predictions = values.shape
    if num_references == 0 or num_predictions == 0:
        return 0.0
    value = best_path_value(values)
    precision, recall = value / num_predictions, value / num_references
    return 2.0 * precision * recall / (precision + recall) if value > 0.0 else 0.0


def permuted_columns(num_predictions: int) -> IntArray:
    """Which prediction's METEOR the published scorers put into each column.

    They return METEOR in the order of string keys ("0", "1", "10", "11", "2", ...) beside an IoU
    matrix in natural order, so beyond ten predictions the two disagree. Every YouCook2 number of
    the Vid2Seq and TimeChat families carries this, hence it is reproduced by default.
    """
    return np.array(sorted(range(num_predictions), key=str), dtype=np.int64)


def start_order(spans: FloatArray) -> IntArray:
    """Indices that sort (n, 2) spans by start time, first come first on ties."""
    return np.argsort(spans[:, 0], kind="stable").astype(np.int64)

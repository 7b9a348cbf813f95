"""Precision and recall of spans: which ones are covered by some span of the other side.

There is no one-to-one matching: every duplicate of a good prediction counts, as in the dense
captioning scorers since 2017.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidmetrics.events import FloatArray


def precision_and_recall(
    iou: FloatArray, iou_thresholds: Sequence[float], *, strict: bool
) -> tuple[FloatArray, FloatArray]:
    """Share of predictions, and of references, that some span of the other side overlaps enough.

    Args:
        iou: (references, predictions) float64 in [0, 1].
        iou_thresholds: one result for each.
        strict: whether the IoU must exceed the threshold (`>`), not just reach it (`>=`).

    Returns:
        Two (thresholds,) float64 arrays in [0, 1]; no predictions give zeros.
    """
    num_references, num_predictions = iou.shape
    thresholds = np.asarray(iou_thresholds, dtype=np.float64)
    if num_predictions == 0 or num_references == 0:
        return np.zeros(len(thresholds)), np.zeros(len(thresholds))
    # A prediction is covered if its best overlap is: one maximum serves every threshold.
    best_of_prediction, best_of_reference = iou.max(axis=0), iou.max(axis=1)
    exceeds = np.greater if strict else np.greater_equal
    precision = exceeds(best_of_prediction, thresholds[:, None]).sum(axis=1) / num_predictions
    recall = exceeds(best_of_reference, thresholds[:, None]).sum(axis=1) / num_references
    return precision, recall


def f_score(precision: FloatArray, recall: FloatArray) -> FloatArray:
    """Harmonic mean, element by element; 0 where both are 0."""
    total = precision + recall
    return np.divide(2.0 * precision * recall, total, out=np.zeros_like(total), where=total > 0.0)

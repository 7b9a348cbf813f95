"""Average precision of predicted windows, as QVHighlights' moment retrieval computes it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidmetrics.events import FloatArray, Span, span_array
from vidmetrics.iou import IouRule, iou_matrix

MOMENT_IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
MAX_WINDOWS = 10  # of a query's predictions, in file order; later ones are not looked at
_RULE = IouRule(union="true")


def average_precision(
    windows: Sequence[Span], predictions: Sequence[tuple[float, ...]]
) -> FloatArray:
    """Interpolated average precision of one query at IoU 0.5, 0.55, ..., 0.95.

    Args:
        windows: reference windows, at least one.
        predictions: `(start_seconds, end_seconds, score)`; without scores, the order ranks.

    Returns:
        (10,) float64 in [0, 1]; zeros without predictions.

    Each prediction, best score first, takes the free window that it overlaps most.
    """
    thresholds = np.array(MOMENT_IOU_THRESHOLDS)
    considered = [
        (span[0], span[1], span[2] if len(span) > 2 else -rank)
        for rank, span in enumerate(predictions[:MAX_WINDOWS])
    ]
    if not considered:
        return np.zeros(len(thresholds))
    considered.sort(key=lambda span: -span[2])
    iou = iou_matrix(span_array(windows), span_array([span[:2] for span in considered]), _RULE)
    hit = np.zeros((len(thresholds), len(considered)))
    for row, threshold in enumerate(MOMENT_IOU_THRESHOLDS):
        free = np.ones(len(windows), dtype=bool)
        for rank in range(len(considered)):
            # The last of equally good windows comes first, as in the original's reversed sort.
            for window in np.argsort(iou[:, rank], kind="stable")[::-1].tolist():
                if iou[window, rank] < threshold:
                    break
                if free[window]:
                    free[window] = False
                    hit[row, rank] = 1.0
                    break
    hits = np.cumsum(hit, axis=1)
    precision = hits / np.arange(1, len(considered) + 1)
    recall = hits / len(windows)
    # Interpolation: the precision at a recall is the best at that recall or any higher one.
    best_later = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    gained = np.diff(recall, axis=1, prepend=0.0)
    total: FloatArray = (gained * best_later).sum(axis=1)
    return total

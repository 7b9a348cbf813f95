"""Temporal intersection over union, in the variants that published scorers use.

For proper, overlapping spans every variant gives the same number up to rounding; they part on
reversed spans and on the small constant in the denominator. A `IouRule` names the choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidmetrics.events import FloatArray

Union = Literal["hull", "capped", "true"]
ReversedSpans = Literal["repaired", "zero", "kept"]


@dataclass(frozen=True, kw_only=True, slots=True)
class IouRule:
    """How two spans become one number.

    Attributes:
        union: the denominator. `"hull"`: latest end minus earliest start. `"capped"`: the hull, or
            the sum of both lengths where that is smaller. `"true"`: both lengths minus the
            intersection.
        epsilon: added to the denominator; 1e-8 pushes an exact 0.5 below 0.5, as dense-captioning
            scorers do.
        reversed_spans: a span with end < start is `"repaired"` (ends swapped), scores `"zero"`, or
            is `"kept"` as it is.
    """

    union: Union = "hull"
    epsilon: float = 0.0
    reversed_spans: ReversedSpans = "kept"

    def __post_init__(self) -> None:
        """Reject a rule that no scorer could follow."""
        if self.union not in ("hull", "capped", "true"):
            raise ValueError(f"union must be hull, capped or true, got {self.union!r}")
        if self.reversed_spans not in ("repaired", "zero", "kept"):
            raise ValueError(
                f"reversed_spans must be repaired, zero or kept, got {self.reversed_spans!r}"
            )
        if not 0.0 <= self.epsilon < 1.0:
            raise ValueError(f"epsilon must lie in [0, 1), got {self.epsilon!r}")


def check_iou_thresholds(iou_thresholds: tuple[float, ...]) -> None:
    """Raise ValueError unless there is at least one threshold and each lies in (0, 1]."""
    if not iou_thresholds or not all(0.0 < threshold <= 1.0 for threshold in iou_thresholds):
        raise ValueError(f"IoU thresholds must lie in (0, 1], got {iou_thresholds!r}")
    if len(set(iou_thresholds)) < len(iou_thresholds):
        raise ValueError(f"an IoU threshold stands twice in {iou_thresholds!r}")


def exact(value: float) -> str:
    """The shortest text that is read back as the same number: `0.3`, `1`, `0.3333333333333333`.

    Thresholds name scores and stand in signatures: rounded, two of them could become one.
    """
    short = f"{value:g}"
    return short if float(short) == value else repr(float(value))


def iou_matrix(references: FloatArray, predictions: FloatArray, rule: IouRule) -> FloatArray:
    """IoU of every reference span (row) with every predicted span (column).

    Args:
        references: (n, 2) float64, seconds.
        predictions: (m, 2) float64, seconds.
        rule: the variant.

    Returns:
        (n, m) float64 in [0, 1].

    Example:
        >>> rule = IouRule()
        >>> iou_matrix(np.array([[0.0, 2.0]]), np.array([[1.0, 3.0]]), rule).round(3)
        array([[0.333]])
    """
    return _iou(references[:, None, :], predictions[None, :, :], rule)


def iou_pairs(references: FloatArray, predictions: FloatArray, rule: IouRule) -> FloatArray:
    """IoU of row k with row k: two (n, 2) float64 arrays in seconds -> (n,) in [0, 1]."""
    return _iou(references, predictions, rule)


def _iou(a: FloatArray, b: FloatArray, rule: IouRule) -> FloatArray:
    if rule.reversed_spans == "repaired":
        a, b = np.sort(a, axis=-1), np.sort(b, axis=-1)
    a_start, a_end, b_start, b_end = a[..., 0], a[..., 1], b[..., 0], b[..., 1]
    intersection = np.minimum(a_end, b_end) - np.maximum(a_start, b_start)
    overlaps = intersection > 0.0
    if rule.reversed_spans == "zero":
        overlaps &= (a_start <= a_end) & (b_start <= b_end)
    hull = np.maximum(a_end, b_end) - np.minimum(a_start, b_start)
    if rule.union == "hull":
        union = hull
    elif rule.union == "capped":
        union = np.minimum(hull, (a_end - a_start) + (b_end - b_start))
    else:
        union = (a_end - a_start) + (b_end - b_start) - intersection
    union = union + rule.epsilon
    # A denominator that is not positive belongs to spans that share nothing or to a reversed one.
    iou: FloatArray = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=overlaps & (union > 0.0)
    )
    return iou

"""The clips that sequences are drawn from, as arrays, checked once.

One row a clip: its label, its length and, where known, when each of its frames is shown.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Limits that keep every product of the sampler below 2**63.
MAX_DURATION_MS = 2**28 - 1  # 74 hours
MAX_SPAN_TICKS = 2**32 - 1  # 13 hours at 90 kHz
MAX_TICKS = 2**62 - 1  # so that a difference of two times is exact

Int64Array = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ClipTable:
    """The clips that sequences are drawn from, one row a clip.

    Attributes:
        labels: (C,) int64, any numbers; two clips of one sequence never share one.
        durations_ms: (C,) int64, milliseconds, 1 to 2**28 - 1.
        num_source_frames: (C,) int64, frames in the file, at least 1.
        pts: (sum of num_source_frames,) int64, presentation times in ticks of any length, strictly
            increasing within a clip, clip after clip; None: frames are evenly spaced.
        pts_ends: (C,) int64, when the last frame of each clip ends, in the same ticks.
        clips_by_label: (C,) int64, derived: the rows ordered by label.
        label_starts: (number of labels + 1,) int64, derived: where each label begins there.
        pts_starts: (C + 1,) int64, derived: where each clip begins in `pts`.
    """

    labels: Int64Array
    durations_ms: Int64Array
    num_source_frames: Int64Array
    pts: Int64Array | None = None
    pts_ends: Int64Array | None = None
    clips_by_label: Int64Array = field(init=False, repr=False)
    label_starts: Int64Array = field(init=False, repr=False)
    pts_starts: Int64Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check every row and group the clips by label."""
        for name in ("labels", "durations_ms", "num_source_frames"):
            object.__setattr__(self, name, int64_vector(name, getattr(self, name)))
        num_clips = len(self.labels)
        if num_clips == 0:
            raise ValueError("a clip table needs at least one clip")
        check_length("durations_ms", self.durations_ms, num_clips)
        check_length("num_source_frames", self.num_source_frames, num_clips)
        check_rows("durations_ms", self.durations_ms, 1, MAX_DURATION_MS)
        check_rows("num_source_frames", self.num_source_frames, 1, MAX_SPAN_TICKS)
        starts = np.concatenate([[0], np.cumsum(self.num_source_frames)])
        object.__setattr__(self, "pts_starts", starts)
        self._check_pts(starts)
        order = np.argsort(self.labels, kind="stable")
        sorted_labels = self.labels[order]
        is_first = np.concatenate([[True], sorted_labels[1:] != sorted_labels[:-1]])
        object.__setattr__(self, "clips_by_label", order.astype(np.int64))
        object.__setattr__(
            self, "label_starts", np.append(np.flatnonzero(is_first), num_clips).astype(np.int64)
        )

    def _check_pts(self, starts: Int64Array) -> None:
        if (self.pts is None) != (self.pts_ends is None):
            raise ValueError("pts and pts_ends belong together: give both or neither")
        if self.pts is None or self.pts_ends is None:
            return
        object.__setattr__(self, "pts", int64_vector("pts", self.pts))
        object.__setattr__(self, "pts_ends", int64_vector("pts_ends", self.pts_ends))
        check_length("pts", self.pts, int(starts[-1]))
        check_length("pts_ends", self.pts_ends, len(self.labels))
        check_rows("pts", self.pts, -MAX_TICKS, MAX_TICKS)
        check_rows("pts_ends", self.pts_ends, -MAX_TICKS, MAX_TICKS)
        # Steps from one clip into the next are no steps; they are set to a value that passes.
        steps = np.diff(self.pts)
        steps[starts[1:-1] - 1] = 1
        if (steps <= 0).any():
            row = int(np.argmax(steps <= 0)) + 1
            raise ValueError(
                f"pts[{row}] = {self.pts[row]} must be greater than the time before it, "
                f"{self.pts[row - 1]}"
            )
        firsts, lasts = self.pts[starts[:-1]], self.pts[starts[1:] - 1]
        bad = (self.pts_ends <= lasts) | (self.pts_ends - firsts > MAX_SPAN_TICKS)
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"pts_ends[{row}] = {self.pts_ends[row]} must be greater than the clip's last "
                f"time, {lasts[row]}, and at most {MAX_SPAN_TICKS} ticks after its first"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def num_labels(self) -> int:
        """How many different labels the clips have."""
        return len(self.label_starts) - 1


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise ValueError unless low <= value <= high."""
    if not low <= value <= high:
        raise ValueError(f"{name} = {value} must be in [{low}, {high}]")


def check_length(name: str, values: Int64Array, length: int) -> None:
    """Raise ValueError unless there are `length` values."""
    if len(values) != length:
        raise ValueError(f"{name} has {len(values)} rows, expected {length}")


def check_rows(name: str, values: Int64Array, low: int, high: int) -> None:
    """Raise ValueError naming the first value outside [low, high]."""
    bad = (values < low) | (values > high)
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(f"{name}[{row}] = {values[row]} must be in [{low}, {high}]")


def int64_vector(name: str, values: ArrayLike) -> Int64Array:
    """The values as a contiguous int64 vector; ValueError where that would lose something."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, got shape {array.shape}")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must hold integers, got {array.dtype}")
    return np.ascontiguousarray(array, dtype=np.int64)

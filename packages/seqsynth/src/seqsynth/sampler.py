"""The varying-frame-rate sampler: which clips a sequence shows, at which rates, in which frames.

Section 3.2 of the paper joins 2 to 10 clips, sampled at varying rates, into one sequence of exactly
96 frames. This module draws all of that from (seed, index) alone, with integer arithmetic only, so
that the compiled `seqnative.SequencePlanner` gives the same bits. It is the specification and the
fallback of that kernel, and `native/tests/test_parity.py` compares the two.

How a plan is drawn (every draw is `scale_words` of a Philox word, streams numbered below):

1. The number of clips K, uniform in [min_clips, max_clips].
2. K different labels, in order, uniform without replacement; then one clip of each label, uniform.
3. A relative rate r of each clip, uniform in [min_relative_rate, max_relative_rate].
4. Frames: every clip gets `min_frames_per_clip`; the rest is split in proportion to duration x r,
   rounded down, and what remains goes to the largest remainders (ties: the earlier clip). So the
   sum is exactly `num_frames` and the rate of clip k is its frames over its seconds.
5. Each clip is cut into as many equal slices as it has frames; one instant of each slice is shown,
   its middle, or with `jitter` a random one. The frame is the one on screen then: by presentation
   times where the table has them, else by frame number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seqsynth.clip_table import ClipTable, Int64Array, check_range, check_rows, int64_vector
from seqsynth.philox import random_words, scale_words

STREAM_NUM_CLIPS = 0
STREAM_LABELS = 1
STREAM_CLIPS = 2
STREAM_RATES = 3
STREAM_JITTER = 4

# Limits that keep every product below 2**63, and the arrays of the compiled kernel on its stack.
MAX_FRAMES = 65_536
MAX_CLIPS = 64
MAX_RELATIVE_RATE = 65_535


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerSpec:
    """What sequences look like.

    Attributes:
        num_frames: frames of every sequence, exactly.
        min_clips: fewest clips of a sequence.
        max_clips: most clips of a sequence.
        min_frames_per_clip: no clip gets fewer.
        min_relative_rate: lower end of the drawn rates; only their ratios matter.
        max_relative_rate: upper end, included. The default lets one clip of a sequence be shown
            four times as densely as another.
        jitter: a random instant of each slice instead of its middle.
    """

    num_frames: int = 96
    min_clips: int = 2
    max_clips: int = 10
    min_frames_per_clip: int = 2
    min_relative_rate: int = 250
    max_relative_rate: int = 1000
    jitter: bool = False

    def __post_init__(self) -> None:
        """Reject specifications that no sequence can meet."""
        check_range("num_frames", self.num_frames, 1, MAX_FRAMES)
        check_range("max_clips", self.max_clips, 1, MAX_CLIPS)
        check_range("min_clips", self.min_clips, 1, self.max_clips)
        check_range("min_frames_per_clip", self.min_frames_per_clip, 1, MAX_FRAMES)
        check_range("max_relative_rate", self.max_relative_rate, 1, MAX_RELATIVE_RATE)
        check_range("min_relative_rate", self.min_relative_rate, 1, self.max_relative_rate)
        _check_clips_fit(self, self.max_clips)


@dataclass(frozen=True, slots=True, eq=False)
class SequencePlan:
    """One sequence: clip k shows the frames [boundaries[k], boundaries[k + 1]).

    Attributes:
        clip_ids: (K,) int64, rows of the table, in order.
        frame_counts: (K,) int64, frames of each clip.
        frame_indices: (num_frames,) int64, 0-based index of each frame in its own clip.
    """

    clip_ids: Int64Array
    frame_counts: Int64Array
    frame_indices: Int64Array

    @property
    def boundaries(self) -> Int64Array:
        """(K + 1,) int64: 0, then the running sum of the frame counts."""
        return np.concatenate([[0], np.cumsum(self.frame_counts)]).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class BatchPlan:
    """Plans of B sequences as arrays; row b is the plan of the b-th index asked for.

    Attributes:
        num_clips: (B,) int64.
        clip_ids: (B, max_clips) int64, -1 after the last clip.
        frame_counts: (B, max_clips) int64, 0 after the last clip.
        frame_indices: (B, num_frames) int64.
    """

    num_clips: Int64Array
    clip_ids: Int64Array
    frame_counts: Int64Array
    frame_indices: Int64Array

    def __len__(self) -> int:
        return len(self.num_clips)

    def __getitem__(self, row: int) -> SequencePlan:
        num_clips = self.num_clips[row]
        return SequencePlan(
            self.clip_ids[row, :num_clips],
            self.frame_counts[row, :num_clips],
            self.frame_indices[row],
        )


class SequencePlanner:
    """Draws plans over one clip table; holds no state besides it.

    Example:
        >>> table = ClipTable(
        ...     labels=np.array([0, 1, 2]),
        ...     durations_ms=np.array([2000, 4000, 3000]),
        ...     num_source_frames=np.array([50, 100, 75]),
        ... )
        >>> planner = SequencePlanner(table, SamplerSpec(num_frames=12, max_clips=3))
        >>> plan = planner.plan(seed=0, index=5)
        >>> int(plan.frame_counts.sum()), len(plan.frame_indices)
        (12, 12)
    """

    def __init__(self, table: ClipTable, spec: SamplerSpec) -> None:
        self.table = table
        self.spec = spec

    def plan(self, seed: int, index: int) -> SequencePlan:
        """The sequence number `index` of the seed: clips, frame counts, frame indices.

        Args:
            seed: in [0, 2**64).
            index: in [0, 2**63).

        Raises:
            ValueError: seed or index out of range, or fewer labels than `max_clips`.
        """
        check_range("seed", seed, 0, 2**64 - 1)
        check_range("index", index, 0, 2**63 - 1)
        self._check_labels()
        return self._plan_clips(seed, index, self._draw_clips(seed, index))

    def plan_clips(self, seed: int, index: int, clip_ids: Sequence[int]) -> SequencePlan:
        """The same for clips that the caller has chosen, labels and clip limits aside.

        Args:
            seed: in [0, 2**64).
            index: in [0, 2**63).
            clip_ids: rows of the table, in the order they are shown, 1 to 64 of them.

        Raises:
            IndexError: a row that the table does not have.
            ValueError: seed or index out of range, or clips that do not fit into `num_frames`.
        """
        check_range("seed", seed, 0, 2**64 - 1)
        check_range("index", index, 0, 2**63 - 1)
        ids = int64_vector("clip_ids", clip_ids)
        check_range("the number of clips", len(ids), 1, MAX_CLIPS)
        _check_clips_fit(self.spec, len(ids))
        for slot, clip_id in enumerate(ids):
            if not 0 <= clip_id < len(self.table):
                raise IndexError(
                    f"clip_ids[{slot}] = {clip_id} is not a row of a table of "
                    f"{len(self.table)} clips"
                )
        return self._plan_clips(seed, index, ids)

    def plan_batch(self, seed: int, indices: ArrayLike) -> BatchPlan:
        """`plan` for many indices at once.

        Args:
            seed: in [0, 2**64).
            indices: (B,) integers, each in [0, 2**63), in any order.

        Raises:
            ValueError: as `plan`; an index out of range is named by its place in `indices`.
        """
        check_range("seed", seed, 0, 2**64 - 1)
        self._check_labels()
        rows = int64_vector("indices", indices)
        check_rows("indices", rows, 0, 2**63 - 1)
        shape = (len(rows), self.spec.max_clips)
        batch = BatchPlan(
            num_clips=np.zeros(len(rows), dtype=np.int64),
            clip_ids=np.full(shape, -1, dtype=np.int64),
            frame_counts=np.zeros(shape, dtype=np.int64),
            frame_indices=np.empty((len(rows), self.spec.num_frames), dtype=np.int64),
        )
        for row, index in enumerate(rows):
            plan = self._plan_clips(seed, int(index), self._draw_clips(seed, int(index)))
            num_clips = len(plan.clip_ids)
            batch.num_clips[row] = num_clips
            batch.clip_ids[row, :num_clips] = plan.clip_ids
            batch.frame_counts[row, :num_clips] = plan.frame_counts
            batch.frame_indices[row] = plan.frame_indices
        return batch

    def _check_labels(self) -> None:
        if self.table.num_labels < self.spec.max_clips:
            raise ValueError(
                f"max_clips = {self.spec.max_clips} clips of different labels cannot be drawn "
                f"from a table of {self.table.num_labels} labels: lower max_clips or add clips"
            )

    def _draw_clips(self, seed: int, index: int) -> Int64Array:
        spec, table = self.spec, self.table
        choices = np.array([spec.max_clips - spec.min_clips + 1])
        words = random_words(seed, index, STREAM_NUM_CLIPS, 1)
        num_clips = spec.min_clips + int(scale_words(words, choices)[0])
        labels = _draw_distinct(
            random_words(seed, index, STREAM_LABELS, num_clips), table.num_labels
        )
        sizes = table.label_starts[labels + 1] - table.label_starts[labels]
        places = scale_words(random_words(seed, index, STREAM_CLIPS, num_clips), sizes)
        clip_ids: Int64Array = table.clips_by_label[table.label_starts[labels] + places]
        return clip_ids

    def _plan_clips(self, seed: int, index: int, clip_ids: Int64Array) -> SequencePlan:
        spec = self.spec
        rate_choices = np.full(len(clip_ids), spec.max_relative_rate - spec.min_relative_rate + 1)
        words = random_words(seed, index, STREAM_RATES, len(clip_ids))
        rates = spec.min_relative_rate + scale_words(words, rate_choices)
        weights = self.table.durations_ms[clip_ids] * rates
        counts = _split_frames(weights, spec.num_frames, spec.min_frames_per_clip)
        jitter = random_words(seed, index, STREAM_JITTER, spec.num_frames) if spec.jitter else None
        indices = np.empty(spec.num_frames, dtype=np.int64)
        first = 0
        for clip_id, count in zip(clip_ids, counts, strict=True):
            words_of_clip = None if jitter is None else jitter[first : first + count]
            indices[first : first + count] = _frames_of_clip(
                self.table, int(clip_id), int(count), words_of_clip
            )
            first += count
        return SequencePlan(clip_ids, counts, indices)


def _draw_distinct(words: NDArray[np.uint64], num_labels: int) -> Int64Array:
    """An ordered draw without replacement from range(num_labels), one word each."""
    taken: list[int] = []
    drawn = np.empty(len(words), dtype=np.int64)
    for slot, word in enumerate(words):
        # The draw counts the labels that are left; step over the ones taken, smallest first.
        label = int(word) * (num_labels - slot) >> 32
        for other in sorted(taken):
            label += other <= label
        taken.append(label)
        drawn[slot] = label
    return drawn


def _split_frames(weights: Int64Array, num_frames: int, min_frames: int) -> Int64Array:
    """Counts of at least `min_frames` that sum to `num_frames`, by largest remainders."""
    spare = num_frames - min_frames * len(weights)
    total = int(weights.sum())
    shares = weights * spare
    counts = min_frames + shares // total
    left = num_frames - int(counts.sum())
    by_remainder = np.argsort(-(shares % total), kind="stable")
    counts[by_remainder[:left]] += 1
    return counts


def _frames_of_clip(
    table: ClipTable, clip_id: int, count: int, words: NDArray[np.uint64] | None
) -> Int64Array:
    """The frame on screen at one instant of each of `count` equal slices of a clip."""
    first, stop = table.pts_starts[clip_id], table.pts_starts[clip_id + 1]
    span = int(stop - first)
    if table.pts is not None and table.pts_ends is not None:
        span = int(table.pts_ends[clip_id] - table.pts[first])
    edges: Int64Array = np.arange(count + 1, dtype=np.int64) * span // count
    widths = np.diff(edges)
    offsets = widths // 2 if words is None else scale_words(words, widths)
    instants: Int64Array = edges[:-1] + offsets
    if table.pts is None:
        return instants
    times = table.pts[first:stop]
    on_screen: Int64Array = np.searchsorted(times, times[0] + instants, side="right") - 1
    return on_screen


def _check_clips_fit(spec: SamplerSpec, num_clips: int) -> None:
    if num_clips * spec.min_frames_per_clip > spec.num_frames:
        raise ValueError(
            f"{num_clips} clips of at least {spec.min_frames_per_clip} frames do not fit into "
            f"num_frames = {spec.num_frames}"
        )

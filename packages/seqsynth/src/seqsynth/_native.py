"""The only place that knows `seqnative`: picks the compiled kernels, or their NumPy twins.

Both give the same bits. Which one is in use is logged once per process; with "native" in
`$SEQ2TIME_REQUIRE` (a comma-separated list) an absent one is an error instead.
"""

import functools
import logging
import os
from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np

from seqsynth import frame_packing, sampler
from seqsynth.clip_table import ClipTable
from seqsynth.frame_packing import PixelTable, Uint8Array
from seqsynth.sampler import SamplerSpec, SequencePlan

_compiled: Any
try:
    import seqnative

    _compiled = seqnative
except ModuleNotFoundError as error:
    if error.name != "seqnative":  # installed but broken: say so instead of going on without it
        raise
    _compiled = None

REQUIRE_VARIABLE = "SEQ2TIME_REQUIRE"

log = logging.getLogger(__name__)


class Planner(Protocol):
    """Draws clip sequences; a pure function of (seed, index) over one table."""

    def plan(self, seed: int, index: int) -> SequencePlan:
        """The sequence number `index` of a seed."""


@functools.cache
def kernel_backend() -> Literal["native", "reference"]:
    """Which planner and packer of frames this process uses.

    Raises:
        RuntimeError: `$SEQ2TIME_REQUIRE` asks for native and it is not installed.
    """
    if _compiled is not None:
        log.info("seqnative %s plans clip sequences and packs frames", _compiled.__version__)
        return "native"
    if "native" in os.environ.get(REQUIRE_VARIABLE, "").split(","):
        raise RuntimeError(
            f"{REQUIRE_VARIABLE} asks for native, and seqnative is not installed; "
            "install seq2time-native (in a clone: pip install ./native)"
        )
    log.info(
        "NumPy plans clip sequences and packs frames; seq2time-native is faster (in a clone: "
        "pip install ./native)"
    )
    return "reference"


def pack_normalize(
    clips: Sequence[Uint8Array], table: PixelTable, out: PixelTable, *, num_threads: int = 1
) -> None:
    """See `frame_packing.pack_normalize`, whose bits these are; compiled, it uses the threads.

    Other Python threads run meanwhile where it is compiled.
    """
    if kernel_backend() == "native":
        _compiled.pack_normalize(list(clips), table, out, num_threads=num_threads)
    else:
        frame_packing.pack_normalize(clips, table, out, num_threads=num_threads)


def make_planner(table: ClipTable, spec: SamplerSpec) -> Planner:
    """A planner over one table; it can be pickled, so that data workers can have it."""
    if kernel_backend() == "native":
        return _NativePlanner(table, spec)
    return sampler.SequencePlanner(table, spec)


class _NativePlanner:
    """The compiled planner behind the records of its twin."""

    def __init__(self, table: ClipTable, spec: SamplerSpec) -> None:
        self._arguments = (table, spec)
        self._planner = _compiled.SequencePlanner(
            table.labels,
            table.durations_ms,
            table.num_source_frames,
            table.pts,
            table.pts_ends,
            num_frames=spec.num_frames,
            min_clips=spec.min_clips,
            max_clips=spec.max_clips,
            min_frames_per_clip=spec.min_frames_per_clip,
            min_relative_rate=spec.min_relative_rate,
            max_relative_rate=spec.max_relative_rate,
            jitter=spec.jitter,
        )

    def plan(self, seed: int, index: int) -> SequencePlan:
        arrays = self._planner.plan(seed, index)
        clip_ids, frame_counts, frame_indices = (np.asarray(a, dtype=np.int64) for a in arrays)
        return SequencePlan(clip_ids, frame_counts, frame_indices)

    def __reduce__(self) -> tuple[type["_NativePlanner"], tuple[ClipTable, SamplerSpec]]:
        return _NativePlanner, self._arguments

"""The compiled sampler beside the NumPy code it stands in for, on the same sequences."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np

import seqnative
from seqsynth.clip_table import ClipTable
from seqsynth.sampler import SamplerSpec, SequencePlanner

NUM_RUNS = 5
NUM_COMPILED = 20_000
NUM_NUMPY = 500


def seconds_a_sequence(plan: Callable[[np.ndarray], object], num_sequences: int) -> float:
    """Median of the CPU time over the runs, after one that is not counted."""
    plan(np.arange(num_sequences))
    seconds = []
    for run in range(1, NUM_RUNS + 1):
        indices = np.arange(run * num_sequences, (run + 1) * num_sequences)
        start = time.process_time()
        plan(indices)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds) / num_sequences


def run() -> dict[str, dict[str, object]]:
    """96 frames of 2 to 10 clips, times known, from 2,000 clips of 400 labels."""
    rng = np.random.default_rng(0)
    frames = rng.integers(200, 301, 2000)
    times = [np.cumsum(rng.integers(2500, 3500, count)) for count in frames]
    table = ClipTable(
        labels=rng.integers(0, 400, 2000),
        durations_ms=rng.integers(6000, 10_000, 2000),
        num_source_frames=frames,
        pts=np.concatenate(times),
        pts_ends=np.array([clip[-1] + 3000 for clip in times]),
    )
    spec = SamplerSpec(jitter=True)
    twin = SequencePlanner(table, spec)
    compiled = seqnative.SequencePlanner(
        table.labels,
        table.durations_ms,
        table.num_source_frames,
        table.pts,
        table.pts_ends,
        **asdict(spec),
    )
    ours = 1 / seconds_a_sequence(lambda indices: compiled.plan_batch(0, indices), NUM_COMPILED)
    peer = 1 / seconds_a_sequence(lambda indices: twin.plan_batch(0, indices), NUM_NUMPY)
    return {
        "plan_batch_vs_numpy": {
            "ours": ours,
            "peer": peer,
            "ratio": ours / peer,
            "unit": "sequences/CPU s",
            "runs": NUM_RUNS,
        }
    }

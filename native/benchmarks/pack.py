"""Packing frames beside the torch operations that loaders usually do it with, on one thread.

On a GPU, where there is one, beside copying within its memory: packing can be no faster.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import seqnative
from seqsynth.frame_packing import pixel_table

NUM_RUNS = 7
FRAME_COUNTS = (20, 9, 31, 12, 16, 8)  # 96 frames in clips of a sequence
GPU_FRAMES = 960
SIDE = 224
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def cpu_milliseconds(*works: Callable[[], object]) -> list[float]:
    """Medians of the process's CPU time; the works take turns, so that all see the same machine."""
    times: list[list[float]] = [[] for _ in works]
    for run in range(NUM_RUNS + 1):
        for work, seconds in zip(works, times, strict=True):
            start = time.process_time()
            work()
            if run:
                seconds.append(time.process_time() - start)
    return [1000 * statistics.median(seconds) for seconds in times]


def run() -> dict[str, dict[str, object]]:
    """All cases."""
    return {**on_cpu(), **on_gpu()}


def on_gpu() -> dict[str, dict[str, object]]:
    """Bytes a second that packing reads and writes; nothing, and why, where there is no GPU."""
    reason = ""
    if not torch.cuda.is_available():
        reason = "torch finds no GPU"
    elif not seqnative.cuda_device_count():
        reason = "seqnative was built without CUDA, or finds no GPU"
    if reason:
        print(f"  no cases of packing on a GPU: {reason}", flush=True)
        return {}
    clip = torch.randint(0, 256, (GPU_FRAMES, SIDE, SIDE, 3), dtype=torch.uint8, device="cuda")
    stream = torch.cuda.current_stream().cuda_stream
    cases: dict[str, dict[str, object]] = {}
    for kind, suffix in ((torch.float32, ""), (torch.bfloat16, "_bfloat16")):
        out = torch.empty((GPU_FRAMES, 3, SIDE, SIDE), dtype=kind, device="cuda")
        other = torch.empty_like(out)
        table = torch.from_numpy(pixel_table(MEAN, STD)).to("cuda", kind)
        packing = gpu_milliseconds(
            lambda out=out, table=table: seqnative.pack_normalize_on_device(
                [clip], table, out, stream
            )
        )
        copying = gpu_milliseconds(lambda out=out, other=other: other.copy_(out))
        ours, peer = (clip.nbytes + out.nbytes) / packing, 2 * out.nbytes / copying
        cases[f"pack_normalize_cuda{suffix}_vs_copy"] = {
            "ours": ours / 1e6,
            "peer": peer / 1e6,
            "ratio": ours / peer,
            "unit": "GB/s of GPU memory",
            "runs": NUM_RUNS,
            "note": f"{GPU_FRAMES} frames; {torch.cuda.get_device_name()}",
        }
    return cases


def gpu_milliseconds(work: Callable[[], object]) -> float:
    """The median of some runs."""
    times = []
    for _ in range(NUM_RUNS + 1):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        work()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times[1:])


def on_cpu() -> dict[str, dict[str, object]]:
    """Six clips to (96, 3, 224, 224): to float, / 255, permute, normalise, put together."""
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8) for n in FRAME_COUNTS]
    tensors = [torch.from_numpy(clip) for clip in clips]
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))

    def chain(frames: torch.Tensor) -> torch.Tensor:
        """Of a clip or of one frame, in the usual order."""
        return ((frames.float() / 255.0).movedim(-1, -3) - mean) / std

    def by_clip() -> torch.Tensor:
        return torch.cat([chain(clip) for clip in tensors])

    def by_frame() -> torch.Tensor:
        return torch.stack([chain(frame) for clip in tensors for frame in clip])

    shape = (sum(FRAME_COUNTS), 3, SIDE, SIDE)
    batch = np.zeros(shape, dtype=np.float32)
    halves = np.zeros(shape, dtype=np.uint16)
    table, half_table = pixel_table(MEAN, STD), pixel_table(MEAN, STD, dtype="bfloat16")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, ours_halves, clipwise, framewise, torch_halves = cpu_milliseconds(
            lambda: seqnative.pack_normalize(clips, table, batch),
            lambda: seqnative.pack_normalize(clips, half_table, halves),
            by_clip,
            by_frame,
            lambda: by_clip().bfloat16(),
        )
        if not torch.equal(torch.from_numpy(batch), by_clip()):
            raise AssertionError("the batches differ")
    finally:
        torch.set_num_threads(threads)
    unit = "CPU ms for 96 frames"
    return {
        "pack_normalize_vs_torch": {
            "ours": ours,
            "peer": clipwise,
            "ratio": clipwise / ours,
            "unit": unit,
            "runs": NUM_RUNS,
            "note": "float32, the same bits, into a batch that is there already; torch clip by "
            f"clip, frame by frame it takes {framewise:.3g}",
        },
        "pack_normalize_bfloat16_vs_torch": {
            "ours": ours_halves,
            "peer": torch_halves,
            "ratio": torch_halves / ours_halves,
            "unit": unit,
            "runs": NUM_RUNS,
        },
    }

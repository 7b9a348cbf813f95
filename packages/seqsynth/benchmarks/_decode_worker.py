"""One decoder in a process of its own: passes over the clips when told, answers with seconds.

Takes the names of a decoder and of a clock, `cpu` or `wall`. Reads lines of JSON from standard
input: first the plan, [[path, [frame index, ...]], ...], then one line for each pass. decord and
decord2 share an import name, and each decoder brings an FFmpeg of its own, so they cannot live in
one process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

EDGE = 224
BATCH = 16  # clips that a GPU gets at once

Decode = Callable[[str, list[int]], Any]
Plan = list[tuple[str, list[int]]]
CLOCKS: dict[str, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}


def ours() -> Decode:
    from seqsynth import FrameRef, load_frames

    return lambda path, indices: load_frames([FrameRef(path, k) for k in indices], EDGE)


def decord() -> Decode:
    """As TimeChat reads videos, on one thread."""
    from decord import VideoReader, cpu

    def decode(path: str, indices: list[int]) -> Any:
        reader = VideoReader(path, ctx=cpu(0), width=EDGE, height=EDGE, num_threads=1)
        return reader.get_batch(indices).asnumpy()

    return decode


def torchcodec_cuda() -> Decode:
    """Decoded and resized on the GPU; frames end where those of `dali` do."""
    import torch
    from torch.nn import functional
    from torchcodec.decoders import VideoDecoder

    def decode(path: str, indices: list[int]) -> Any:
        frames = VideoDecoder(path, device="cuda").get_frames_at(indices).data
        small = functional.interpolate(frames.float(), (EDGE, EDGE), mode="bicubic", antialias=True)
        return small.clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu()

    return decode


def torchcodec() -> Decode:
    import torch
    from torchcodec.decoders import VideoDecoder
    from torchcodec.transforms import Resize

    torch.set_num_threads(1)

    def decode(path: str, indices: list[int]) -> Any:
        decoder = VideoDecoder(
            path, num_ffmpeg_threads=1, dimension_order="NHWC", transforms=[Resize((EDGE, EDGE))]
        )
        return decoder.get_frames_at(indices).data

    return decode


def opencv() -> Decode:
    """Every frame up to the last is decoded, those asked for are converted."""
    import cv2

    cv2.setNumThreads(1)

    def decode(path: str, indices: list[int]) -> Any:
        capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        wanted, frames = set(indices), []
        for number in range(max(indices) + 1):
            capture.grab()
            if number in wanted:
                frame = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
                frames.append(cv2.resize(frame, (EDGE, EDGE), interpolation=cv2.INTER_LINEAR))
        return frames

    return decode


def pyav_naive() -> Decode:
    """Every frame up to the last is decoded, those asked for are converted."""
    import av

    def decode(path: str, indices: list[int]) -> Any:
        wanted, frames = set(indices), []
        with av.open(path) as container:
            container.streams.video[0].codec_context.thread_type = "NONE"
            container.streams.video[0].codec_context.thread_count = 1
            for number, frame in enumerate(container.decode(video=0)):
                if number in wanted:
                    frames.append(frame.reformat(EDGE, EDGE, "rgb24", threads=1).to_ndarray())
                if number == max(indices):
                    break
        return frames

    return decode


def dali() -> Callable[[Plan], Any]:
    """Ours on the GPU: many clips at once."""
    from seqsynth import FrameRef
    from seqsynth.frames import load_batch

    def decode(plan: Plan) -> Any:
        for first in range(0, len(plan), BATCH):
            batch = [[FrameRef(path, k) for k in ks] for path, ks in plan[first : first + BATCH]]
            load_batch(batch, EDGE, backend="dali")

    return decode


def one_by_one(decode: Decode) -> Callable[[Plan], Any]:
    def decode_all(plan: Plan) -> None:
        for path, indices in plan:
            decode(path, indices)

    return decode_all


DECODERS: dict[str, Callable[[], Decode]] = {
    "ours": ours,
    "decord": decord,
    "decord2": decord,
    "torchcodec": torchcodec,
    "torchcodec_cuda": torchcodec_cuda,
    "opencv": opencv,
    "pyav_naive": pyav_naive,
}


def main() -> None:
    """Serves until standard input ends."""
    name, clock = sys.argv[1], CLOCKS[sys.argv[2]]
    if sys.argv[2] == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    decode_all = dali() if name == "dali" else one_by_one(DECODERS[name]())
    plan = json.loads(sys.stdin.readline())
    decode_all(plan[:1])  # what is done once is not counted
    print("ready", flush=True)
    for _ in sys.stdin:
        start = clock()
        decode_all(plan)
        print(clock() - start, flush=True)


if __name__ == "__main__":
    main()

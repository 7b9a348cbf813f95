"""One decoder in a process of its own: passes over the clips when told, answers with CPU seconds.

Reads lines of JSON from standard input: first the plan, [[path, [frame index, ...]], ...], then
one line for each pass. decord and decord2 share an import name, and each decoder brings an FFmpeg
of its own, so they cannot live in one process.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

EDGE = 224

Decode = Callable[[str, list[int]], Any]


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


DECODERS: dict[str, Callable[[], Decode]] = {
    "ours": ours,
    "decord": decord,
    "decord2": decord,
    "torchcodec": torchcodec,
    "opencv": opencv,
    "pyav_naive": pyav_naive,
}


def main() -> None:
    """Serves until standard input ends."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    decode = DECODERS[sys.argv[1]]()
    plan = json.loads(sys.stdin.readline())
    decode(*plan[0])  # what is done once is not counted
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        for path, indices in plan:
            decode(path, indices)
        print(time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()

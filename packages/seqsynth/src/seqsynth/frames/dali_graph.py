"""The graph with which DALI decodes videos and makes frames of them.

One graph for both devices: on a GPU the NVDEC units decode and the frames are resized there, on a
CPU libavcodec and DALI's own kernels do it. Nothing but the device differs, so what is tested on a
CPU is what runs on a GPU.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqsynth.frames.geometry import Layout

Device = Literal["cpu", "gpu"]

MAX_VIDEOS = 16
"""Of one batch."""

_DECODERS = {"cpu": "cpu", "gpu": "mixed"}
# On a CPU videos are decoded side by side by several graphs, as with the other decoders.
_NUM_THREADS = {"cpu": 1, "gpu": 4}


@dataclass(frozen=True, slots=True)
class EncodedVideo:
    """A video for the graph.

    Attributes:
        content: (number of bytes,) uint8, the whole file.
        frame_indices: from 0.
        layout: where its pictures land in the frames.
    """

    content: NDArray[np.uint8]
    frame_indices: tuple[int, ...]
    layout: Layout


def build_graph(device: Device, size: int) -> Any:
    """A pipeline of DALI that takes batches of up to `MAX_VIDEOS`; for one thread.

    Raises:
        RuntimeError: DALI is not installed, or the GPU's driver cannot decode videos.
    """
    try:
        from nvidia import dali
        from nvidia.dali import fn, types
    except ImportError as error:
        raise RuntimeError(
            f"the backend dali needs NVIDIA DALI ({error}); run: "
            "pip install seq2time-seqsynth[dali], or use the backend pyav"
        ) from None
    pipeline = dali.Pipeline(
        batch_size=MAX_VIDEOS,
        num_threads=_NUM_THREADS[device],
        device_id=_device_id() if device == "gpu" else None,
        prefetch_queue_depth=1,  # each batch is asked for; several graphs overlap instead
        seed=0,
    )

    def fed(name: str, dtype: Any) -> Any:
        return fn.external_source(name=name, dtype=dtype, ndim=1)

    with pipeline:
        pictures = fn.decoders.video(
            fed("content", types.UINT8),
            device=_DECODERS[device],
            frames=fed("frame_indices", types.INT32),
            pad_mode="none",  # a frame that DALI does not find is an error, not a black one
            affine=False,  # graphs would all pin their threads to the first cores
        )
        shown = fn.resize(
            pictures,
            size=fed("inner_size", types.FLOAT),
            roi_start=fed("box_start", types.FLOAT),
            roi_end=fed("box_end", types.FLOAT),
            interp_type=types.INTERP_CUBIC,
            antialias=True,
        )
        frames = fn.slice(
            shown,
            start=fed("frame_start", types.INT32),
            shape=[size, size],
            axes=[1, 2],
            out_of_bounds_policy="pad",
            fill_values=255.0,
        )
        pipeline.set_outputs(frames)
    pipeline.build()
    return pipeline


def run_graph(pipeline: Any, videos: Sequence[EncodedVideo]) -> list[NDArray[np.uint8]]:
    """The frames of each video, (number of indices, size, size, 3).

    Raises:
        RuntimeError: DALI cannot decode one of them; the pipeline is of no use any more.
    """
    layouts = [video.layout for video in videos]
    boxes = [np.array(layout.box, dtype=np.float32) for layout in layouts]
    (frames,) = pipeline.run(
        content=[video.content for video in videos],
        frame_indices=[np.array(video.frame_indices, dtype=np.int32) for video in videos],
        inner_size=[np.array([lay.height, lay.width], dtype=np.float32) for lay in layouts],
        box_start=[box[[1, 0]] for box in boxes],
        box_end=[box[[3, 2]] for box in boxes],
        frame_start=[np.array([-lay.top, -lay.left], dtype=np.int32) for lay in layouts],
    )
    on_host = frames.as_cpu()
    # The next run writes into the same memory.
    return [np.array(on_host.at(number)) for number in range(len(videos))]


@functools.cache
def best_device() -> Device:
    """`gpu` where the driver has one that is visible to this process, else `cpu`."""
    return "gpu" if _num_devices() else "cpu"


@functools.cache
def _num_devices() -> int:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _device_id() -> int:
    """The GPU of this process: that of its rank, where one machine has several of both."""
    try:
        ctypes.CDLL("libnvcuvid.so.1")
    except OSError:
        raise RuntimeError(
            "the backend dali needs libnvcuvid.so.1, the part of NVIDIA's driver that decodes "
            "videos: give the container the driver capability `video`, or use the backend pyav"
        ) from None
    return int(os.environ.get("LOCAL_RANK", "0")) % max(1, _num_devices())

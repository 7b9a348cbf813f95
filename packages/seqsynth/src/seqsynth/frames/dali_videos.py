"""Frames of videos with NVIDIA DALI (extra `dali`), in batches: on a GPU where there is one.

Each thread has a graph of its own, so a loader with several threads runs several over disjoint
shares of the videos; one graph alone uses a seventh of a GPU's decoders. Videos that DALI should
not get are decoded by PyAV, see `dali_routing`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from seqsynth.frames.dali_graph import (
    MAX_VIDEOS,
    Device,
    EncodedVideo,
    best_device,
    build_graph,
    run_graph,
)
from seqsynth.frames.dali_routing import count_routed, refusal, survey_video
from seqsynth.frames.errors import no_such_frame
from seqsynth.frames.geometry import Fit
from seqsynth.frames.pyav_videos import pyav_frames, video_fault
from seqsynth.frames.requests import VideoRequest

Uint8Array = NDArray[np.uint8]

_MAX_DECODED_BYTES = 1 << 30  # of pictures in their own size, in a batch of more than one video

log = logging.getLogger(__name__)
_of_thread = threading.local()


def dali_frames(requests: Sequence[VideoRequest], fit: Fit) -> list[Uint8Array]:
    """The frames of each request, (number of indices, size, size, 3).

    Raises:
        MediaError: names the file and the frame.
        RuntimeError: DALI is not installed, or the GPU's driver cannot decode videos.
    """
    return dali_frames_on(best_device(), requests, fit)


def dali_frames_on(device: Device, requests: Sequence[VideoRequest], fit: Fit) -> list[Uint8Array]:
    """The same on a device of choice."""
    _graph(device, fit.size)  # before any video goes elsewhere: the backend has to be there
    frames: list[Uint8Array | None] = [None] * len(requests)
    accepted: list[tuple[int, EncodedVideo, int]] = []
    for place, request in enumerate(requests):
        video, num_bytes = _encoded(request, device, fit)
        if video is None:
            frames[place] = pyav_frames([request], fit)[0]
        else:
            accepted.append((place, video, num_bytes))
    for batch in _batches(accepted):
        places = [place for place, _, _ in batch]
        videos = [video for _, video, _ in batch]
        decoded = _decoded(device, [requests[place] for place in places], videos, fit)
        for place, shown in zip(places, decoded, strict=True):
            frames[place] = shown
    return [shown for shown in frames if shown is not None]


def _encoded(request: VideoRequest, device: Device, fit: Fit) -> tuple[EncodedVideo | None, int]:
    """A video for DALI, None where PyAV has to decode it; and the bytes of its pictures."""
    import av

    path, numbers = request.path, request.frame_indices
    try:
        video = survey_video(path)
        reason = refusal(video, device)
        if reason:
            count_routed(path, reason)
            return None, 0
        content = np.fromfile(path, dtype=np.uint8)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise video_fault(path, numbers[0], error) from None
    index = video.index
    assert index.table is not None
    num_frames = len(index.table.pts)
    outside = [number for number in numbers if not 0 <= number < num_frames]
    if outside:
        raise no_such_frame(path, num_frames, outside[0])
    encoded = EncodedVideo(content, numbers, fit.layout(index.width, index.height))
    return encoded, 3 * index.width * index.height * len(numbers)


def _batches(
    videos: Sequence[tuple[int, EncodedVideo, int]],
) -> Iterator[list[tuple[int, EncodedVideo, int]]]:
    batch: list[tuple[int, EncodedVideo, int]] = []
    room = _MAX_DECODED_BYTES
    for video in videos:
        if batch and (len(batch) == MAX_VIDEOS or video[2] > room):
            yield batch
            batch, room = [], _MAX_DECODED_BYTES
        batch.append(video)
        room -= video[2]
    if batch:
        yield batch


def _decoded(
    device: Device, requests: Sequence[VideoRequest], videos: Sequence[EncodedVideo], fit: Fit
) -> list[Uint8Array]:
    """A batch by DALI; where that fails each video alone, and what fails alone by PyAV."""
    try:
        return run_graph(_graph(device, fit.size), videos)
    except RuntimeError as error:
        _of_thread.graph = None  # it cannot go on after an error
        if len(videos) == 1:
            # PyAV either says what is wrong with the file, or can read it.
            frames = pyav_frames(requests, fit)
            log.warning("%s: DALI cannot decode it, PyAV can: %s", requests[0].path, error)
            count_routed(requests[0].path, "an error of DALI")
            return frames
    alone = zip(requests, videos, strict=True)
    return [_decoded(device, [request], [video], fit)[0] for request, video in alone]


def _graph(device: Device, size: int) -> object:
    """The graph of this thread."""
    kept = getattr(_of_thread, "graph", None)
    if kept is None or kept[0] != (device, size):
        _of_thread.graph = None  # gives back what the last one holds before another is made
        kept = _of_thread.graph = ((device, size), build_graph(device, size))
    return kept[1]

"""Pixels of a frame plan, by one of several decoders of videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.frames.dali_videos import dali_frames
from seqsynth.frames.geometry import Fit, Geometry
from seqsynth.frames.pictures import full_pictures, picture_frames
from seqsynth.frames.pyav_videos import pyav_frames, video_pictures
from seqsynth.frames.requests import VideoBackend, VideoRequest
from seqsynth.frames.torchcodec_videos import torchcodec_frames
from seqsynth.frames.video_index import is_video
from seqsynth.naming import known_name
from seqsynth.records import FrameRef

BACKENDS: Mapping[str, VideoBackend] = {
    "pyav": pyav_frames,
    "torchcodec": torchcodec_frames,
    "dali": dali_frames,
}
"""Decoders of videos by name; stills and animations have one."""

PIXELS_VERSION = 2
"""Raise it when `load_frames` comes to give other pixels of the same file: another scaler or way of
decoding, another geometry, another rule for transparency, colours or orientation. What is kept of
frames elsewhere (`vidllm.features`) is then computed anew. Versions of Pillow and FFmpeg are not
part of it."""


def load_frames(
    refs: Sequence[FrameRef], size: int, *, geometry: Geometry = "stretch", backend: str = "pyav"
) -> NDArray[np.uint8]:
    """The frames of a plan, in its order.

    Args:
        refs: stills, or frames of animations and videos; every file is opened once.
        size: edge of the square, pixels.
        geometry: `stretch` ignores the aspect ratio, `crop` keeps the middle square, `pad` keeps
            the whole picture on white.
        backend: one of `BACKENDS`; all give the same frames, with pixels that differ a little.

    Returns:
        (len(refs), size, size, 3) uint8, RGB.

    Raises:
        MediaError: names the file and the frame.
        ValueError: size below 1, an unknown geometry or backend.
    """
    fit = Fit(size, geometry)
    decode_videos = BACKENDS[known_name("backend", backend, BACKENDS)]
    places: dict[str, dict[int, list[int]]] = {}
    for place, ref in enumerate(refs):
        places.setdefault(ref.path, {}).setdefault(ref.frame_index, []).append(place)
    frames = np.empty((len(refs), size, size, 3), dtype=np.uint8)
    videos = []
    for path, places_of_index in places.items():
        indices = tuple(sorted(places_of_index))
        if is_video(path):
            videos.append(VideoRequest(path, indices))
            continue
        for index, frame in zip(indices, picture_frames(path, indices, fit), strict=True):
            frames[places_of_index[index]] = frame
    if videos:
        for request, shown in zip(videos, decode_videos(videos, fit), strict=True):
            for index, frame in zip(request.frame_indices, shown, strict=True):
                frames[places[request.path][index]] = frame
    return frames


def load_batch(
    plans: Sequence[Sequence[FrameRef]],
    size: int,
    *,
    geometry: Geometry = "stretch",
    backend: str = "pyav",
) -> list[NDArray[np.uint8]]:
    """The frames of several plans, see `load_frames`; `dali` decodes all their videos together.

    Returns:
        (F, size, size, 3) uint8 for each plan.

    Raises:
        MediaError: names the file and the frame.
        ValueError: size below 1, an unknown geometry or backend.
    """
    refs = [ref for plan in plans for ref in plan]
    frames = load_frames(refs, size, geometry=geometry, backend=backend)
    ends = np.cumsum([len(plan) for plan in plans])
    return [frames[end - len(plan) : end] for plan, end in zip(plans, ends, strict=True)]


def load_picture(ref: FrameRef) -> Image.Image:
    """One frame in its own size: upright, RGB, on white.

    Raises:
        MediaError: names the file and the frame.
    """
    decode = video_pictures if is_video(ref.path) else full_pictures
    (picture,) = decode(ref.path, [ref.frame_index])
    return picture

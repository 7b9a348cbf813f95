"""Frames of videos with torchcodec (extra `torchcodec`, and FFmpeg's libraries on the machine).

It shows other frames than a player does of MPEG-TS, of AVI and of files whose packets have no
usable times; those, and files of which it counts other frames than the packets say, go to PyAV.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.frames.errors import no_such_frame, unreadable
from seqsynth.frames.geometry import Fit
from seqsynth.frames.pyav_videos import pyav_frames, video_fault
from seqsynth.frames.requests import VideoRequest
from seqsynth.frames.video_index import index_video

_REFUSED_SUFFIXES = (".ts", ".avi")


def torchcodec_frames(requests: Sequence[VideoRequest], fit: Fit) -> list[NDArray[np.uint8]]:
    """The frames of each request, (number of indices, size, size, 3).

    Raises:
        MediaError: names the file and the frame.
        RuntimeError: torchcodec cannot be loaded.
    """
    try:
        from torchcodec.decoders import VideoDecoder
    except ImportError as error:
        raise RuntimeError(
            f"the backend torchcodec needs torchcodec ({error}); run: "
            "pip install seq2time-seqsynth[torchcodec], or use the backend pyav"
        ) from None
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0]
        raise RuntimeError(
            f"{reason} torchcodec needs FFmpeg's libraries and the version made for this torch; "
            "the backend pyav needs neither"
        ) from None
    return [_frames(VideoDecoder, request, fit) for request in requests]


def _frames(make_decoder: type, request: VideoRequest, fit: Fit) -> NDArray[np.uint8]:
    import av

    path, numbers = request.path, request.frame_indices
    try:
        table = index_video(path).table
    except (av.FFmpegError, OSError, ValueError) as error:
        raise video_fault(path, numbers[0], error) from None
    if table is None or Path(path).suffix.lower() in _REFUSED_SUFFIXES:
        return pyav_frames([request], fit)[0]
    num_frames = len(table.frame_pts())
    outside = [number for number in numbers if not 0 <= number < num_frames]
    if outside:
        raise no_such_frame(path, num_frames, outside[0])
    try:
        absolute = str(Path(path).absolute())  # never taken for an address
        decoder = make_decoder(absolute, num_ffmpeg_threads=1, dimension_order="NHWC")
        if len(decoder) != num_frames:
            return pyav_frames([request], fit)[0]
        decoded = decoder.get_frames_at(list(numbers)).data.numpy()
    except (RuntimeError, IndexError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise unreadable(path, numbers[0], reason) from None
    return np.stack([fit.picture(Image.fromarray(frame)) for frame in decoded])

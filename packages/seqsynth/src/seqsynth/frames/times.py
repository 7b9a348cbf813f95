"""When the frames of a video are shown, and which is on screen at a time."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqsynth.frames.pyav_videos import shown_times, video_fault
from seqsynth.frames.video_index import index_video
from seqsynth.records import FrameRef


def frame_times(path: str | Path) -> NDArray[np.float64]:
    """When each frame of a video is shown, seconds after the first one.

    Nothing is decoded, except of a file whose packets have no usable times.

    Raises:
        MediaError: it cannot be opened, or is no video, or has no frames.
    """
    ticks, tick_seconds = _ticks(path)
    times: NDArray[np.float64] = (ticks - ticks[0]) * float(tick_seconds)
    return times


def frames_at(path: str | Path, seconds: Sequence[float]) -> tuple[FrameRef, ...]:
    """The frames on screen at some times: each stays until the next one is shown.

    Args:
        path: a video.
        seconds: after its first frame is shown; the last frame stays for ever.

    Raises:
        MediaError: it cannot be opened, or is no video, or has no frames.
        ValueError: a negative time.
    """
    early = [time for time in seconds if not time >= 0]
    if early:
        raise ValueError(f"times count from the first frame on, got {early[0]} seconds")
    ticks, tick_seconds = _ticks(path)
    # Times of frames are not all floats: half a tick is far more than rounding makes them miss.
    asked = np.asarray(seconds, dtype=np.float64) / float(tick_seconds) + ticks[0] + 1e-6
    numbers = np.searchsorted(ticks, asked, side="right") - 1
    return tuple(FrameRef(str(path), number) for number in numbers.tolist())


def _ticks(path: str | Path) -> tuple[NDArray[np.int64], Fraction]:
    """When each frame is shown, in ticks, rising; and the length of a tick in seconds."""
    import av

    try:
        index = index_video(path)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise video_fault(path, 0, error) from None
    if index.table is not None:
        return index.table.frame_pts(), index.time_base
    return shown_times(path), index.time_base

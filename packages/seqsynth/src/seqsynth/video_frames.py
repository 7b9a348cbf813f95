"""Frames of a video file by number, with PyAV: exact and plain, the reference of faster ways.

The file is decoded from its beginning to the last frame asked for, and frames are counted in the
order in which they are shown. That needs no index and is right whatever the file holds.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

VIDEO_SUFFIXES = frozenset(
    (
        ".mp4",
        ".m4v",
        ".mov",
        ".mkv",
        ".webm",
        ".avi",
        ".mpg",
        ".mpeg",
        ".ts",
        ".flv",
        ".wmv",
        ".3gp",
    )
)


class FrameCountError(ValueError):
    """A video with fewer frames than were asked for."""


def is_video(path: str) -> bool:
    """Whether a path has the ending of a video file."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def video_frames(path: str, frame_indices: Sequence[int]) -> Iterator[tuple[int, Image.Image]]:
    """The asked frames as RGB pictures.

    Args:
        path: a file with a video in it; the first one is read.
        frame_indices: rising, from 0.

    Raises:
        OSError: the file cannot be opened.
        FrameCountError: it ends before the last frame asked for.
        ValueError: it is no video, or a damaged one.
    """
    import av  # loads all of FFmpeg

    wanted = iter(frame_indices)
    target = next(wanted, None)
    num_frames = 0
    try:
        # An absolute path is never taken for an address such as "http:...".
        with av.open(str(Path(path).absolute()), metadata_errors="ignore") as container:
            if not container.streams.video:
                raise ValueError("no video in it")
            for frame in container.decode(container.streams.video[0]):
                if target is None:
                    return
                if num_frames == target:
                    yield num_frames, Image.fromarray(frame.to_ndarray(format="rgb24"))
                    target = next(wanted, None)
                num_frames += 1
    except av.FFmpegError as error:
        raise ValueError(f"{type(error).__name__}: {error.strerror}") from None
    if target is not None:
        raise FrameCountError(f"{path} has {num_frames} frames, no frame {target}")

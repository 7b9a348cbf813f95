"""What the packets of a video say: how many frames, when each is shown, where decoding can start.

Nothing is decoded. Frame k of a video is the k-th in the order of presentation times; where a file
has no times that could be trusted, frames are counted by decoding from the beginning.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from seqsynth.frames.h264 import H264Reader
from seqsynth.packet_choice import PacketTable

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

_MAX_HELD_BYTES = 256 << 20  # of packets in memory; those of a longer video are read again
_MP4_START = b"ftyp"  # from byte 4 on
# For H.264 in MP4, whose header says enough. FFmpeg would decode pictures to learn more, such as
# the pixel format, which its decoder finds out anyhow; and parse packets whose times are given.
_AS_THE_HEADER_SAYS: dict[str, Any] = {
    "options": {"pixel_format": "yuv420p"},
    "container_options": {
        "fpsprobesize": "0",
        "max_ts_probe": "0",
        "fflags": "-genpts+nofillin+noparse",
    },
}


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """What is known of a video without decoding it.

    Attributes:
        container: FFmpeg's name of the kind of file.
        codec: FFmpeg's name of the encoding.
        pix_fmt: FFmpeg's name of the pixel format.
        width, height: of the coded picture, before it is turned.
        time_base: length of a tick, seconds.
        table: the packets; None where frames have to be counted by decoding.
    """

    container: str
    codec: str
    pix_fmt: str
    width: int
    height: int
    time_base: Fraction
    table: PacketTable | None


def is_video(path: str) -> bool:
    """Whether a path has the ending of a video file."""
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


@contextmanager
def open_video(path: str | Path, *, to_decode: bool = False) -> Iterator[tuple[Any, Any]]:
    """The container and its first video stream, whose decoder uses no threads.

    Threads within a clip cost more than they give when clips are decoded side by side, and those
    of FFmpeg can hang where a decoder is left early (PyAV issue 1962).

    Args:
        path: the file.
        to_decode: packets and frames are all that is wanted; the stream's own account of itself
            (`pix_fmt`, `profile`) may be wrong. Takes a fifth of the time for H.264 in MP4.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty, or no video.
    """
    file = Path(path).absolute()  # an absolute path is never taken for an address
    if file.stat().st_size == 0:
        raise ValueError("the file is empty; fetch it again")
    with _opened(file, to_decode=to_decode) as container:
        if not container.streams.video:
            raise ValueError("no video in it")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ValueError("FFmpeg does not know how its pictures are encoded")
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        yield container, stream


def _opened(file: Path, *, to_decode: bool) -> Any:
    import av  # loads all of FFmpeg

    if to_decode and _is_mp4(file):
        container = av.open(str(file), metadata_errors="ignore", **_AS_THE_HEADER_SAYS)
        contexts = [stream.codec_context for stream in container.streams.video[:1]]
        if [context.name for context in contexts if context is not None] == ["h264"]:
            return container
        container.close()
    return av.open(str(file), metadata_errors="ignore")


def _is_mp4(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(8)[4:] == _MP4_START


def index_video(path: str | Path) -> VideoIndex:
    """Reads all packets of a video.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty, or no video.
    """
    with open_video(path) as (container, stream):
        return read_index(container, stream)[0]


def read_index(container: Any, stream: Any) -> tuple[VideoIndex, list[Any] | None]:
    """The index of an open video, and its packets where they are few enough to be kept."""
    table, held = read_packets(container, stream)
    context = stream.codec_context
    index = VideoIndex(
        container=container.format.name,
        codec=context.name,
        pix_fmt=context.pix_fmt or "",
        width=context.width,
        height=context.height,
        time_base=stream.time_base,
        table=table,
    )
    return index, held


def read_packets(container: Any, stream: Any) -> tuple[PacketTable | None, list[Any] | None]:
    """The packets' table, see `VideoIndex`; and they, where they are few enough to be kept."""
    reader = _PacketReader(container, stream)
    packets: list[Any] = []
    num_bytes, are_all = 0, True
    for packet in container.demux(stream):
        size = packet.size
        if not size:  # the end of the stream
            continue
        packets.append(packet)
        num_bytes += size
        if num_bytes > _MAX_HELD_BYTES:
            reader.add(packets)
            packets, num_bytes, are_all = [], 0, False
    reader.add(packets)
    return reader.table(), packets if are_all else None


class _PacketReader:
    """Collects what matters of each packet."""

    def __init__(self, container: Any, stream: Any) -> None:
        context = stream.codec_context
        self._has_times = container.format.name != "avi"  # AVI numbers packets as they are stored
        self._h264 = H264Reader(context.extradata) if context.name == "h264" else None
        self._is_vp8 = context.name == "vp8"
        self._pts: list[int] = []
        self._is_key: list[bool] = []
        self._is_shown: list[bool] = []
        self._is_droppable: list[bool] = []

    def add(self, packets: Sequence[Any]) -> None:
        times = [packet.pts for packet in packets]
        if None in times:
            self._has_times = False
        if not self._has_times:
            return
        are_keys = [packet.is_keyframe for packet in packets]
        are_shown = [not packet.is_discard for packet in packets]
        are_droppable = [False] * len(packets)
        if self._h264 is not None:
            contents = [memoryview(packet) for packet in packets]
            for place in itertools.compress(range(len(packets)), are_keys):
                are_keys[place] = self._h264.is_clean_start(contents[place])
            are_droppable = [
                not is_key and self._h264.is_droppable(content)
                for is_key, content in zip(are_keys, contents, strict=True)
            ]
        if self._is_vp8:  # RFC 6386, 9.1: show_frame
            flags = [memoryview(packet)[0] >> 4 & 1 for packet in packets]
            are_shown = [bool(flag) and shown for flag, shown in zip(flags, are_shown, strict=True)]
        self._pts += times
        self._is_key += are_keys
        self._is_shown += are_shown
        self._is_droppable += are_droppable

    def table(self) -> PacketTable | None:
        """All packets; None where their times do not tell the order of the frames."""
        if not self._has_times or not self._pts:
            return None
        pts = np.array(self._pts, dtype=np.int64)
        is_key = np.array(self._is_key)
        if not is_key[0] or len(np.unique(pts)) < len(pts):
            return None
        key_pts = pts[is_key]
        # What a decoder makes of pictures before the first key picture is its own affair, and a
        # clock that jumps back says nothing about order.
        if pts.min() < key_pts[0] or (np.diff(key_pts) <= 0).any():
            return None
        flags = (np.array(self._is_shown), np.array(self._is_droppable))
        return PacketTable(pts, is_key, *flags)

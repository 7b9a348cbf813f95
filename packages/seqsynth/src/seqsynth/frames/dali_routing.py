"""Which videos DALI gets: those that it decodes, and whose frames it counts as a player does.

The rest is PyAV's. That is decided from the packets and the first picture of a video, before any
batch is made, and counted with its reason: an error inside a batch would cost the whole batch.

What DALI 2.4 does otherwise, from its sources: it counts frames that an edit list hides and leaves
out those before time zero; it takes each picture that comes out of NVDEC for the next packet, which
fails where a packet gives no picture or two (leading pictures of an open group, fields, pictures
shown again without being decoded, as in AV1); it does not turn pictures. Its CPU decoder has no
H.264, HEVC, AV1 and MPEG-4.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsynth.frames.dali_graph import Device
from seqsynth.frames.video_index import VideoIndex, open_video, read_index
from seqsynth.packet_choice import PacketTable

MAX_BYTES = 256 << 20
"""Of a file: DALI gets it whole."""

log = logging.getLogger(__name__)

_CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
_PIX_FMTS = ("yuv420p", "yuvj420p")
_CPU_CODECS = ("vp8", "vp9", "mjpeg")
# Least and largest width and height that NVDEC takes, from NVIDIA's table of its generations.
_GPU_CODECS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "h264": ((48, 16), (4096, 4096)),
    "hevc": ((144, 144), (8192, 8192)),
    "vp8": ((48, 16), (4096, 4096)),
    "vp9": ((128, 128), (8192, 8192)),
    "mpeg4": ((48, 16), (2032, 2032)),
    "mjpeg": ((64, 64), (16384, 16384)),
}

_routed: Counter[str] = Counter()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class SurveyedVideo:
    """A video as far as its packets and its first picture tell.

    Attributes:
        index: of its packets.
        num_streams: videos in the file.
        num_bytes: of the file.
        rotation: degrees by which a player turns it; None where the first picture is damaged.
        is_interlaced: its first picture is two fields.
    """

    index: VideoIndex
    num_streams: int
    num_bytes: int
    rotation: float | None
    is_interlaced: bool


def survey_video(path: str) -> SurveyedVideo:
    """Reads the packets of a video and decodes its first picture.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty, or no video.
    """
    with open_video(path) as (container, stream):
        index, packets = read_index(container, stream)
        first = _first_picture(stream.codec_context, packets or ())
        return SurveyedVideo(
            index=index,
            num_streams=len(container.streams.video),
            num_bytes=container.size,
            rotation=None if first is None else first.rotation,
            is_interlaced=first is not None and first.interlaced_frame,
        )


def refusal(video: SurveyedVideo, device: Device) -> str:
    """Why DALI should not get a video on a device; nothing where it should."""
    index = video.index
    if index.container not in _CONTAINERS:
        return f"container {index.container}"
    if index.table is None:
        return "packets without usable times"
    if video.num_streams > 1:
        return "several videos in a file"
    if video.num_bytes > MAX_BYTES:
        return f"more than {MAX_BYTES >> 20} MiB"
    return (
        _codec_refusal(index, device)
        or _order_refusal(index.table)
        or _picture_refusal(video.rotation, is_interlaced=video.is_interlaced)
    )


def routed_videos() -> dict[str, int]:
    """How often PyAV has decoded a video in DALI's place in this process, by reason."""
    with _lock:
        return dict(_routed)


def count_routed(path: str, reason: str) -> None:
    """Counts a video; the first of each reason is logged."""
    with _lock:
        _routed[reason] += 1
        is_new = _routed[reason] == 1
    if is_new:
        log.info("%s goes to PyAV, and so does what comes with: %s", path, reason)


def _codec_refusal(index: VideoIndex, device: Device) -> str:
    codecs = _CPU_CODECS if device == "cpu" else tuple(_GPU_CODECS)
    if index.codec not in codecs:
        return f"{index.codec} on the {device}"
    if index.pix_fmt not in _PIX_FMTS:
        return f"{index.codec} in {index.pix_fmt}"
    if device == "gpu":
        least, most = _GPU_CODECS[index.codec]
        size = (index.width, index.height)
        if not all(a <= b <= c for a, b, c in zip(least, size, most, strict=True)):
            return f"{index.codec} outside of {least[0]}x{least[1]} to {most[0]}x{most[1]} pixels"
    return ""


def _order_refusal(table: PacketTable) -> str:
    if not table.is_shown.all():
        return "frames that are not shown"
    if table.pts.min() < 0:
        return "frames before time zero"
    group_starts = np.maximum.accumulate(np.where(table.is_key, np.arange(len(table.pts)), 0))
    if (table.pts < table.pts[group_starts]).any():
        return "open groups of pictures"
    return ""


def _picture_refusal(rotation: float | None, *, is_interlaced: bool) -> str:
    if rotation is None:
        return "a first picture that is damaged"
    if round(rotation) % 360:
        return "turned pictures"
    return "interlaced pictures" if is_interlaced else ""


def _first_picture(context: Any, packets: Iterable[Any]) -> Any | None:
    import av

    try:
        for packet in (*packets, None):  # None: what the decoder holds back
            for frame in context.decode(packet):
                return frame
    except av.FFmpegError:
        pass  # whoever decodes it says what is wrong
    return None

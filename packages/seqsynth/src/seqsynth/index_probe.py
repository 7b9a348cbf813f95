"""What a file of a clip, video or picture says about itself, or why it cannot be used."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from seqsynth.index_checks import ProbeDepth
from seqsynth.shard_paths import open_media
from seqsynth.sources.media_paths import ANIMATION_SUFFIXES
from seqsynth.webp_timing import webp_timing

_TICKS_PER_SECOND = 1_000_000  # of a container, in FFmpeg
_MAX_DETAIL = 200
_MIN_SHOWN = 0.5  # of the playing time in the header; sound may go on after the last frame


class ProbeError(ValueError):
    """A file that cannot be used.

    Args:
        reason: the kind of fault, shared by many files.
        detail: what the decoder said.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail[:_MAX_DETAIL]


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a file.

    Attributes:
        duration_seconds: playing time.
        num_frames: frames that are shown.
        codec: FFmpeg's name of the encoding.
        pts_index, pts_end: see `ManifestRow`; None where the packets were not read.
    """

    duration_seconds: float
    num_frames: int
    codec: str
    pts_index: Sequence[int] | None = None
    pts_end: int | None = None


def probe_video(path: Path, depth: ProbeDepth) -> Probe:
    """Reads the header of a video, and with depth "pts" when each of its frames is shown.

    Nothing is decoded. Where a header does not say how many frames there are, all packets are read.

    Raises:
        ProbeError: missing data, no video in it, or no frames.
    """
    import av  # loads all of FFmpeg

    if path.stat().st_size == 0:
        raise ProbeError("empty file")
    try:
        if path.suffix.lower() in ANIMATION_SUFFIXES:
            return _probe_animation(path)
        # An absolute path is never taken for an address such as "http:...".
        with av.open(str(path.absolute()), metadata_errors="ignore") as container:
            return _probe_container(container, path.stat().st_size, depth)
    except ProbeError:
        raise
    except Exception as error:  # a damaged file may raise anything; to say so is the purpose
        raise ProbeError("cannot be opened", _detail(error)) from None


def _detail(error: Exception) -> str:
    """What went wrong, without the number and the path that FFmpeg's errors repeat."""
    return getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"


def check_picture(path: str) -> None:
    """Decodes a picture, also inside a shard.

    Raises:
        ProbeError: it cannot be decoded.
    """
    try:
        with open_media(path) as handle, Image.open(handle) as picture:
            picture.load()
    except UnidentifiedImageError:  # its own text names an object in memory
        raise ProbeError("cannot be decoded", "not a picture") from None
    except Exception as error:  # as above
        raise ProbeError("cannot be decoded", f"{type(error).__name__}: {error}") from None


def _probe_container(container: Any, num_bytes: int, depth: ProbeDepth) -> Probe:
    if not container.streams.video:
        raise ProbeError("no video in the file")
    stream = container.streams.video[0]
    index = list(stream.index_entries)  # as the header lists the packets; empty in some formats
    needed_bytes = max((entry.pos + entry.size for entry in index), default=0)
    if needed_bytes > num_bytes:
        raise ProbeError("cut short", f"{num_bytes} of at least {needed_bytes} bytes")
    duration_seconds = None
    if stream.duration is not None:
        duration_seconds = float(stream.duration * stream.time_base)
    elif container.duration is not None:
        duration_seconds = container.duration / _TICKS_PER_SECOND
    codec = stream.codec_context.name
    if depth == "pts" or not stream.frames or not duration_seconds:
        pts_index, pts_end = _read_packets(container, stream)
        shown_seconds = float((pts_end - pts_index[0]) * stream.time_base)
        if duration_seconds and shown_seconds < _MIN_SHOWN * duration_seconds:
            raise ProbeError(
                "cut short", f"frames of {shown_seconds:g} of {duration_seconds:g} seconds"
            )
        kept = (pts_index, pts_end) if depth == "pts" else (None, None)
        return Probe(duration_seconds or shown_seconds, len(pts_index), codec, *kept)
    num_frames = stream.frames
    if index and "mp4" in container.format.name:  # an edit list may show fewer frames
        num_frames = min(num_frames, sum(not entry.is_discard for entry in index))
    return Probe(duration_seconds, num_frames, codec)


def _read_packets(container: Any, stream: Any) -> tuple[array[int], int]:
    """When the frames are shown, rising, and when the last one ends, in ticks of the stream."""
    durations: dict[int, int] = {}
    for packet in container.demux(stream):
        pts = packet.dts if packet.pts is None else packet.pts
        if pts is not None and packet.size and not packet.is_discard:  # cut away by an edit list
            durations[pts] = packet.duration or 0
    if not durations:
        raise ProbeError("no frames in the file")
    times = sorted(durations)
    steps = [later - earlier for earlier, later in pairwise(times)]
    usual_step = sorted(steps)[len(steps) // 2] if steps else 1
    # Eight bytes a frame: a list would take five times as much, for every clip of a batch.
    return array("q", times), times[-1] + max(durations[times[-1]] or usual_step, 1)


def _probe_animation(path: Path) -> Probe:
    suffix = path.suffix.lower()
    if suffix == ".webp":
        num_frames, duration_seconds = webp_timing(path)
    else:
        num_frames, duration_seconds = _gif_timing(path)
    if num_frames < 2 or duration_seconds <= 0:
        raise ProbeError("does not move", f"{num_frames} frames, {duration_seconds:g} seconds")
    return Probe(duration_seconds, num_frames, suffix.removeprefix("."))


def _gif_timing(path: Path) -> tuple[int, float]:
    milliseconds = 0
    with Image.open(path) as picture:
        num_frames = getattr(picture, "n_frames", 1)
        for number in range(num_frames):
            picture.seek(number)
            milliseconds += picture.info.get("duration", 0)
    return num_frames, milliseconds / 1000

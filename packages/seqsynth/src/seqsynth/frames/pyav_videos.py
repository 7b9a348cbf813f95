"""Frames of videos with PyAV: exact on whatever FFmpeg reads, and the fastest way on a CPU.

The packets are read once, those that are needed are chosen, and the decoder gets no others. A file
whose packets have no usable times is decoded from its beginning and frames are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.example_files import is_shortage
from seqsynth.frames.errors import MediaError, media_fault, no_such_frame, unreadable
from seqsynth.frames.geometry import Fit, VideoScaler, upright_picture
from seqsynth.frames.requests import VideoRequest
from seqsynth.frames.video_index import open_video, read_packets
from seqsynth.packet_choice import SEND_AND_DRAIN, SKIP, PacketTable, select_packets

Shown = TypeVar("Shown")
Take = Callable[[Any], Shown]

_DAMAGED = "the file is damaged or cut short; fetch it again"


def pyav_frames(requests: Sequence[VideoRequest], fit: Fit) -> list[NDArray[np.uint8]]:
    """The frames of each request, (number of indices, size, size, 3).

    Raises:
        MediaError: names the file and the frame.
    """
    return [
        np.stack(decode_frames(request.path, request.frame_indices, VideoScaler(fit).frame))
        for request in requests
    ]


def video_pictures(path: str, frame_indices: Sequence[int]) -> list[Image.Image]:
    """The asked frames in their own size, upright.

    Raises:
        MediaError: names the file and the frame.
    """
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    return decode_frames(path, frame_indices, lambda frame: upright_picture(frame, reformatter))


def video_fault(path: str | Path, frame_index: int, error: Exception) -> Exception:
    """What to raise of a video that cannot be opened or decoded, see `media_fault`."""
    import av

    says_enough = isinstance(error, FileNotFoundError) or is_shortage(error)
    if isinstance(error, av.FFmpegError) and not says_enough:
        what = f"{_DAMAGED} ({type(error).__name__}: {error.strerror})"
        return unreadable(path, frame_index, what)
    return media_fault(path, frame_index, error)


def shown_times(path: str | Path) -> NDArray[np.int64]:
    """When each frame is shown, in ticks of the stream, by decoding all of them; at least one.

    Raises:
        MediaError: names the file.
    """
    import av

    try:
        with open_video(path) as (container, stream):
            rate = stream.average_rate or stream.guessed_rate
            times = [frame.pts for frame in container.decode(stream)]
            tick_seconds = stream.time_base
    except (av.FFmpegError, OSError, ValueError) as error:
        raise video_fault(path, 0, error) from None
    if not times:
        raise no_such_frame(path, 0, 0)
    if None not in times and times == sorted(set(times)):
        return np.array(times, dtype=np.int64)
    if not rate:
        raise unreadable(path, 0, "nothing in the file says when its frames are shown")
    # No clock at all: frames follow each other at an even rate.
    step = 1 / (rate * tick_seconds)
    return np.array([round(k * step) for k in range(len(times))], dtype=np.int64)


def decode_frames(path: str, frame_indices: Sequence[int], take: Take[Shown]) -> list[Shown]:
    """What `take` makes of the asked frames.

    Args:
        path: a file with a video in it; the first one is read.
        frame_indices: rising, from 0.
        take: gets an `av.VideoFrame`, which it must not keep.

    Raises:
        MediaError: names the file and the frame.
    """
    import av

    taken: dict[int, Shown] = {}
    # A header need not say how far pictures are out of order. A decoder that has to guess may lose
    # some, unless FFmpeg has looked at the first ones: so once more where a picture is missing, and
    # at once where pictures can only be counted, which would not notice that one is.
    for to_decode in (True, False):
        try:
            with open_video(path, to_decode=to_decode) as (container, stream):
                table, held = read_packets(container, stream)
                if table is not None:
                    _decode_chosen(path, frame_indices, table, (stream, held), take, taken)
                elif not (to_decode and stream.codec_context.name == "h264"):
                    _decode_counted(path, frame_indices, (stream, held), take, taken)
        except MediaError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            missing = [number for number in frame_indices if number not in taken]
            if missing:
                raise video_fault(path, missing[0], error) from None
        if len(taken) == len(frame_indices):
            return [taken[number] for number in frame_indices]
    lost = next(number for number in frame_indices if number not in taken)
    raise unreadable(path, lost, f"it cannot be decoded: {_DAMAGED}")


Source = tuple[Any, list[Any] | None]
"""An open stream and its packets, None where there were too many to keep."""


def _decode_chosen(
    path: str,
    frame_indices: Sequence[int],
    table: PacketTable,
    source: Source,
    take: Take[Shown],
    taken: dict[int, Shown],
) -> None:
    frame_pts = table.frame_pts()
    outside = [number for number in frame_indices if not 0 <= number < len(frame_pts)]
    if outside:
        raise no_such_frame(path, len(frame_pts), outside[0])
    number_of = {int(frame_pts[number]): number for number in frame_indices}
    context = source[0].codec_context

    def keep(frames: list[Any]) -> None:
        for frame in frames:
            number = number_of.get(frame.pts)
            if number is not None:
                taken[number] = take(frame)

    actions = select_packets(table, frame_indices).tolist()
    with _packets(path, source) as packets:
        for packet, action in zip(packets, actions, strict=True):
            if action != SKIP:
                keep(context.decode(packet))
                if action == SEND_AND_DRAIN:
                    keep(context.decode(None))
                    context.flush_buffers()


def _decode_counted(
    path: str,
    frame_indices: Sequence[int],
    source: Source,
    take: Take[Shown],
    taken: dict[int, Shown],
) -> None:
    """Takes frames by their place in the order in which the decoder shows them."""
    wanted = set(frame_indices)
    num_frames = 0
    for frame in _all_frames(path, source):
        if num_frames in wanted:
            taken[num_frames] = take(frame)
        num_frames += 1
        if len(taken) == len(wanted):
            return
    raise no_such_frame(
        path, num_frames, next(number for number in frame_indices if number not in taken)
    )


def _all_frames(path: str, source: Source) -> Iterator[Any]:
    context = source[0].codec_context
    with _packets(path, source) as packets:
        for packet in packets:
            yield from context.decode(packet)
    yield from context.decode(None)


@contextmanager
def _packets(path: str, source: Source) -> Iterator[Iterable[Any]]:
    """The packets of a stream, from memory or once more from the file."""
    stream, held = source
    if held is not None:
        yield held
        return
    with open_video(path) as (container, again):
        assert again.index == stream.index
        yield (packet for packet in container.demux(again) if packet.size)

"""Videos of every awkward kind, made on the spot, whose frames say which one they are.

For tests of video decoders, here and elsewhere. A frame is a grid of 4 x 4 squares: twelve are the
bits of its number, three corners are dark and the one at the top left is bright, so that a reader
also notices a picture that was turned.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 128, 96
NUM_FRAMES = 100

_BIT_CELLS = tuple(k for k in range(16) if k not in (0, 3, 12, 15))
_FRAMES_PER_SECOND = 25
_TICKS_PER_FRAME = 40  # where frames do not follow each other at even times


@functools.cache
def marked_picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """An RGB picture that shows a number below 4096, on a background that moves."""
    cells = np.zeros(16, dtype=np.int64)
    cells[0] = 1
    cells[list(_BIT_CELLS)] = number >> np.arange(12) & 1
    grid = cells.reshape(4, 4).repeat(height // 4, axis=0).repeat(width // 4, axis=1)
    picture = 40 + 160 * grid
    texture = np.add.outer(np.arange(height), np.arange(width)) + 3 * number
    picture = picture + texture % 24 - 12
    return np.stack([picture, picture + 10, picture - 10], axis=-1).astype(np.uint8)


def read_number(frame: NDArray[np.uint8]) -> int:
    """The number that a frame of any size shows.

    Raises:
        ValueError: its corners are not as they should be: it was turned, or is damaged.
    """
    height, width = frame.shape[0] // 4, frame.shape[1] // 4
    shade = frame[: 4 * height, : 4 * width].mean(axis=2).reshape(4, height, 4, width)
    is_bright = (shade.mean(axis=(1, 3)) > 128).ravel()
    if is_bright[[0, 3, 12, 15]].tolist() != [True, False, False, False]:
        raise ValueError(f"bright corners: {is_bright[[0, 3, 12, 15]].tolist()}")
    return int((is_bright[list(_BIT_CELLS)] << np.arange(12)).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRecipe:
    """How a video is encoded.

    Attributes:
        codec, container: FFmpeg's names.
        options: of the encoder.
        pix_fmt: pixel format.
        is_even: whether frames follow each other at even times.
        size: width and height of the upright picture.
        num_frames: numbered from 0.
        rotation: counterclockwise degrees that a player has to turn the picture by.
    """

    codec: str = "libx264"
    container: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    is_even: bool = True
    size: tuple[int, int] = (WIDTH, HEIGHT)
    num_frames: int = NUM_FRAMES
    rotation: int = 0


def write_video(
    recipe: VideoRecipe,
    path: str | Path,
    *,
    picture: Callable[[int, int, int], NDArray[np.uint8]] = marked_picture,
) -> Path:
    """Encodes `picture(number, width, height)` for each frame number, and returns the path."""
    import av

    turns = recipe.rotation // 90
    with av.open(str(path), "w", format=recipe.container) as container:
        stream: Any = container.add_stream(recipe.codec, rate=_FRAMES_PER_SECOND)
        stream.width, stream.height = recipe.size[::-1] if turns % 2 else recipe.size
        stream.pix_fmt = recipe.pix_fmt
        stream.options = dict(recipe.options)
        stream.codec_context.thread_count = 1
        step = Fraction(1, _FRAMES_PER_SECOND * (1 if recipe.is_even else _TICKS_PER_FRAME))
        stream.codec_context.time_base = step
        if recipe.rotation:
            stream.set_display_rotation(recipe.rotation)
        for number in range(recipe.num_frames):
            stored = np.rot90(picture(number, *recipe.size), -turns)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")
            late = 13 * (number * number % 3)
            frame.pts = number if recipe.is_even else _TICKS_PER_FRAME * number + late
            frame.time_base = step
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return Path(path)


def cut_video(source: str | Path, path: str | Path, *, first_frame: int) -> Path:
    """Copies packets from the key picture before a frame on, with an edit list that hides the rest.

    `ffmpeg -ss TIME -c copy` makes such files.
    """
    import av

    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        stream = whole.streams.video[0]
        packets: list[Any] = [packet for packet in whole.demux(stream) if packet.size]
        start_pts = sorted(packet.pts for packet in packets)[first_frame]
        first = max(k for k, p in enumerate(packets) if p.is_keyframe and p.pts <= start_pts)
        copy = part.add_stream_from_template(stream)
        for packet in packets[first:]:
            packet.pts -= start_pts
            packet.dts -= start_pts
            packet.stream = copy
            part.mux(packet)
    return Path(path)


def cut_bytes(source: str | Path, path: str | Path, parts: Iterable[slice]) -> Path:
    """Copies some of the bytes of a file."""
    content = Path(source).read_bytes()
    path = Path(path)
    path.write_bytes(b"".join(content[part] for part in parts))
    return path


_GROUPS = {"g": "24", "bf": "3", "preset": "veryfast"}
_OPEN = {**_GROUPS, "g": "20", "x264-params": "open-gop=1:bframes=3:b-adapt=0"}
_VPX = {"g": "40", "deadline": "realtime", "cpu-used": "8"}

ZOO: Mapping[str, VideoRecipe] = {
    "cfr.mp4": VideoRecipe(options=_GROUPS),
    "cfr.mkv": VideoRecipe(options=_GROUPS),
    "vfr.mp4": VideoRecipe(options=_GROUPS, is_even=False),
    "vfr.mkv": VideoRecipe(options=_GROUPS, is_even=False),
    "open_gop.mp4": VideoRecipe(options=_OPEN),
    "open_gop.mkv": VideoRecipe(options=_OPEN),
    "refresh.mkv": VideoRecipe(
        options={**_GROUPS, "x264-params": "intra-refresh=1:keyint=24:bframes=0"}
    ),
    "transport.ts": VideoRecipe(options=_GROUPS, container="mpegts"),
    "no_pts.avi": VideoRecipe(options=_GROUPS, container="avi"),
    "turned_90.mp4": VideoRecipe(options=_GROUPS, rotation=90),
    "turned_180.mp4": VideoRecipe(options=_GROUPS, rotation=180),
    "turned_270.mp4": VideoRecipe(options=_GROUPS, rotation=-90),
    "hevc.mp4": VideoRecipe(
        codec="libx265", options={"preset": "ultrafast", "x265-params": "keyint=25:log-level=0"}
    ),
    "vp8.webm": VideoRecipe(
        codec="libvpx", options={**_VPX, "auto-alt-ref": "1", "lag-in-frames": "16"}
    ),
    "vp9.webm": VideoRecipe(codec="libvpx-vp9", options=_VPX),
    "mpeg4.mp4": VideoRecipe(codec="mpeg4", options={"g": "20", "bf": "2", "b": "2M"}),
    "mpeg2.ts": VideoRecipe(
        codec="mpeg2video", container="mpegts", options={"g": "15", "bf": "2", "b": "3M"}
    ),
    "mjpeg.avi": VideoRecipe(codec="mjpeg", container="avi", pix_fmt="yuvj420p"),
    "mjpeg.mov": VideoRecipe(codec="mjpeg", pix_fmt="yuvj420p"),
}


def write_zoo(folder: str | Path, names: Sequence[str] = tuple(ZOO)) -> dict[str, Path]:
    """Writes videos of `ZOO`, and with all of them some that are cut in four ways."""
    folder = Path(folder)
    zoo = {name: write_video(ZOO[name], folder / name) for name in names}
    if len(names) == len(ZOO):
        zoo["edit_list.mp4"] = cut_video(zoo["cfr.mp4"], folder / "edit_list.mp4", first_frame=37)
        zoo["edit_list_open.mp4"] = cut_video(
            zoo["open_gop.mp4"], folder / "edit_list_open.mp4", first_frame=50
        )
        size = zoo["cfr.mkv"].stat().st_size
        zoo["truncated.mkv"] = cut_bytes(
            zoo["cfr.mkv"], folder / "truncated.mkv", [slice(0, size * 7 // 10)]
        )
        packet = 188  # bytes, of a transport stream
        start = zoo["transport.ts"].stat().st_size // packet // 3 * packet
        zoo["torn.ts"] = cut_bytes(
            zoo["transport.ts"], folder / "torn.ts", [slice(0, 3 * packet), slice(start, None)]
        )
    return zoo


def frames_in_order(path: str | Path) -> list[Any]:
    """All frames, decoded one after the other from the beginning: what a fast way is held against.

    A damaged end ends the list.
    """
    import av

    frames: list[Any] = []
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_type = "NONE"
        try:
            frames.extend(container.decode(container.streams.video[0]))
        except av.error.InvalidDataError:
            if not frames:
                raise
    return frames

"""Where a picture of any shape lands in a square frame: the one definition for all decoders.

A rectangle of the upright source is resized to a rectangle of the frame with bicubic
interpolation, antialiased where it shrinks, pixel centres in line; what is not covered is white.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.naming import known_name

Geometry = Literal["stretch", "crop", "pad"]
GEOMETRIES: tuple[Geometry, ...] = get_args(Geometry)

_WHITE = 255
# Of pictures with fewer pixels across or down FFmpeg's scaler makes something else than Pillow, and
# it has no room for the many pixels that count where a picture shrinks by far more.
_MIN_SCALED, _MAX_SHRINKING = 16, 8

_of_thread = threading.local()


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a source is shown, and where.

    Attributes:
        box: left, top, right, bottom in the upright source, pixels; may be fractions.
        width, height: of what is shown, in the frame.
        left, top: where it lies in the frame.
    """

    box: tuple[float, float, float, float]
    width: int
    height: int
    left: int = 0
    top: int = 0


@dataclass(frozen=True, slots=True)
class Fit:
    """The frames that are asked for.

    Attributes:
        size: edge of the square, pixels.
        geometry: `stretch` ignores the aspect ratio, `crop` keeps the middle square, `pad` keeps
            the whole picture on white.
    """

    size: int
    geometry: Geometry = "stretch"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {self.size}")
        known_name("geometry", self.geometry, GEOMETRIES)

    def layout(self, width: int, height: int) -> Layout:
        """Where a source of this size, upright, lands."""
        size = self.size
        whole = (0.0, 0.0, float(width), float(height))
        if self.geometry == "stretch":
            return Layout(whole, size, size)
        if self.geometry == "crop":
            edge = min(width, height)
            left, top = (width - edge) / 2, (height - edge) / 2
            return Layout((left, top, left + edge, top + edge), size, size)
        inner_width = inner_height = size
        if width > height:
            inner_height = max(1, round(height / width * size))
        elif height > width:
            inner_width = max(1, round(width / height * size))
        left, top = round((size - inner_width) * 0.5), round((size - inner_height) * 0.5)
        return Layout(whole, inner_width, inner_height, left, top)

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height below which a smaller decoding of a source would lose detail."""
        layout = self.layout(width, height)
        left, top, right, bottom = layout.box
        needed_width = -(-layout.width * width // int(right - left))
        needed_height = -(-layout.height * height // int(bottom - top))
        return min(needed_width, width), min(needed_height, height)

    def place(self, shown: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
        """A frame, (size, size, 3), with what is shown at its place."""
        if shown.shape[:2] == (self.size, self.size):
            return shown
        frame = np.full((self.size, self.size, 3), _WHITE, dtype=np.uint8)
        bottom, right = layout.top + layout.height, layout.left + layout.width
        frame[layout.top : bottom, layout.left : right] = shown
        return frame

    def picture(
        self, picture: Image.Image, full_size: tuple[int, int] | None = None
    ) -> NDArray[np.uint8]:
        """A frame of an upright RGB picture.

        Args:
            picture: may have been decoded at a smaller size.
            full_size: width and height before that.
        """
        width, height = full_size or picture.size
        layout = self.layout(width, height)
        across, down = picture.width / width, picture.height / height
        left, top, right, bottom = layout.box
        box = (left * across, top * down, right * across, bottom * down)
        inner = (layout.width, layout.height)
        resized = picture.resize(inner, Image.Resampling.BICUBIC, box=box)
        return self.place(np.asarray(resized), layout)

    def pixels(self, pixels: NDArray[np.uint8], full_size: tuple[int, int]) -> NDArray[np.uint8]:
        """The same of pixels, (height, width, 3): by FFmpeg's scaler where that can do it.

        It takes a third of Pillow's time, and rounds in other places.
        """
        layout = self.layout(*full_size)
        edges = ((pixels.shape[1], layout.width), (pixels.shape[0], layout.height))
        can_scale = all(_MIN_SCALED <= before <= _MAX_SHRINKING * now for before, now in edges)
        if self.geometry == "crop" or not can_scale:  # it shows whole pictures only
            return self.picture(Image.fromarray(pixels), full_size)
        return self.place(_scaled(pixels, layout.width, layout.height), layout)


def _scaled(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    from av import VideoFrame
    from av.video.reformatter import VideoReformatter

    if not hasattr(_of_thread, "reformatter"):
        _of_thread.reformatter = VideoReformatter()  # keeps its tables while sizes stay the same
    source = VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format="rgb24")
    # Into planes, which is twice as fast as into pixels.
    planes = _of_thread.reformatter.reformat(
        source, width, height, "gbrp", interpolation=_bicubic(), threads=1
    )
    return _interleaved(planes)


def _interleaved(picture: Any) -> NDArray[np.uint8]:
    """Pixels, (height, width, 3), of a frame with a plane for green, one for blue, one for red."""
    pixels = np.empty((picture.height, picture.width, 3), dtype=np.uint8)
    for channel, plane in zip((1, 2, 0), picture.planes, strict=True):
        rows = np.frombuffer(plane, dtype=np.uint8).reshape(plane.height, plane.line_size)
        pixels[..., channel] = rows[:, : plane.width]
    return pixels


def _bicubic() -> Any:
    """FFmpeg's flags: all colours of each pixel count, the same bits with every instruction set."""
    from av.video.reformatter import Interpolation as Flag

    return Flag.BICUBIC | Flag.ACCURATE_RND | Flag.BITEXACT | Flag.FULL_CHR_H_INP


class VideoScaler:
    """Makes frames of decoded video frames; one for each video, because it keeps its tables.

    Colour conversion and resizing are one pass of FFmpeg's scaler.
    """

    def __init__(self, fit: Fit) -> None:
        from av.video.reformatter import VideoReformatter

        self._fit = fit
        self._bicubic = _bicubic()
        self._reformatter = VideoReformatter()

    def frame(self, decoded: Any) -> NDArray[np.uint8]:
        """(size, size, 3) uint8 of an `av.VideoFrame`, turned as its metadata say."""
        turns = quarter_turns(decoded.rotation)
        width, height = decoded.width, decoded.height
        if turns % 2:
            width, height = height, width
        layout = self._fit.layout(width, height)
        if self._fit.geometry == "crop":
            # The scaler shows whole pictures only: it converts, Pillow cuts and resizes.
            return self._fit.picture(upright_picture(decoded, self._reformatter))
        inner = (layout.height, layout.width) if turns % 2 else (layout.width, layout.height)
        # Into planes: each pixel gets its own colour, which two share in packed pixels; and faster.
        planes = self._reformatter.reformat(
            decoded, *inner, "gbrp", interpolation=self._bicubic, threads=1
        )
        return self._fit.place(np.rot90(_interleaved(planes), turns), layout)


def upright_picture(decoded: Any, reformatter: Any) -> Image.Image:
    """A decoded video frame in its own size, RGB."""
    pixels = reformatter.reformat(decoded, format="rgb24", threads=1).to_ndarray()
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, quarter_turns(decoded.rotation))))


def quarter_turns(degrees: float) -> int:
    """Turns of 90 degrees, counterclockwise; angles between are those of no camera."""
    return round(degrees / 90) % 4

"""Stills and animations as upright RGB pictures.

JPEGs are the bulk of any corpus and are decoded at the smallest size that keeps every detail of the
frame: libjpeg leaves the rest out while it decodes, which costs a fraction. simplejpeg does that
fastest and FFmpeg's scaler makes frames of it; Pillow does both where simplejpeg is absent, and
everything else: PNG, WebP, GIF, CMYK, 16 bits a channel, transparency (laid on white), animations.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from seqsynth.frames.errors import MediaError, media_fault, no_such_frame, unreadable
from seqsynth.frames.geometry import Fit
from seqsynth.shard_paths import open_media

try:
    import simplejpeg
except ModuleNotFoundError:  # no wheel for this platform: Pillow decodes JPEGs too
    simplejpeg = None

Size = tuple[int, int]
"""Width and height."""

Needed = Callable[[int, int], Size]
"""Of the full width and height, those that a smaller decoding must not fall below."""

_WHITE = (255, 255, 255)
_ORIENTATION = 0x0112
_LYING = (5, 6, 7, 8)  # orientations that swap width and height
_NOTES, _PIXELS, _FILLING = 0xE1, 0xDA, 0xFF  # segments of a JPEG; notes are EXIF or XMP


def picture_frames(path: str, frame_indices: Sequence[int], fit: Fit) -> list[NDArray[np.uint8]]:
    """Frames of a still or an animation, (size, size, 3) each.

    Args:
        path: a file, or a path inside a shard.
        frame_indices: rising, from 0.
        fit: size and geometry.

    Raises:
        MediaError: names the file and the frame.
    """
    if list(frame_indices) == [0]:
        small = _small_jpeg(path, fit.needed_size)
        if small is not None:
            return [fit.pixels(*small)]
    decoded = _decode(path, frame_indices, fit.needed_size)
    return [fit.picture(picture, full_size) for picture, full_size in decoded]


def full_pictures(path: str, frame_indices: Sequence[int]) -> list[Image.Image]:
    """The same frames in their own size.

    Raises:
        MediaError: names the file and the frame.
    """
    return [picture for picture, _ in _decode(path, frame_indices, None)]


def _decode(
    path: str, frame_indices: Sequence[int], needed: Needed | None
) -> list[tuple[Image.Image, Size]]:
    """Each frame, perhaps smaller, and its full size; both upright."""
    decoded = []
    frame_index = frame_indices[0]
    try:
        with open_media(path) as file:
            content = file.read()
        with Image.open(io.BytesIO(content)) as image:
            num_frames = getattr(image, "n_frames", 1)
            for frame_index in frame_indices:
                if not 0 <= frame_index < num_frames:
                    raise no_such_frame(path, num_frames, frame_index)
                if num_frames > 1:
                    image.seek(frame_index)
                decoded.append(_upright(image, needed))
    except MediaError:
        raise
    except UnidentifiedImageError:
        what = "the file is empty" if not content else "not a picture"
        raise unreadable(path, frame_index, f"{what}; fetch it again or leave it out") from None
    except Exception as error:  # a damaged file may raise anything; to say so is the purpose
        raise media_fault(path, frame_index, error) from None
    return decoded


def _small_jpeg(path: str, needed: Needed) -> tuple[NDArray[np.uint8], Size] | None:
    """The pixels of a JPEG, upright, decoded by simplejpeg, and its full size.

    None where Pillow has to do it, or to say what is wrong.
    """
    if simplejpeg is None:
        return None
    try:
        with open_media(path) as file:
            start = file.read(2)
            if start != b"\xff\xd8":
                return None
            content = start + file.read()
        height, width, colours, _ = simplejpeg.decode_jpeg_header(content)
        if colours not in ("YCbCr", "Gray", "RGB") or height * width > _max_pixels():
            return None
        orientation = _jpeg_orientation(content)
        is_lying = orientation in _LYING
        full_size = (height, width) if is_lying else (width, height)
        least = needed(*full_size)
        min_width, min_height = reversed(least) if is_lying else least
        pixels = simplejpeg.decode_jpeg(content, "RGB", min_height=min_height, min_width=min_width)
    except Exception:  # `_decode`, whose turn it is then, says what is wrong
        return None
    if orientation in _TURNS:
        pixels = np.asarray(Image.fromarray(pixels).transpose(_TURNS[orientation]))
    return pixels, full_size


_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _jpeg_orientation(content: bytes) -> int:
    if not _has_notes(content):
        return 1
    with Image.open(io.BytesIO(content)) as image:
        return _shown_orientation(image)


def _has_notes(content: bytes) -> bool:
    """Whether EXIF or XMP may stand before the pixels of a JPEG: for most, Pillow is spared."""
    place = 2
    while place + 3 < len(content):
        marker = content[place + 1]
        if content[place] != 0xFF or marker in (_NOTES, _FILLING):
            return True
        if marker == _PIXELS:
            return False
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return True


def _shown_orientation(image: Image.Image) -> int:
    # What stands beside a picture may be damaged while the picture is whole.
    return orientation_of(image) or 1


def orientation_of(image: Image.Image) -> int | None:
    """How the camera was held, as EXIF says it; 1 is upright, and where nothing is said.

    None where what is said cannot be read.
    """
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except (struct.error, KeyError, OSError, SyntaxError, TypeError, ValueError):
        return None
    return int(found) if found in (1, *_TURNS) else None


def _max_pixels() -> float:
    return Image.MAX_IMAGE_PIXELS or float("inf")


def _upright(image: Image.Image, needed: Needed | None) -> tuple[Image.Image, Size]:
    full_size = None
    if needed is not None and image.format == "JPEG":
        is_lying = _shown_orientation(image) in _LYING
        full_size = (image.height, image.width) if is_lying else image.size
        least = needed(*full_size)
        image.draft(None, (least[1], least[0]) if is_lying else least)
    image.load()  # settles the mode of a frame of a GIF, and turns a TIFF: Pillow does that itself
    orientation = _shown_orientation(image)
    upright = image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
    return _on_white(upright), full_size or upright.size


def _on_white(upright: Image.Image) -> Image.Image:
    if upright.mode.startswith("I;16"):  # Pillow would cut off what is brighter than 255
        shades = np.asarray(upright).astype(np.uint32)
        upright = Image.fromarray(((shades * 255 + 32767) // 65535).astype(np.uint8))
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    rgba = upright.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, _WHITE)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas

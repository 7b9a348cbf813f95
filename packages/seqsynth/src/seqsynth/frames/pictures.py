"""Stills and animations as upright RGB pictures.

JPEGs are the bulk of any corpus and are decoded at the smallest size that keeps every detail of the
frame: libjpeg leaves the rest out while it decodes, which costs a fraction. simplejpeg does that
fastest and FFmpeg's scaler makes frames of it; Pillow does both where simplejpeg is absent, and
everything else: PNG, WebP, GIF, CMYK, 16 bits a channel, transparency (laid on white), animations.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from seqsynth.frames.errors import MediaError, no_such_frame, reason_of, unreadable
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
_EXIF_BYTES = 1 << 16  # the segment comes first and is no longer


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
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise unreadable(path, frame_index, reason_of(error)) from None
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
        orientation = _orientation(content)
        is_lying = orientation in _LYING
        full_size = (height, width) if is_lying else (width, height)
        least = needed(*full_size)
        min_width, min_height = reversed(least) if is_lying else least
        pixels = simplejpeg.decode_jpeg(content, "RGB", min_height=min_height, min_width=min_width)
    except (OSError, ValueError):
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


def _orientation(content: bytes) -> int:
    """How the camera was held; 1 where nothing is said."""
    if content.find(b"Exif\0\0", 0, _EXIF_BYTES) < 0:
        return 1
    with Image.open(io.BytesIO(content)) as image:
        return int(image.getexif().get(_ORIENTATION, 1))


def _max_pixels() -> float:
    return Image.MAX_IMAGE_PIXELS or float("inf")


def _upright(image: Image.Image, needed: Needed | None) -> tuple[Image.Image, Size]:
    is_lying = image.getexif().get(_ORIENTATION, 1) in _LYING
    full_size = (image.height, image.width) if is_lying else image.size
    if needed is not None and image.format == "JPEG":
        least = needed(*full_size)
        image.draft(None, (least[1], least[0]) if is_lying else least)
    return _on_white(image), full_size


def _on_white(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I;16"):  # Pillow would cut off what is brighter than 255
        shades = np.asarray(upright).astype(np.uint32)
        upright = Image.fromarray(((shades * 255 + 32767) // 65535).astype(np.uint8))
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    rgba = upright.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, _WHITE)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas

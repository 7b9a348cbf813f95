"""Pictures of a frame plan as an array, with Pillow and PyAV: the reference of faster decoders.

Geometry is settled here: a picture is turned upright by its EXIF tag, laid on white where it is
transparent, and resized to a square with antialiased bicubic interpolation. The default ignores the
aspect ratio, as TimeChat's decoder does.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from seqsynth.records import FrameRef
from seqsynth.shard_paths import open_media
from seqsynth.video_frames import FrameCountError, is_video, video_frames

Geometry = Literal["stretch", "crop", "pad"]

_WHITE = (255, 255, 255)


class MediaError(ValueError):
    """A file that cannot be shown: missing, damaged, not a picture, or without that frame."""


def load_frames(
    refs: Sequence[FrameRef], size: int, *, geometry: Geometry = "stretch"
) -> NDArray[np.uint8]:
    """The frames of a plan, in its order.

    Args:
        refs: stills, or frames of animations and videos; every file is decoded once, forwards.
        size: edge of the square, pixels.
        geometry: `stretch` ignores the aspect ratio, `crop` keeps the middle square, `pad` keeps
            the whole picture on white.

    Returns:
        (len(refs), size, size, 3) uint8, RGB.

    Raises:
        MediaError: names the file and the frame.
        ValueError: size below 1, or an unknown geometry.
    """
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if geometry not in _FITS:
        raise ValueError(f"unknown geometry {geometry!r}; one of: {', '.join(_FITS)}")
    frames = np.empty((len(refs), size, size, 3), dtype=np.uint8)
    places: dict[str, dict[int, list[int]]] = {}
    for place, ref in enumerate(refs):
        places.setdefault(ref.path, {}).setdefault(ref.frame_index, []).append(place)
    for path, places_of_index in places.items():
        for frame_index, picture in _decode(path, sorted(places_of_index)):
            frames[places_of_index[frame_index]] = np.asarray(_FITS[geometry](picture, size))
    return frames


def load_picture(ref: FrameRef) -> Image.Image:
    """One frame in its own size: upright, RGB, on white.

    Raises:
        MediaError: names the file and the frame.
    """
    ((_, picture),) = _decode(ref.path, [ref.frame_index])
    return picture


def _decode(path: str, frame_indices: Sequence[int]) -> list[tuple[int, Image.Image]]:
    """The asked frames of one file, rising, as upright RGB pictures."""
    decoded = []
    frame_index = frame_indices[0]
    try:
        if is_video(path):
            return list(video_frames(path, frame_indices))
        with open_media(path) as file, Image.open(file) as image:
            num_frames = getattr(image, "n_frames", 1)
            for frame_index in frame_indices:
                if not 0 <= frame_index < num_frames:
                    raise MediaError(f"{path} has {num_frames} frames, no frame {frame_index}")
                if num_frames > 1:
                    image.seek(frame_index)
                decoded.append((frame_index, _on_white(image)))
    except MediaError:
        raise
    except FrameCountError as error:
        raise MediaError(str(error)) from None
    except UnidentifiedImageError:
        raise MediaError(f"{path}: frame {frame_index} cannot be read: not a picture") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path}: frame {frame_index} cannot be read: {error}") from None
    return decoded


def _on_white(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if not upright.has_transparency_data:
        return upright.convert("RGB")
    rgba = upright.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, _WHITE)
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas


def _stretch(picture: Image.Image, size: int) -> Image.Image:
    return picture.resize((size, size), Image.Resampling.BICUBIC)


def _crop(picture: Image.Image, size: int) -> Image.Image:
    return ImageOps.fit(picture, (size, size), Image.Resampling.BICUBIC)


def _pad(picture: Image.Image, size: int) -> Image.Image:
    return ImageOps.pad(picture, (size, size), Image.Resampling.BICUBIC, color=_WHITE)


_FITS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "stretch": _stretch,
    "crop": _crop,
    "pad": _pad,
}

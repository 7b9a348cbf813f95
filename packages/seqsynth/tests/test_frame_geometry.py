"""The geometry of frames, held against its definition written out in NumPy."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from seqsynth import FrameRef, load_frames
from seqsynth.shard_paths import shard_path

FloatArray = NDArray[np.float64]


def cubic(x: FloatArray) -> FloatArray:
    """The bicubic kernel with a = -0.5."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def weights(num_in: int, num_out: int, start: float, stop: float) -> FloatArray:
    """(num_out, num_in): what each pixel of the line counts; antialiased when it shrinks."""
    scale = (stop - start) / num_out
    stretch = max(scale, 1.0)
    centres = start + (np.arange(num_out) + 0.5) * scale
    table = cubic((np.arange(num_in)[None, :] + 0.5 - centres[:, None]) / stretch)
    return table / table.sum(axis=1, keepdims=True)


def resized(
    picture: NDArray[np.uint8],
    width: int,
    height: int,
    box: tuple[float, float, float, float],
    *,
    is_upright: bool,
) -> NDArray[np.uint8]:
    """Both passes round to whole values; rows first, or columns first."""
    left, top, right, bottom = box
    if not is_upright:
        turned = resized(
            picture.transpose(1, 0, 2), height, width, (top, left, bottom, right), is_upright=True
        )
        return turned.transpose(1, 0, 2)
    across = np.einsum("ox,yxc->yoc", weights(picture.shape[1], width, left, right), picture)
    across = np.clip(np.round(across), 0, 255)
    down = np.einsum("oy,yxc->oxc", weights(picture.shape[0], height, top, bottom), across)
    return np.clip(np.round(down), 0, 255).astype(np.uint8)


def reference(
    picture: NDArray[np.uint8], size: int, geometry: str, *, is_upright: bool
) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if geometry == "stretch":
        return resized(picture, size, size, (0, 0, width, height), is_upright=is_upright)
    if geometry == "crop":
        edge = min(width, height)
        left, top = (width - edge) / 2, (height - edge) / 2
        return resized(
            picture, size, size, (left, top, left + edge, top + edge), is_upright=is_upright
        )
    scale = size / max(width, height)
    inner = (round(width * scale), round(height * scale))
    canvas = np.full((size, size, 3), 255, dtype=np.uint8)
    left, top = round((size - inner[0]) * 0.5), round((size - inner[1]) * 0.5)
    canvas[top : top + inner[1], left : left + inner[0]] = resized(
        picture, *inner, (0, 0, width, height), is_upright=is_upright
    )
    return canvas


@pytest.mark.parametrize("geometry", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(50, 91), (64, 40), (17, 17)], ids=str)
@pytest.mark.parametrize("size", [16, 24, 60])
def test_frames_are_resized_as_defined(
    tmp_path: Path, shape: tuple[int, int], size: int, geometry: str
) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(picture).save(path)
    (frame,) = load_frames([FrameRef(str(path), 0)], size, geometry=geometry)
    # Pillow chooses which pass comes first; on noise that moves single values by up to 20.
    differences = [
        np.abs(frame.astype(int) - reference(picture, size, geometry, is_upright=is_upright))
        for is_upright in (True, False)
    ]
    smallest = min(differences, key=np.sum)
    assert smallest.max() <= 2  # fixed-point weights may round the other way, in either pass
    assert (smallest > 0).mean() < 0.05


def test_pictures_inside_a_shard_are_frames_too(tmp_path: Path) -> None:
    path, shard = tmp_path / "red.png", tmp_path / "shard.tar"
    Image.new("RGB", (9, 9), "red").save(path)
    with tarfile.open(shard, "w") as tar:
        tar.add(path, "red.png")
    with tarfile.open(shard) as tar:
        (member,) = tar.getmembers()
    inside = shard_path(str(shard), member.offset_data, member.size)
    frames = load_frames([FrameRef(inside, 0), FrameRef(str(path), 0)], 4)
    assert (frames == [255, 0, 0]).all()

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqsynth import FrameRef, MediaError, load_frames
from seqsynth.webp_timing import webp_timing

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
WriteAnimation = Callable[[Path, list[tuple[int, int, int]]], Path]


def test_frames_come_in_the_order_of_the_plan(
    tmp_path: Path, write_animation: WriteAnimation
) -> None:
    colours = [(10 * k, 250 - 10 * k, 5 * k) for k in range(20)]
    clip = str(write_animation(tmp_path / "clip.webp", colours))
    still = str(tmp_path / "still.png")
    Image.new("RGB", (5, 9), BLUE).save(still)
    order = [3, 19, 3, 0, 7]
    refs = [FrameRef(clip, k) for k in order]
    refs.insert(2, FrameRef(still, 0))
    frames = load_frames(refs, 8)
    assert frames.shape == (6, 8, 8, 3)
    assert frames.dtype == np.uint8
    expected = [colours[3], colours[19], BLUE, colours[3], colours[0], colours[7]]
    assert [tuple(frame[4, 4].tolist()) for frame in frames] == expected


def test_transparent_pictures_lie_on_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (4, 4), (*RED, 0))
    picture.putpixel((0, 0), (*RED, 255))
    picture.putpixel((3, 3), (*RED, 51))
    paletted = Image.new("P", (4, 4), 0)
    paletted.putpalette([255, 0, 0, 0, 0, 255])
    grey = picture.convert("LA")
    for name, image in {"a.png": picture, "b.webp": picture, "c.png": grey}.items():
        options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
        image.save(tmp_path / name, **options)
    paletted.save(tmp_path / "d.png", transparency=0)
    names = ["a.png", "b.webp", "c.png", "d.png"]
    frames = load_frames([FrameRef(str(tmp_path / name), 0) for name in names], 4)
    assert (frames[:, 2, 1] == 255).all()
    assert frames[0, 0, 0].tolist() == [255, 0, 0]
    assert frames[0, 3, 3].tolist() == [255, 204, 204]
    assert (frames[1] == frames[0]).all()


@pytest.mark.parametrize(
    ("geometry", "left", "middle"),
    [("stretch", RED, GREEN), ("crop", GREEN, GREEN), ("pad", RED, GREEN)],
)
def test_geometry(
    tmp_path: Path, geometry: str, left: tuple[int, ...], middle: tuple[int, ...]
) -> None:
    wide = Image.new("RGB", (90, 30), GREEN)
    wide.paste(RED, (0, 0, 30, 30))
    wide.paste(BLUE, (60, 0, 90, 30))
    wide.save(tmp_path / "wide.png")
    (frame,) = load_frames([FrameRef(str(tmp_path / "wide.png"), 0)], 30, geometry=geometry)
    assert tuple(frame[15, 2].tolist()) == left
    assert tuple(frame[15, 15].tolist()) == middle
    assert tuple(frame[1, 15].tolist()) == (WHITE if geometry == "pad" else GREEN)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    lying = Image.new("RGB", (40, 40), GREEN)
    lying.paste(RED, (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show rotated by 90 degrees clockwise
    lying.save(tmp_path / "photo.png", exif=exif)
    (frame,) = load_frames([FrameRef(str(tmp_path / "photo.png"), 0)], 40)
    assert frame[20, 35].tolist() == list(RED)
    assert frame[20, 5].tolist() == list(GREEN)


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "I;16", "P"])
def test_every_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    Image.new(mode, (6, 6)).save(path)
    assert load_frames([FrameRef(str(path), 0)], 3).shape == (1, 3, 3, 3)


def test_errors_name_the_file_and_the_frame(
    tmp_path: Path, write_animation: WriteAnimation
) -> None:
    clip = write_animation(tmp_path / "clip.webp", [RED, GREEN, BLUE])
    with pytest.raises(MediaError, match=r"clip\.webp has 3 frames, no frame 3"):
        load_frames([FrameRef(str(clip), 3)], 4)
    cut = tmp_path / "cut.webp"
    cut.write_bytes(clip.read_bytes()[:-20])
    with pytest.raises(MediaError, match=r"cut\.webp: frame \d+ cannot be read"):
        load_frames([FrameRef(str(cut), 2)], 4)
    text = tmp_path / "text.png"
    text.write_text("hello")
    with pytest.raises(MediaError, match=r"text\.png: frame 0 cannot be read"):
        load_frames([FrameRef(str(text), 0)], 4)
    with pytest.raises(MediaError, match=r"gone\.png: frame 0 cannot be read"):
        load_frames([FrameRef(str(tmp_path / "gone.png"), 0)], 4)
    noise = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(noise, "PNG")
    (tmp_path / "half.png").write_bytes(noise.getvalue()[:900])
    with pytest.raises(MediaError, match=r"half\.png: frame 0 cannot be read"):
        load_frames([FrameRef(str(tmp_path / "half.png"), 0)], 4)


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        load_frames([], 0)
    with pytest.raises(ValueError, match="unknown geometry 'zoom'; one of: stretch, crop, pad"):
        load_frames([], 4, geometry="zoom")
    assert load_frames([], 4).shape == (0, 4, 4, 3)


def test_timing_of_an_animation_is_what_pillow_says(
    tmp_path: Path, write_animation: WriteAnimation
) -> None:
    clip = write_animation(tmp_path / "clip.webp", [(k, 2 * k, 255 - k) for k in range(31)])
    with Image.open(clip) as image:
        num_frames = image.n_frames
    assert webp_timing(clip) == (num_frames, pytest.approx(31 * 0.040))
    still = tmp_path / "still.webp"
    Image.new("RGB", (7, 5), RED).save(still)
    assert webp_timing(still) == (1, 0.0)


def test_timing_of_what_is_no_webp_names_the_file(
    tmp_path: Path, write_animation: WriteAnimation
) -> None:
    clip = write_animation(tmp_path / "clip.webp", [RED, GREEN])
    clip.write_bytes(clip.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"clip\.webp is cut short"):
        webp_timing(clip)
    clip.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"clip\.webp is not a WebP file"):
        webp_timing(clip)

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from seqsynth import FrameRef, MediaError, load_frames
from seqsynth.frames import load_picture, pictures
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


def photograph(width: int, height: int) -> Image.Image:
    """Smooth shades that are bright at the top left."""
    noise = np.random.default_rng(0).integers(60, 160, (7, 9, 3), dtype=np.uint8)
    noise[:2, :3] = 250
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    error = ((a.astype(float) - b.astype(float)) ** 2).mean()
    return 99.0 if error == 0 else 10 * float(np.log10(255**2 / error))


@pytest.mark.parametrize("decoder", ["simplejpeg", "pillow"])
@pytest.mark.parametrize("geometry", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("shape", [(640, 480), (333, 517), (50, 40), (9, 7), (3000, 30)], ids=str)
def test_jpegs_decoded_small_show_what_they_show_decoded_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    decoder: str,
    geometry: str,
    shape: tuple[int, int],
) -> None:
    if decoder == "pillow":
        monkeypatch.setattr("seqsynth.frames.pictures.simplejpeg", None)
    photograph(*shape).save(tmp_path / "x.jpg", quality=95)
    Image.open(tmp_path / "x.jpg").save(tmp_path / "x.png")
    refs = [FrameRef(str(tmp_path / name), 0) for name in ("x.jpg", "x.png")]
    small, whole = load_frames(refs, 112, geometry=geometry)
    assert decibels(small, whole) > 40


@pytest.mark.parametrize("decoder", ["simplejpeg", "pillow"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_are_turned_upright(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str, orientation: int
) -> None:
    if decoder == "pillow":
        monkeypatch.setattr("seqsynth.frames.pictures.simplejpeg", None)
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph(320, 200).save(tmp_path / "x.jpg", quality=95, exif=exif)
    with Image.open(tmp_path / "x.jpg") as image:
        ImageOps.exif_transpose(image).save(tmp_path / "x.png", exif=Image.Exif())
    for geometry in ("stretch", "crop", "pad"):
        refs = [FrameRef(str(tmp_path / name), 0) for name in ("x.jpg", "x.png")]
        turned, upright = load_frames(refs, 64, geometry=geometry)
        assert decibels(turned, upright) > 40


def segment(kind: int, content: bytes) -> bytes:
    return bytes([0xFF, kind]) + (len(content) + 2).to_bytes(2, "big") + content


@pytest.mark.parametrize("decoder", ["simplejpeg", "pillow"])
@pytest.mark.parametrize("note", ["exif", "exif behind 64 KiB", "exif behind filling", "xmp"])
def test_a_jpeg_is_turned_wherever_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: str, note: str
) -> None:
    if decoder == "pillow":
        monkeypatch.setattr("seqsynth.frames.pictures.simplejpeg", None)
    photograph(90, 50).save(tmp_path / "plain.jpg", quality=95)
    with Image.open(tmp_path / "plain.jpg") as image:
        image.transpose(Image.Transpose.ROTATE_270).save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    noted = segment(0xE1, exif.tobytes())
    notes = {
        "exif": noted,
        "exif behind 64 KiB": segment(0xE2, bytes(60_000)) + segment(0xFE, bytes(9_000)) + noted,
        "exif behind filling": b"\xff\xff" + noted,
        "xmp": segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<r tiff:Orientation="6"/>'),
    }
    start, rest = b"\xff\xd8", (tmp_path / "plain.jpg").read_bytes()[2:]
    (tmp_path / "x.jpg").write_bytes(start + notes[note] + rest)
    refs = [FrameRef(str(tmp_path / name), 0) for name in ("x.jpg", "upright.png")]
    turned, upright = load_frames(refs, 40)
    assert decibels(turned, upright) > 40
    assert load_picture(refs[0]).size == (50, 90)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_other_kind_is_turned_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    """Of a TIFF Pillow turns the pixels itself, while it reads them."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    how = {"lossless": True} if suffix == "webp" else {}
    lying = photograph(90, 50)
    lying.save(tmp_path / f"x.{suffix}", exif=exif, **how)
    lying.getexif()[0x0112] = orientation
    ImageOps.exif_transpose(lying).save(tmp_path / "upright.png", exif=Image.Exif())
    refs = [FrameRef(str(tmp_path / name), 0) for name in (f"x.{suffix}", "upright.png")]
    for geometry in ("stretch", "crop", "pad"):
        turned, upright = load_frames(refs, 40, geometry=geometry)
        assert (turned == upright).all()
    turned, upright = (load_picture(ref) for ref in refs)
    assert turned.tobytes() == upright.tobytes()


@pytest.mark.parametrize(
    ("mode", "options"),
    [("CMYK", {}), ("L", {}), ("RGB", {"progressive": True}), ("RGB", {"subsampling": 0})],
)
def test_every_kind_of_jpeg_is_read(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    picture = photograph(200, 120)
    picture.convert(mode).save(tmp_path / "x.jpg", quality=95, **options)
    picture.convert(mode).convert("RGB").save(tmp_path / "x.png")
    refs = [FrameRef(str(tmp_path / name), 0) for name in ("x.jpg", "x.png")]
    assert decibels(*load_frames(refs, 96)) > 35


def test_sixteen_bits_a_channel_keep_their_shades(tmp_path: Path) -> None:
    shades = np.array([[0, 257 * 100], [257 * 200, 65535]], dtype=np.uint16)
    Image.fromarray(shades).save(tmp_path / "deep.png")
    frame = load_frames([FrameRef(str(tmp_path / "deep.png"), 0)], 2)[0]
    assert frame[..., 0].tolist() == [[0, 100], [200, 255]]


def test_frames_of_other_animations(tmp_path: Path) -> None:
    colours = [RED, GREEN, BLUE]
    frames = [Image.new("RGB", (8, 8), colour) for colour in colours]
    for name in ("a.gif", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=40)
        shown = load_frames([FrameRef(str(tmp_path / name), k) for k in (2, 0)], 4)
        assert [tuple(frame[1, 1].tolist()) for frame in shown] == [BLUE, RED]


@pytest.mark.parametrize("rest", [b"", b"\xff", b"\xff\xe0\x00", b"\xff\xe0\x00\x10JFIF"])
def test_notes_may_stand_behind_the_end_of_a_cut_jpeg(rest: bytes) -> None:
    assert pictures._has_notes(b"\xff\xd8" + rest)


def test_a_damaged_jpeg_is_no_picture_of_grey(tmp_path: Path) -> None:
    photograph(200, 120).save(tmp_path / "x.jpg", quality=95)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes((tmp_path / "x.jpg").read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"cut\.jpg: frame 0 cannot be read: .*truncated"):
        load_frames([FrameRef(str(cut), 0)], 64)
    empty = tmp_path / "empty.jpg"
    empty.touch()
    with pytest.raises(MediaError, match=r"empty\.jpg: frame 0 cannot be read: .* is empty; fetch"):
        load_frames([FrameRef(str(empty), 0)], 64)
    with pytest.raises(MediaError, match=r"x\.jpg has 1 frames, no frame 1"):
        load_frames([FrameRef(str(tmp_path / "x.jpg"), 1)], 64)


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown backend 'pyva'; did you mean pyav"):
        load_frames([], 4, backend="pyva")


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


@pytest.mark.parametrize("name", ["x.jpg", "x.png"])
@pytest.mark.parametrize("content", [b"no directory of tags", b"II*\0\x08"])
def test_what_the_camera_noted_may_be_damaged_where_the_picture_is_whole(
    tmp_path: Path, name: str, content: bytes
) -> None:
    picture = photograph(60, 40)
    picture.save(tmp_path / f"plain-{name}", dpi=(72, 72))
    picture.save(tmp_path / name, dpi=(72, 72), exif=b"Exif\0\0" + content)
    refs = [FrameRef(str(tmp_path / found), 0) for found in (f"plain-{name}", name)]
    plain, damaged = load_frames(refs, 24)
    assert (plain == damaged).all()
    assert load_picture(refs[1]).size == (60, 40)


def test_whatever_is_wrong_with_a_file_is_a_fault_of_that_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(pa.table({"text": ["no picture"]}), tmp_path / "a.parquet")
    with pytest.raises(MediaError, match=r"a\.parquet::0: frame 0 cannot be read"):
        load_frames([FrameRef(f"{tmp_path / 'a.parquet'}::0", 0)], 8)
    Image.new("RGB", (9, 9)).save(tmp_path / "a.gif")

    def damaged(image: Image.Image) -> None:
        raise IndexError

    monkeypatch.setattr("PIL.GifImagePlugin.GifImageFile.load", damaged)
    with pytest.raises(MediaError, match=r"a\.gif: frame 0 cannot be read: IndexError"):
        load_frames([FrameRef(str(tmp_path / "a.gif"), 0)], 8)

"""Media of every kind that probing has to tell apart, made on the spot."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from seqsynth.index_checks import ProbeDepth
from seqsynth.index_probe import Probe, ProbeError, check_picture, probe_video

DEPTHS: tuple[ProbeDepth, ...] = ("header", "pts")


def encode(
    path: Path,
    times: list[int],
    *,
    codec: str = "mpeg4",
    muxer: dict[str, str] | None = None,
    max_b_frames: int = 0,
) -> Path:
    """Writes a video whose frames are shown at these tenths of a second."""
    with av.open(str(path.absolute()), "w", options=muxer or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(10), width=32, height=32)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.max_b_frames = max_b_frames
        for number, time in enumerate(times):
            picture = np.full((32, 32, 3), 20 * number % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def fault(path: Path, depth: ProbeDepth = "header") -> str:
    with pytest.raises(ProbeError) as caught:
        probe_video(path, depth)
    return caught.value.reason


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mpeg4"),
        ("a.avi", "mpeg4"),
        ("a.mkv", "mpeg4"),
        ("a.webm", "libvpx"),
        ("-a b:c.mp4", "mpeg4"),
        ("http:a.mp4", "mpeg4"),
    ],
)
def test_every_container_tells_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, codec: str
) -> None:
    path = encode(tmp_path / name, list(range(12)), codec=codec)
    monkeypatch.chdir(tmp_path)
    probe = probe_video(Path(name), "header")
    assert (probe.num_frames, probe.duration_seconds) == (12, pytest.approx(1.2))
    assert (probe.pts_index, probe.pts_end) == (None, None)
    assert probe.codec == ("vp8" if codec == "libvpx" else codec)
    assert len(probe_video(path, "pts").pts_index or ()) == 12


def test_times_of_frames_come_in_showing_order(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", list(range(12)), max_b_frames=2)
    probe = probe_video(path, "pts")
    assert probe.pts_index is not None
    assert probe.pts_end is not None
    steps = np.diff([*probe.pts_index, probe.pts_end])
    assert len(steps) == 12
    assert set(steps.tolist()) == {steps[0]}


def test_times_of_a_varying_frame_rate_are_the_frames_own(tmp_path: Path) -> None:
    times = [0, 1, 2, 10, 11, 30]
    probe = probe_video(encode(tmp_path / "a.mkv", times), "pts")
    assert probe.pts_index is not None
    assert list(probe.pts_index) == [100 * time for time in times]  # Matroska counts milliseconds
    assert probe.num_frames == 6


@pytest.mark.parametrize("depth", DEPTHS)
def test_frames_that_an_edit_list_hides_do_not_count(tmp_path: Path, depth: ProbeDepth) -> None:
    muxer = {"avoid_negative_ts": "disabled"}  # so that the muxer cuts by an edit list
    path = encode(tmp_path / "a.mp4", list(range(-3, 9)), muxer=muxer)
    probe = probe_video(path, depth)
    with av.open(str(path)) as container:
        shown = len(list(container.decode(video=0)))
        assert container.streams.video[0].frames == 12  # what a naive reader sees
    assert probe.num_frames == shown == 9
    assert probe.duration_seconds == pytest.approx(0.9)


@pytest.mark.parametrize("depth", DEPTHS)
def test_files_that_were_cut_short(tmp_path: Path, depth: ProbeDepth) -> None:
    def cut(path: Path, num_bytes: int) -> Path:
        path.write_bytes(path.read_bytes()[:-num_bytes])
        return path

    times = list(range(100))
    header_last = cut(encode(tmp_path / "last.mp4", times), 300)
    assert fault(header_last, depth) == "cannot be opened"
    header_first = encode(tmp_path / "first.mp4", times, muxer={"movflags": "faststart"})
    assert probe_video(header_first, depth).num_frames == 100
    assert fault(cut(header_first, 500), depth) == "cut short"
    matroska = encode(tmp_path / "a.mkv", times)
    assert fault(cut(matroska, matroska.stat().st_size * 3 // 4), depth) == "cut short"


def test_what_is_no_video(tmp_path: Path) -> None:
    empty, text, sound = (tmp_path / name for name in ("empty.mp4", "text.mp4", "sound.mkv"))
    empty.touch()
    assert fault(empty) == "empty file"
    text.write_text("no video, a page that says 404")
    assert fault(text) == "cannot be opened"
    with pytest.raises(ProbeError) as error:
        probe_video(text, "header")
    assert str(error.value) == "cannot be opened: Invalid data found when processing input"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert fault(sound) == "no video in the file"


def test_animated_pictures_are_clips(
    tmp_path: Path, write_animation: Callable[[Path, list[tuple[int, int, int]]], Path]
) -> None:
    colours = [(10 * k, 0, 0) for k in range(5)]
    path = write_animation(tmp_path / "a.webp", colours)
    assert probe_video(path, "pts") == Probe(0.2, 5, "webp")
    pictures = [Image.new("RGB", (8, 8), colour) for colour in colours]
    gif = tmp_path / "a.gif"
    pictures[0].save(gif, save_all=True, append_images=pictures[1:], duration=50)
    assert probe_video(gif, "header") == Probe(0.25, 5, "gif")
    still = tmp_path / "still.webp"
    pictures[0].save(still)
    assert fault(still) == "does not move"
    still.write_bytes(b"RIFF")
    assert fault(still) == "cannot be opened"


def test_pictures_are_decoded_to_the_end(
    tmp_path: Path, write_picture: Callable[..., Path]
) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    check_picture(str(path))
    path.write_bytes(path.read_bytes()[:-4000])  # opens, and has its size
    with pytest.raises(ProbeError, match="cannot be decoded: "):
        check_picture(str(path))
    with pytest.raises(ProbeError, match="cannot be decoded: "):
        check_picture(str(tmp_path / "absent.png"))
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(ProbeError, match=r"^cannot be decoded: not a picture$"):
        check_picture(str(tmp_path / "text.png"))

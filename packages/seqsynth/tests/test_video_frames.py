from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqsynth import FrameRef, MediaError, frame_times, frames_at, load_frames
from seqsynth.frames import pyav_videos

NUM_FRAMES = 30


def gray_of(number: int) -> int:
    return 20 + 7 * number


def write_video(path: Path, *, is_even: bool = True) -> Path:
    """Frame k is plain gray of its own brightness; B-frames, one key frame in ten."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = 10
        stream.codec_context.max_b_frames = 2
        stream.codec_context.qmin = stream.codec_context.qmax = 1
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(NUM_FRAMES):
            picture = np.full((48, 64, 3), gray_of(number), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = 40 * number if is_even else 40 * number + 15 * (number % 3)
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("videos") / "gray.mp4")


@settings(max_examples=25)
@given(numbers=st.lists(st.integers(0, NUM_FRAMES - 1), min_size=1, max_size=9))
def test_every_frame_is_the_one_asked_for(video: Path, numbers: list[int]) -> None:
    frames = load_frames([FrameRef(str(video), number) for number in numbers], 8)
    shown = [round((frame.mean() - 20) / 7) for frame in frames]
    assert shown == numbers


def test_uneven_times_do_not_change_the_numbers(tmp_path: Path) -> None:
    path = str(write_video(tmp_path / "uneven.mkv", is_even=False))
    frames = load_frames([FrameRef(path, number) for number in (0, 7, 29)], 8)
    assert [round((frame.mean() - 20) / 7) for frame in frames] == [0, 7, 29]


def test_faults_name_the_file_and_the_frame(video: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"gray\.mp4 has 30 frames, no frame 30"):
        load_frames([FrameRef(str(video), 3), FrameRef(str(video), 30)], 8)
    with pytest.raises(MediaError, match=r"gone\.mp4: frame 2 cannot be read"):
        load_frames([FrameRef(str(tmp_path / "gone.mp4"), 2)], 8)
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    with pytest.raises(MediaError, match=r"text\.mp4: frame 0 cannot be read"):
        load_frames([FrameRef(str(text), 0)], 8)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(MediaError, match=r"cut\.mp4"):
        load_frames([FrameRef(str(cut), 29)], 8)


def test_a_video_without_a_frame_has_no_times(tmp_path: Path) -> None:
    path = tmp_path / "empty.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    for read in (frame_times, lambda video: frames_at(video, [0.0])):
        with pytest.raises(MediaError, match=r"empty\.avi has 0 frames, no frame 0"):
            read(path)


def test_damage_behind_the_last_frame_that_is_wanted_does_not_matter(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = pyav_videos._decode_chosen

    def damaged(*arguments: Any) -> None:
        decode(*arguments)
        raise av.error.InvalidDataError(1, "damaged")

    refs = [FrameRef(str(video), number) for number in (3, 11)]
    expected = load_frames(refs, 8)
    monkeypatch.setattr(pyav_videos, "_decode_chosen", damaged)
    assert (load_frames(refs, 8) == expected).all()

"""Every frame that is asked for is the right one, whatever the file does to make it hard."""

import re
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from seqsynth import FrameRef, MediaError, load_frames
from seqsynth.frames import frame_times, frames_at, load_picture
from seqsynth.frames.geometry import Fit, VideoScaler
from seqsynth.frames.video_index import index_video
from seqsynth.testing import NUM_FRAMES, ZOO, frames_in_order, read_number, write_zoo

SIZE = 32
MADE_BY_CUTTING = ("edit_list.mp4", "edit_list_open.mp4", "truncated.mkv", "torn.ts")
NAMES = (*ZOO, *MADE_BY_CUTTING)
NO_USABLE_TIMES = {"no_pts.avi", "mjpeg.avi", "torn.ts", "edit_list_open.mp4"}


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_zoo(tmp_path_factory.mktemp("zoo"))


@cache
def decoded_in_order(path: Path) -> NDArray[np.uint8]:
    scaler = VideoScaler(Fit(SIZE))
    return np.stack([scaler.frame(frame) for frame in frames_in_order(path)])


def check_requests(path: Path, count: int, seed: int) -> None:
    expected = decoded_in_order(path)
    rng = np.random.default_rng(seed)
    for _ in range(count):
        numbers = rng.integers(len(expected), size=rng.integers(1, 9)).tolist()
        frames = load_frames([FrameRef(str(path), number) for number in numbers], SIZE)
        assert (frames == expected[numbers]).all(), (path.name, numbers)


@pytest.mark.parametrize("name", NAMES)
def test_chosen_packets_give_the_frames_of_decoding_in_order(
    zoo: dict[str, Path], name: str
) -> None:
    check_requests(zoo[name], count=50, seed=0)  # of 23 files: 1,150 requests


@pytest.mark.parametrize("name", NAMES)
def test_frames_show_the_numbers_that_were_written(zoo: dict[str, Path], name: str) -> None:
    shown = [read_number(frame) for frame in decoded_in_order(zoo[name])]
    if name in ZOO:
        assert shown == list(range(NUM_FRAMES))
    elif name == "truncated.mkv":  # what the last pictures refer to may be there and not shown
        assert shown[:60] == list(range(60))
        assert len(shown) < NUM_FRAMES
    else:
        first = {"edit_list.mp4": 37, "edit_list_open.mp4": 50}.get(name, shown[0])
        assert shown[0] == first
        assert shown[-40:] == list(range(NUM_FRAMES - 40, NUM_FRAMES))


@pytest.mark.parametrize("name", NAMES)
def test_packets_are_chosen_wherever_they_have_times(zoo: dict[str, Path], name: str) -> None:
    table = index_video(str(zoo[name])).table
    assert (table is None) == (name in NO_USABLE_TIMES)
    if table is not None:
        assert len(table.frame_pts()) == len(decoded_in_order(zoo[name]))


def test_pictures_that_none_refers_to_are_found_in_h264(zoo: dict[str, Path]) -> None:
    for name in ("cfr.mp4", "cfr.mkv", "transport.ts", "edit_list.mp4"):
        table = index_video(str(zoo[name])).table
        assert table is not None
        assert 0.3 < table.is_droppable.mean() < 0.8
    refreshed = index_video(str(zoo["refresh.mkv"])).table
    assert refreshed is not None
    assert refreshed.is_key.sum() == 1  # its other key packets start no whole picture


@pytest.mark.parametrize("name", ["cfr.mp4", "vfr.mp4", "vfr.mkv", "edit_list.mp4", "no_pts.avi"])
def test_a_time_and_a_number_name_the_same_frame(zoo: dict[str, Path], name: str) -> None:
    path = str(zoo[name])
    times = frame_times(path)
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    assert len(times) == len(decoded_in_order(zoo[name]))
    everyone = [FrameRef(path, number) for number in range(len(times))]
    assert list(frames_at(path, times.tolist())) == everyone
    assert list(frames_at(path, (times + 0.001).tolist())) == everyone
    assert list(frames_at(path, (times[1:] - 0.001).tolist())) == everyone[:-1]
    assert frames_at(path, [1e6]) == (everyone[-1],)


def test_times_that_are_uneven_are_those_that_were_written(zoo: dict[str, Path]) -> None:
    late = [0.013 * (number * number % 3) for number in range(NUM_FRAMES)]
    expected = 0.040 * np.arange(NUM_FRAMES) + late
    assert frame_times(str(zoo["vfr.mp4"])) == pytest.approx(expected, abs=1e-6)
    with pytest.raises(ValueError, match=r"from the first frame on, got -0\.1 seconds"):
        frames_at(str(zoo["vfr.mp4"]), [-0.1])


@pytest.mark.parametrize("name", ["turned_90.mp4", "turned_180.mp4", "turned_270.mp4"])
@pytest.mark.parametrize("geometry", ["stretch", "crop", "pad"])
def test_turned_videos_are_upright_in_every_geometry(
    zoo: dict[str, Path], name: str, geometry: str
) -> None:
    plan = [3, 77]
    turned, plain = (
        load_frames([FrameRef(str(zoo[n]), k) for k in plan], 96, geometry=geometry)
        for n in (name, "cfr.mp4")
    )
    assert np.abs(turned.astype(int) - plain).mean() < 4
    picture = load_picture(FrameRef(str(zoo[name]), 77))
    assert picture.size == (128, 96)
    assert read_number(np.asarray(picture)) == 77


@pytest.mark.parametrize("geometry", ["stretch", "crop", "pad"])
def test_videos_and_pictures_share_one_geometry(
    zoo: dict[str, Path], tmp_path: Path, geometry: str
) -> None:
    video = FrameRef(str(zoo["cfr.mp4"]), 50)
    still = tmp_path / "still.png"
    load_picture(video).save(still)
    shown, expected = load_frames([video, FrameRef(str(still), 0)], 48, geometry=geometry)
    error = ((shown.astype(float) - expected) ** 2).mean()
    assert error < 26  # 34 dB; half a pixel off would be far more


def test_a_long_video_is_read_twice_and_not_kept(
    zoo: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqsynth.frames.video_index._MAX_HELD_BYTES", 1000)
    for name in ("cfr.mp4", "no_pts.avi"):
        check_requests(zoo[name], count=3, seed=2)


def without_order(source: Path, path: Path, *, repeats_a_time: bool = False) -> Path:
    """Copies an MP4 file in fragments, and its header without how far pictures are out of order."""
    with (
        av.open(str(source)) as whole,
        av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov"}) as fragments,
    ):
        copy = fragments.add_stream_from_template(whole.streams.video[0])
        packets = [packet for packet in whole.demux(whole.streams.video[0]) if packet.size]
        if repeats_a_time:
            packets[-1].pts = packets[-3].pts
        for packet in packets:
            packet.stream = copy
            fragments.mux(packet)
    content = path.read_bytes()
    start = content.index(b"avcC") + 12  # of the sequence's parameters, after their length
    end = start + int.from_bytes(content[start - 2 : start], "big")
    bits = f"{int.from_bytes(content[start:end], 'big'):0{8 * (end - start)}b}"
    # The last thing in them: a flag, then six numbers (H.264, E.1); now a flag that there is none.
    number = "(?:1|01.|001..|0001...)"
    cut = re.sub(rf"1.{number}{{6}}10*$", "01", bits)
    assert len(cut) < len(bits)
    patched = int(cut.ljust(len(bits), "0"), 2).to_bytes(end - start, "big")
    path.write_bytes(content[:start] + patched + content[end:])
    return path


def test_pictures_are_put_in_order_though_the_header_does_not_say_how_far_they_are_out(
    zoo: dict[str, Path], tmp_path: Path
) -> None:
    check_requests(without_order(zoo["cfr.mp4"], tmp_path / "unsaid.mp4"), count=20, seed=3)


def test_pictures_that_can_only_be_counted_are_counted_by_a_decoder_that_loses_none(
    zoo: dict[str, Path], tmp_path: Path
) -> None:
    path = without_order(zoo["cfr.mp4"], tmp_path / "twice.mp4", repeats_a_time=True)
    frames = load_frames([FrameRef(str(path), number) for number in range(60)], SIZE)
    assert [read_number(frame) for frame in frames] == list(range(60))


def test_an_encoding_that_nobody_knows_is_a_fault_of_the_file(
    zoo: dict[str, Path], tmp_path: Path
) -> None:
    unknown = tmp_path / "unknown.mp4"
    unknown.write_bytes(zoo["cfr.mp4"].read_bytes().replace(b"avc1", b"zzzz"))
    with pytest.raises(MediaError, match=r"unknown\.mp4: .*does not know how its pictures"):
        load_frames([FrameRef(str(unknown), 3)], SIZE)


def test_faults_name_file_frame_and_remedy(zoo: dict[str, Path], tmp_path: Path) -> None:
    def fault(path: Path, *numbers: int) -> str:
        with pytest.raises(MediaError) as caught:
            load_frames([FrameRef(str(path), number) for number in numbers], 8)
        return str(caught.value)

    empty, noise, cut = tmp_path / "empty.mp4", tmp_path / "noise.mkv", tmp_path / "cut.mp4"
    empty.touch()
    assert fault(empty, 5).endswith(
        "empty.mp4: frame 5 cannot be read: the file is empty; fetch it again"
    )
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    assert "noise.mkv: frame 2 cannot be read: the file is damaged or cut short" in fault(noise, 2)
    cut.write_bytes(zoo["cfr.mp4"].read_bytes()[:5000])
    assert "cut.mp4: frame 1 cannot be read: the file is damaged or cut short; fetch" in fault(
        cut, 1, 2
    )
    spoilt = bytearray(zoo["cfr.mkv"].read_bytes())
    spoilt[3000:9000] = bytes(6000)
    (tmp_path / "spoilt.mkv").write_bytes(spoilt)
    assert "spoilt.mkv" in fault(tmp_path / "spoilt.mkv", 0, 60)
    for name in ("truncated.mkv", "no_pts.avi", "cfr.mp4"):
        num_frames = len(decoded_in_order(zoo[name]))
        message = fault(zoo[name], 0, num_frames)
        assert f"{name} has {num_frames} frames, no frame {num_frames}; index" in message
    assert "no_pts.avi has 100 frames, no frame 5000" in fault(zoo["no_pts.avi"], 5000)

"""The DALI backend: PyAV's frames, by one graph on either device (nox session `dali`)."""

import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seqsynth import FrameRef, MediaError, load_frames
from seqsynth.frames import dali_graph, dali_videos, load_batch, routed_videos
from seqsynth.frames.dali_graph import Device
from seqsynth.frames.dali_routing import SurveyedVideo, refusal, survey_video
from seqsynth.frames.dali_videos import dali_frames_on
from seqsynth.frames.geometry import Fit, Geometry
from seqsynth.frames.requests import VideoRequest
from seqsynth.frames.video_index import VideoIndex
from seqsynth.loader import LoaderSettings, prefetch_frames
from seqsynth.packet_choice import PacketTable
from seqsynth.testing import ZOO, cut_bytes, read_number, write_video, write_zoo

VP9 = replace(ZOO["vp9.webm"], size=(192, 160))  # NVDEC takes none below 128 x 128
LOOKING_AHEAD = {"deadline": "good", "cpu-used": "5", "auto-alt-ref": "1", "lag-in-frames": "16"}
RECIPES = {
    "even.webm": VP9,
    "even.mp4": VP9,
    "uneven.mkv": replace(VP9, is_even=False),
    "hidden_pictures.webm": replace(VP9, options={"g": "60", **LOOKING_AHEAD}),
    "one_group.webm": replace(VP9, options={**VP9.options, "g": "999"}),
    "tall.webm": replace(VP9, size=(160, 240)),
    "wide.webm": replace(VP9, size=(320, 180)),
    "vp8.webm": ZOO["vp8.webm"],
    "mjpeg.mov": ZOO["mjpeg.mov"],
}
H264 = ("cfr.mp4", "cfr.mkv", "vfr.mp4")
HEVC = replace(
    ZOO["hevc.mp4"],
    size=(192, 160),
    options={"preset": "ultrafast", "x265-params": "keyint=25:open-gop=0:log-level=0"},
)
PLAN = (0, 3, 50, 51, 97, 99)


def is_missing() -> bool:
    """Whether DALI is neither installed nor required."""
    if "dali" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
        return False
    try:
        import nvidia.dali  # noqa: F401
    except ImportError:
        return True
    return False


needs_dali = pytest.mark.skipif(is_missing(), reason="NVIDIA DALI is not installed: nox -s dali")
DEVICES = [
    pytest.param("cpu", marks=needs_dali),
    pytest.param("gpu", marks=[needs_dali, pytest.mark.gpu]),
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Videos that DALI decodes on a CPU."""
    folder = tmp_path_factory.mktemp("vp9")
    return {name: str(write_video(recipe, folder / name)) for name, recipe in RECIPES.items()}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return {n: str(path) for n, path in write_zoo(tmp_path_factory.mktemp("zoo")).items()}


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """`dali` decodes on the CPU, also where there is a GPU."""
    monkeypatch.setattr(dali_videos, "best_device", lambda: "cpu")


def newly_routed(before: dict[str, int]) -> dict[str, int]:
    after = routed_videos()
    return {why: n - before.get(why, 0) for why, n in after.items() if n > before.get(why, 0)}


def check_frames(
    device: Device, paths: Sequence[str], geometry: Geometry = "stretch", size: int = 64
) -> None:
    """The numbers that are written in the frames, and PyAV's pixels but for the colours."""
    before = routed_videos()
    requests = [VideoRequest(path, PLAN) for path in paths]
    decoded = dali_frames_on(device, requests, Fit(size, geometry))
    assert newly_routed(before) == {}
    for path, frames in zip(paths, decoded, strict=True):
        refs = [FrameRef(path, number) for number in PLAN]
        expected = load_frames(refs, size, geometry=geometry)
        if geometry == "stretch":
            assert [read_number(frame) for frame in frames] == list(PLAN), path
        error = ((expected.astype(float) - frames) ** 2).mean(axis=(1, 2, 3))
        assert error.max() < 65, (path, error)  # 30 dB


@pytest.mark.parametrize("device", DEVICES)
def test_frames_are_those_of_pyav(videos: dict[str, str], device: Device) -> None:
    check_frames(device, list(videos.values()))


@needs_dali
@pytest.mark.gpu
def test_nvdec_gives_the_frames_of_pyav(zoo: dict[str, str], tmp_path: Path) -> None:
    hevc = str(write_video(HEVC, tmp_path / "hevc.mp4"))
    check_frames("gpu", [*(zoo[name] for name in H264), hevc])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("geometry", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("size", [33, 224])
def test_geometry_is_the_one_of_all_decoders(
    videos: dict[str, str], device: Device, geometry: Geometry, size: int
) -> None:
    check_frames(device, [videos["tall.webm"], videos["wide.webm"]], geometry, size)


@needs_dali
def test_random_requests_give_the_frames_that_were_asked_for(videos: dict[str, str]) -> None:
    rng = np.random.default_rng(0)
    requests = []
    for path in videos.values():
        for _ in range(5):
            numbers = rng.choice(100, size=rng.integers(1, 9), replace=False)
            requests.append(VideoRequest(path, tuple(sorted(numbers.tolist()))))
    for request, frames in zip(requests, dali_frames_on("cpu", requests, Fit(32)), strict=True):
        assert tuple(read_number(frame) for frame in frames) == request.frame_indices


@needs_dali
@pytest.mark.usefixtures("on_cpu")
def test_plans_are_decoded_together(videos: dict[str, str], zoo: dict[str, str]) -> None:
    names = (videos["even.webm"], zoo["cfr.mp4"], videos["uneven.mkv"], zoo["turned_90.mp4"])
    plans = [[FrameRef(path, (7 * k + n) % 100) for n in range(3)] for k, path in enumerate(names)]
    plans.append([])
    plans *= 3
    together = load_batch(plans, 48, backend="dali")
    settings = LoaderSettings(size=48, backend="dali", num_workers=2)
    for frames, ahead, plan in zip(together, prefetch_frames(plans, settings), plans, strict=True):
        assert [read_number(frame) for frame in frames] == [ref.frame_index for ref in plan]
        assert (frames == ahead).all()


@needs_dali
@pytest.mark.usefixtures("on_cpu")
def test_what_a_cpu_cannot_decode_is_pyavs_and_counted(zoo: dict[str, str]) -> None:
    before = routed_videos()
    for name in (*H264, "hevc.mp4", "mpeg4.mp4", "no_pts.avi", "transport.ts", "edit_list.mp4"):
        refs = [FrameRef(zoo[name], number) for number in (2, 40)]
        assert (load_frames(refs, 48, backend="dali") == load_frames(refs, 48)).all()
    assert newly_routed(before) == {
        "h264 on the cpu": 4,
        "hevc on the cpu": 1,
        "mpeg4 on the cpu": 1,
        "container avi": 1,
        "container mpegts": 1,
    }


@needs_dali
@pytest.mark.usefixtures("on_cpu")
def test_turned_videos_are_pyavs(tmp_path: Path) -> None:
    path = str(write_video(replace(VP9, rotation=90), tmp_path / "turned.mp4"))
    before = routed_videos()
    (frame,) = load_frames([FrameRef(path, 9)], 48, backend="dali")
    assert read_number(frame) == 9
    assert newly_routed(before) == {"turned pictures": 1}


@needs_dali
@pytest.mark.usefixtures("on_cpu")
def test_faults_name_file_and_frame(videos: dict[str, str], tmp_path: Path) -> None:
    def fault(path: Path, *numbers: int) -> str:
        with pytest.raises(MediaError) as caught:
            load_frames([FrameRef(str(path), n) for n in numbers], 8, backend="dali")
        return str(caught.value)

    whole = Path(videos["even.webm"])
    assert "even.webm has 100 frames, no frame 100" in fault(whole, 3, 100)
    assert "gone.webm: frame 2 cannot be read: no such file" in fault(tmp_path / "gone.webm", 2)
    (tmp_path / "empty.webm").touch()
    assert "empty.webm: frame 0 cannot be read: the file is empty" in fault(
        tmp_path / "empty.webm", 0
    )
    size = whole.stat().st_size
    cut = cut_bytes(whole, tmp_path / "cut.webm", [slice(0, size // 2)])
    assert "cut.webm has" in fault(cut, 1, 99)
    (start,) = load_frames([FrameRef(str(cut), 1)], 48, backend="dali")
    assert read_number(start) == 1  # what is there is shown
    cut = cut_bytes(Path(videos["even.mp4"]), tmp_path / "cut.mp4", [slice(0, size // 2)])
    assert "cut.mp4: frame 1 cannot be read: the file is damaged or cut short" in fault(cut, 1)


@needs_dali
@pytest.mark.usefixtures("on_cpu")
def test_a_video_that_dali_fails_at_costs_no_other(
    videos: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_graph(pipeline: Any, encoded: Sequence[Any]) -> list[Any]:
        if any(video.frame_indices == (7,) for video in encoded):
            raise RuntimeError("made up")
        return dali_graph.run_graph(pipeline, encoded)

    monkeypatch.setattr(dali_videos, "run_graph", run_graph)
    before = routed_videos()
    names = ("even.webm", "even.mp4", "uneven.mkv")
    refs = [FrameRef(videos[n], number) for n, number in zip(names, (5, 7, 9), strict=True)]
    frames = load_frames(refs, 48, backend="dali")
    assert [read_number(frame) for frame in frames] == [5, 7, 9]
    assert newly_routed(before) == {"an error of DALI": 1}


@pytest.mark.skipif(not is_missing(), reason="NVIDIA DALI is installed")
def test_its_absence_names_the_remedy(zoo: dict[str, str]) -> None:
    with pytest.raises(RuntimeError, match=r"dali needs NVIDIA DALI .*seqsynth\[dali\].* pyav$"):
        load_frames([FrameRef(zoo["cfr.mp4"], 0)], 8, backend="dali")


def made_up_video(**changes: Any) -> SurveyedVideo:
    """A survey of an ordinary H.264 file, or one with other values."""
    pts = np.array([0, 3, 1, 2, 4, 6, 5])
    is_key = np.array([True, False, False, False, True, False, False])
    no = np.zeros(7, dtype=bool)
    index = VideoIndex(
        container="mov,mp4,m4a,3gp,3g2,mj2", codec="h264", pix_fmt="yuv420p", width=640,
        height=360, time_base=Fraction(1, 25), table=PacketTable(pts, is_key, ~no, no),
    )  # fmt: skip
    video = SurveyedVideo(index, 1, 9000, 0.0, is_interlaced=False)
    of_index = {k: v for k, v in changes.items() if k in VideoIndex.__slots__}
    rest = {k: v for k, v in changes.items() if k not in of_index}
    return replace(video, index=replace(index, **of_index), **rest)


TABLE = made_up_video().index.table
assert TABLE is not None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"codec": "vp9", "container": "matroska,webm"}, ""),
        ({"rotation": -0.0}, ""),
        ({"codec": "libdav1d"}, "libdav1d on the gpu"),
        ({"pix_fmt": "yuv420p10le"}, "h264 in yuv420p10le"),
        ({"pix_fmt": "yuv444p"}, "h264 in yuv444p"),
        ({"codec": "hevc", "height": 96}, "hevc outside of 144x144 to 8192x8192 pixels"),
        ({"width": 5000}, "h264 outside of 48x16 to 4096x4096 pixels"),
        ({"container": "flv"}, "container flv"),
        ({"table": None}, "packets without usable times"),
        ({"num_streams": 2}, "several videos in a file"),
        ({"num_bytes": 1 << 30}, "more than 256 MiB"),
        ({"rotation": 180.0}, "turned pictures"),
        ({"rotation": None}, "a first picture that is damaged"),
        ({"is_interlaced": True}, "interlaced pictures"),
        ({"table": replace(TABLE, is_shown=TABLE.pts > 0)}, "frames that are not shown"),
        ({"table": replace(TABLE, pts=TABLE.pts - 1)}, "frames before time zero"),
        ({"table": replace(TABLE, pts=np.array([0, 3, 1, 5, 4, 2, 6]))}, "open groups of pictures"),
    ],
)
def test_what_nvdec_or_dali_would_get_wrong_is_refused(
    changes: dict[str, Any], reason: str
) -> None:
    assert refusal(made_up_video(**changes), "gpu") == reason


@pytest.mark.parametrize("device", ["cpu", "gpu"])
def test_surveys_of_files_lead_to_the_same(zoo: dict[str, str], device: Device) -> None:
    reasons = {name: refusal(survey_video(path), device) for name, path in zoo.items()}
    always = {
        "transport.ts": "container mpegts", "mpeg2.ts": "container mpegts",
        "torn.ts": "container mpegts", "no_pts.avi": "container avi", "mjpeg.avi": "container avi",
        "edit_list_open.mp4": "packets without usable times",
    }  # fmt: skip
    assert {name: reasons[name] for name in always} == always
    assert reasons["vp8.webm"] == reasons["mjpeg.mov"] == ""
    if device == "cpu":
        assert {reasons[name] for name in H264} == {"h264 on the cpu"}
        assert (reasons["mpeg4.mp4"], reasons["vp9.webm"]) == ("mpeg4 on the cpu", "")
        return
    assert {reasons[name] for name in (*H264, "truncated.mkv")} == {""}
    assert reasons["vp9.webm"] == "vp9 outside of 128x128 to 8192x8192 pixels"  # 128 x 96
    assert reasons["hevc.mp4"] == "hevc outside of 144x144 to 8192x8192 pixels"
    assert reasons["edit_list.mp4"] == "frames that are not shown"
    for name in ("open_gop.mp4", "open_gop.mkv", "mpeg4.mp4"):
        assert reasons[name] == "open groups of pictures"
    assert {reasons[f"turned_{angle}.mp4"] for angle in (90, 180, 270)} == {"turned pictures"}

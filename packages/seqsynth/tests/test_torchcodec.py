"""The torchcodec backend: the frames of PyAV, where it can be loaded at all."""

from pathlib import Path

import numpy as np
import pytest

from seqsynth import FrameRef, MediaError, load_frames
from seqsynth.testing import read_number, write_zoo

NAMES = ["cfr.mp4", "vfr.mkv", "open_gop.mp4", "turned_90.mp4", "transport.ts", "no_pts.avi"]
PLAN = (3, 50, 97)


def can_load() -> bool:
    try:
        import torchcodec  # noqa: F401
    except (ImportError, RuntimeError):
        return False
    return True


needs_torchcodec = pytest.mark.skipif(
    not can_load(), reason="torchcodec, or an FFmpeg that it can load, is not installed"
)


@needs_torchcodec
@pytest.mark.parametrize("name", NAMES)
def test_frames_are_those_of_pyav(tmp_path: Path, name: str) -> None:
    path = str(write_zoo(tmp_path, [name])[name])
    refs = [FrameRef(path, number) for number in PLAN]
    theirs = load_frames(refs, 64, backend="torchcodec")
    assert [read_number(frame) for frame in theirs] == list(PLAN)
    error = ((load_frames(refs, 64).astype(float) - theirs) ** 2).mean()
    assert error < 65  # 30 dB: colours are converted in other ways


@needs_torchcodec
def test_faults_are_those_of_media(tmp_path: Path) -> None:
    path = str(write_zoo(tmp_path, ["cfr.mp4"])["cfr.mp4"])
    with pytest.raises(MediaError, match=r"cfr\.mp4 has 100 frames, no frame 100"):
        load_frames([FrameRef(path, 100)], 8, backend="torchcodec")
    (tmp_path / "bad.mp4").write_bytes(np.random.default_rng(0).bytes(999))
    with pytest.raises(MediaError, match=r"bad\.mp4: frame 2 cannot be read"):
        load_frames([FrameRef(str(tmp_path / "bad.mp4"), 2)], 8, backend="torchcodec")


@pytest.mark.skipif(can_load(), reason="torchcodec is installed")
def test_its_absence_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"torchcodec needs .* pyav"):
        load_frames([FrameRef(str(tmp_path / "x.mp4"), 0)], 8, backend="torchcodec")

import importlib.util
from collections.abc import Iterator

import numpy as np
import pytest

from seqsynth import _native
from seqsynth.clip_table import ClipTable
from seqsynth.frame_packing import pixel_table
from seqsynth.sampler import SamplerSpec, SequencePlanner

HAS_NATIVE = importlib.util.find_spec("seqnative") is not None


@pytest.fixture(autouse=True)
def forget_the_choice() -> Iterator[None]:
    _native.kernel_backend.cache_clear()
    yield
    _native.kernel_backend.cache_clear()


def make_table() -> ClipTable:
    return ClipTable(
        labels=np.arange(20) // 2,
        durations_ms=np.arange(20) * 100 + 500,
        num_source_frames=np.arange(20) + 10,
    )


def test_the_backend_is_the_installed_one() -> None:
    assert _native.kernel_backend() == ("native" if HAS_NATIVE else "reference")


def test_without_native_numpy_is_used_unless_native_is_required(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_native, "_compiled", None)
    monkeypatch.delenv("SEQ2TIME_REQUIRE", raising=False)
    assert _native.kernel_backend() == "reference"
    assert isinstance(_native.make_planner(make_table(), SamplerSpec()), SequencePlanner)
    _native.kernel_backend.cache_clear()
    monkeypatch.setenv("SEQ2TIME_REQUIRE", "cuda,native")
    with pytest.raises(RuntimeError, match=r"pip install \./native"):
        _native.kernel_backend()


@pytest.mark.skipif(not HAS_NATIVE, reason="seq2time-native is not installed")
def test_native_gives_the_same_plans() -> None:
    table, spec = make_table(), SamplerSpec(jitter=True)
    native, reference = _native.make_planner(table, spec), SequencePlanner(table, spec)
    for index in range(200):
        ours, theirs = native.plan(3, index), reference.plan(3, index)
        assert ours.clip_ids.tolist() == theirs.clip_ids.tolist()
        assert ours.frame_counts.tolist() == theirs.frame_counts.tolist()
        assert ours.frame_indices.tolist() == theirs.frame_indices.tolist()


def packed() -> np.ndarray:
    clips = [np.full((count, 4, 5, 3), 40 * count, dtype=np.uint8) for count in (1, 3)]
    out = np.empty((2, 4, 3, 4, 5), dtype=np.float32)
    _native.pack_normalize(clips, pixel_table((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), out, num_threads=2)
    return out


def test_frames_are_packed_alike_with_and_without_native(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = packed()
    monkeypatch.setattr(_native, "_compiled", None)
    monkeypatch.delenv("SEQ2TIME_REQUIRE", raising=False)
    _native.kernel_backend.cache_clear()
    assert packed().tobytes() == installed.tobytes()
    assert installed[1, 2, 0, 0, 0] == pytest.approx((120 / 255 - 0.5) / 0.2, abs=1e-6)

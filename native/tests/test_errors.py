"""The compiled sampler refuses what its specification refuses, in the same words."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

from seqsynth.clip_table import ClipTable  # noqa: E402
from seqsynth.sampler import SamplerSpec, SequencePlanner  # noqa: E402

ROWS = {
    "labels": np.arange(12),
    "durations_ms": np.full(12, 3000),
    "num_source_frames": np.full(12, 4),
}
TIMES = {"pts": np.tile(np.arange(4) * 10, 12), "pts_ends": np.full(12, 40)}
SPEC = asdict(SamplerSpec())


def changed(array: np.ndarray, row: int, value: int) -> np.ndarray:
    copy = array.copy()
    copy[row] = value
    return copy


def make_twin(rows: dict[str, Any], spec: dict[str, Any]) -> SequencePlanner:
    return SequencePlanner(ClipTable(**rows), SamplerSpec(**spec))


def make_compiled(rows: dict[str, Any], spec: dict[str, Any]) -> seqnative.SequencePlanner:
    return seqnative.SequencePlanner(**rows, **spec)


def error_of(call: Callable[[], object]) -> Exception:
    with pytest.raises((ValueError, IndexError)) as caught:
        call()
    return caught.value


def assert_same_error(twin: Callable[[], object], native: Callable[[], object], text: str) -> None:
    expected, got = error_of(twin), error_of(native)
    assert type(got) is type(expected)
    assert str(got) == str(expected)
    assert text in str(got)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ({name: ROWS[name][:0] for name in ROWS}, "at least one clip"),
        ({**ROWS, "durations_ms": ROWS["durations_ms"][:11]}, "durations_ms has 11 rows"),
        ({**ROWS, "num_source_frames": ROWS["labels"][:3]}, "num_source_frames has 3 rows"),
        ({**ROWS, "durations_ms": changed(ROWS["durations_ms"], 7, 0)}, "durations_ms[7] = 0"),
        ({**ROWS, "durations_ms": changed(ROWS["durations_ms"], 0, 2**28)}, "durations_ms[0]"),
        ({**ROWS, "num_source_frames": changed(ROWS["labels"] + 1, 2, -1)}, "frames[2] = -1"),
        ({**ROWS, "pts": TIMES["pts"]}, "give both or neither"),
        ({**ROWS, **TIMES, "pts": TIMES["pts"][:-1]}, "pts has 47 rows, expected 48"),
        ({**ROWS, **TIMES, "pts_ends": TIMES["pts_ends"][:-1]}, "pts_ends has 11 rows"),
        ({**ROWS, **TIMES, "pts": changed(TIMES["pts"], 6, 10)}, "pts[6] = 10"),
        ({**ROWS, **TIMES, "pts": changed(TIMES["pts"], 6, 2**62)}, "pts[6] = 46116"),
        ({**ROWS, **TIMES, "pts_ends": changed(TIMES["pts_ends"], 5, 30)}, "pts_ends[5] = 30"),
        ({**ROWS, **TIMES, "pts_ends": changed(TIMES["pts_ends"], 5, 2**32)}, "pts_ends[5]"),
        ({**ROWS, **TIMES, "pts_ends": changed(TIMES["pts_ends"], 5, -(2**62))}, "pts_ends[5]"),
    ],
)
def test_tables_are_refused_alike(rows: dict[str, Any], text: str) -> None:
    assert_same_error(lambda: make_twin(rows, SPEC), lambda: make_compiled(rows, SPEC), text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_frames", 0),
        ("num_frames", 65_537),
        ("num_frames", 19),
        ("min_clips", 0),
        ("min_clips", 11),
        ("max_clips", 65),
        ("min_frames_per_clip", 0),
        ("min_relative_rate", 1001),
        ("max_relative_rate", 65_536),
    ],
)
def test_specs_are_refused_alike(name: str, value: int) -> None:
    spec = {**SPEC, name: value}
    assert_same_error(lambda: make_twin(ROWS, spec), lambda: make_compiled(ROWS, spec), f"{value}")


@pytest.mark.parametrize(
    ("method", "arguments", "error", "text"),
    [
        ("plan", (-1, 0), ValueError, "seed = -1"),
        ("plan", (2**64, 0), ValueError, "seed = 18446744073709551616"),
        ("plan", (0, -1), ValueError, "index = -1"),
        ("plan", (0, 2**63), ValueError, "index = 9223372036854775808"),
        ("plan_batch", (-1, np.arange(3)), ValueError, "seed = -1"),
        ("plan_batch", (0, np.array([4, 5, -6])), ValueError, "indices[2] = -6"),
        ("plan_batch", (0, np.zeros((2, 2), dtype=np.int64)), ValueError, "indices must have one"),
        ("plan_clips", (-1, 0, np.arange(3)), ValueError, "seed = -1"),
        ("plan_clips", (0, 0, np.array([3, 12])), IndexError, "clip_ids[1] = 12"),
        ("plan_clips", (0, 0, np.array([-1])), IndexError, "clip_ids[0] = -1"),
        ("plan_clips", (0, 0, np.array([], dtype=np.int64)), ValueError, "number of clips = 0"),
        ("plan_clips", (0, 0, np.zeros(65, dtype=np.int64)), ValueError, "number of clips = 65"),
        ("plan_clips", (0, 0, np.zeros(49, dtype=np.int64)), ValueError, "49 clips of at least 2"),
    ],
)
def test_calls_are_refused_alike(
    method: str, arguments: tuple[Any, ...], error: type[Exception], text: str
) -> None:
    twin, native = make_twin(ROWS, SPEC), make_compiled(ROWS, SPEC)
    assert_same_error(
        lambda: getattr(twin, method)(*arguments),
        lambda: getattr(native, method)(*arguments),
        text,
    )
    assert isinstance(error_of(lambda: getattr(native, method)(*arguments)), error)


@pytest.mark.parametrize("method", ["plan", "plan_batch"])
def test_too_few_labels_are_refused_when_clips_are_drawn(method: str) -> None:
    rows = {**ROWS, "labels": np.zeros(12, dtype=np.int64)}
    twin, native = make_twin(rows, SPEC), make_compiled(rows, SPEC)
    arguments = (0, 0) if method == "plan" else (0, np.arange(2))
    assert_same_error(
        lambda: getattr(twin, method)(*arguments),
        lambda: getattr(native, method)(*arguments),
        "a table of 1 labels",
    )
    np.testing.assert_array_equal(native.plan_clips(0, 0, np.array([2, 1]))[0], [2, 1])


@pytest.mark.parametrize(
    "array", [np.arange(4, dtype=np.int32), np.arange(4.0), np.arange(8)[::2], [0, 1, 2, 3]]
)
def test_arrays_are_never_converted_silently(array: Any) -> None:
    with pytest.raises(TypeError, match="incompatible function arguments"):
        make_compiled(ROWS, SPEC).plan_batch(0, array)

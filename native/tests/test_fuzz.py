"""Arguments that nobody would write: every binding works as its twin does, or refuses as it does.

The suite runs a little of this. `nox -s fuzz -- SECONDS native` runs it for minutes on a build with
the address and undefined-behaviour sanitizers.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

from seqsynth.clip_table import ClipTable  # noqa: E402
from seqsynth.frame_packing import pack_normalize, pixel_table  # noqa: E402
from seqsynth.sampler import SamplerSpec, SequencePlanner  # noqa: E402

REFUSALS = (TypeError, ValueError, IndexError)
EDGES = [-(2**63), -(2**62), -1, 0, 1, 2, 2**28 - 1, 2**28, 2**32 - 1, 2**32, 2**62, 2**63 - 1]
INTEGERS = st.one_of(st.integers(-2, 12), st.sampled_from(EDGES))
FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

BATCH_FIELDS = ("num_clips", "clip_ids", "frame_counts", "frame_indices")
TABLES = [
    pixel_table((0.4, 0.5, 0.6), (0.2, 0.3, 0.1), dtype=name) for name in ("float32", "bfloat16")
]


def outcome(call: Callable[[], Any]) -> Any:
    """What a call gives, or how it refuses; nothing else may happen."""
    try:
        return call()
    except REFUSALS as error:
        return type(error), str(error)


@st.composite
def rows_of_clips(draw: st.DrawFn) -> dict[str, np.ndarray]:
    """Columns of a clip table, of which at most one is wrong in at most one way."""
    frames = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    rows = {
        "labels": np.array(draw(st.lists(INTEGERS, min_size=len(frames), max_size=len(frames)))),
        "durations_ms": np.full(len(frames), draw(st.sampled_from([1, 900, 2**28 - 1]))),
        "num_source_frames": np.array(frames),
    }
    if draw(st.booleans()):
        rows["pts"] = np.concatenate([np.arange(n) * 7 - 2**40 for n in frames])
        rows["pts_ends"] = np.array([n * 7 - 2**40 for n in frames])
    name = draw(st.sampled_from(["", "", *rows]))
    if name and draw(st.booleans()):
        rows[name] = rows[name][: draw(st.integers(0, len(rows[name]) - 1))]
    elif name:
        rows[name] = rows[name].copy()
        rows[name][draw(st.integers(0, len(rows[name]) - 1))] = draw(INTEGERS)
    return rows


@FUZZED
@given(
    rows_of_clips(),
    st.dictionaries(st.sampled_from(sorted(asdict(SamplerSpec()))), INTEGERS, max_size=2),
    INTEGERS,
    st.lists(INTEGERS, max_size=4),
)
def test_planners_agree(
    rows: dict[str, np.ndarray], changes: dict[str, int], seed: int, numbers: list[int]
) -> None:
    spec = {**asdict(SamplerSpec(num_frames=24, max_clips=2, min_clips=1)), **changes}
    spec["jitter"] = bool(spec["jitter"])
    twin = outcome(lambda: SequencePlanner(ClipTable(**rows), SamplerSpec(**spec)))
    native = outcome(lambda: seqnative.SequencePlanner(**rows, **spec))
    if isinstance(twin, tuple) or isinstance(native, tuple):
        # Of two faults either may be named.
        assert isinstance(twin, tuple)
        assert isinstance(native, tuple)
        assert native[0] is twin[0]
        return
    indices = np.array(numbers, dtype=np.int64)
    expected = outcome(lambda: twin.plan_batch(seed, indices))
    got = outcome(lambda: native.plan_batch(seed, indices))
    if isinstance(expected, tuple):
        assert got == expected
    else:
        for name, array in zip(BATCH_FIELDS, got, strict=True):
            np.testing.assert_array_equal(array, getattr(expected, name))
    expected = outcome(lambda: twin.plan_clips(seed, 3, indices))
    got = outcome(lambda: native.plan_clips(seed, 3, indices))
    if isinstance(expected, tuple):
        assert got == expected
    else:
        np.testing.assert_array_equal(got[2], expected.frame_indices)


@st.composite
def arrays(draw: st.DrawFn, shape: list[int], dtype: np.dtype) -> np.ndarray:
    """An array of this shape and kind, often; else one that is off in its shape or kind."""
    if draw(st.integers(0, 9)) == 0:
        shape = draw(st.permutations(shape))
    if draw(st.integers(0, 9)) == 0:
        axis = draw(st.integers(0, len(shape) - 1))
        shape = [*shape[:axis], draw(st.integers(0, 5)), *shape[axis + 1 :]]
    if draw(st.integers(0, 14)) == 0:
        dtype = np.dtype(draw(st.sampled_from(["u1", "i1", "<u2", ">f4", "<f4", "<f8", "?"])))
    whole = np.zeros([2 * n + 1 for n in shape], dtype=np.uint8).astype(dtype)
    whole.ravel()[:] = (np.arange(whole.size) % 251).astype(dtype)
    steps = [draw(st.sampled_from([1, 1, 1, 1, 2, -1])) for _ in shape]
    view = whole[tuple(slice(None, None, step) for step in steps)]
    view = view[tuple(slice(0, n) for n in shape)]
    if draw(st.booleans()):
        view = np.ascontiguousarray(view)
    if draw(st.integers(0, 14)) == 0:
        view.setflags(write=False)
    return view


@FUZZED
@given(st.data())
def test_packers_agree(data: st.DataObject) -> None:
    height = data.draw(st.integers(0, 5))
    width = data.draw(st.one_of(st.integers(0, 5), st.sampled_from([64, 65, 130])))
    counts = data.draw(st.lists(st.integers(0, 3), max_size=4))
    uint8 = np.dtype(np.uint8)
    clips: list[Any] = [data.draw(arrays([n, height, width, 3], uint8)) for n in counts]
    clips = [clip[0] if clip.shape[0] == 1 and data.draw(st.booleans()) else clip for clip in clips]
    if data.draw(st.integers(0, 14)) == 0:
        clips.append(data.draw(st.sampled_from([None, 3, [[1]], "frames"])))
    table = data.draw(st.sampled_from(TABLES))
    if data.draw(st.integers(0, 9)) == 0:
        table = data.draw(arrays([3, 256], table.dtype))
    sizes = [sum(counts)] if data.draw(st.booleans()) else [len(counts), max(counts, default=1)]
    out = data.draw(arrays([*sizes, 3, height, width], table.dtype))
    num_threads = data.draw(st.sampled_from([1, 1, 2, 3, 0, -1, 256, 257]))
    # Not a copy: the twin has to see the same strides.
    before = out.copy()
    expected = outcome(lambda: pack_normalize(clips, table, out, num_threads=num_threads))
    packed = out.copy()
    if out.flags.writeable:
        out[...] = before
    assert outcome(lambda: seqnative.pack_normalize(clips, table, out, num_threads)) == expected
    assert out.tobytes() == packed.tobytes()


@FUZZED
@given(st.data())
def test_the_aligner_never_reads_outside(data: st.DataObject) -> None:
    """Sentences with at most two wrong numbers; what METEOR makes of them is tested elsewhere."""
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4))
    vocabulary = data.draw(st.integers(1, 4))
    words = st.lists(st.integers(0, vocabulary - 1), min_size=sum(lengths), max_size=sum(lengths))
    synsets = data.draw(st.lists(st.integers(0, 2), min_size=vocabulary, max_size=vocabulary))
    arguments: dict[str, np.ndarray] = {
        "starts": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "words": np.array(data.draw(words), dtype=np.int32),
        "stems": np.zeros(vocabulary, dtype=np.int32),
        "table_words": np.full(vocabulary, -1, dtype=np.int32),
        "is_function": np.ones(vocabulary, dtype=np.uint8),
        "synset_starts": np.concatenate([[0], np.cumsum(synsets)]).astype(np.int64),
        "synsets": np.arange(sum(synsets), dtype=np.int32),
        "hypotheses": np.zeros(2, dtype=np.int64),
        "references": np.full(2, len(lengths) - 1, dtype=np.int64),
    }
    for name in data.draw(st.lists(st.sampled_from(sorted(arguments)), max_size=2)):
        array = arguments[name]
        if len(array) and data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(array) - 1))
            info = np.iinfo(array.dtype)
            array[place] = min(max(data.draw(INTEGERS), info.min), info.max)
        else:
            arguments[name] = array[: data.draw(st.integers(0, len(array)))]
    outcome(lambda: seqnative.MeteorAligner().statistics(**arguments))

"""Compiled packing gives the bits and the errors of its specification, `seqsynth.frame_packing`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

from seqsynth.frame_packing import pack_normalize, pixel_table  # noqa: E402

TABLES = {
    "float32": pixel_table((0.4, 0.5, 0.6), (0.2, 0.3, 0.1)),
    "bfloat16": pixel_table((0.4, 0.5, 0.6), (0.2, 0.3, 0.1), dtype="bfloat16"),
}
UNTOUCHED = 77


def strided(draw: st.DrawFn, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random pixels of this shape, in memory as they come or as a view of something larger."""
    steps = [draw(st.sampled_from([1, 1, 1, 2, -1])) for _ in shape]
    margins = [draw(st.sampled_from([0, 0, 3])) for _ in shape]
    sizes = [n * abs(step) + margin for n, step, margin in zip(shape, steps, margins, strict=True)]
    whole = rng.integers(0, 256, sizes, dtype=np.uint8)
    places = []
    for n, step, margin in zip(shape, steps, margins, strict=True):
        picked = np.arange(n) * abs(step) + margin
        start, last = (picked[0], picked[-1]) if n else (0, 0)
        if step < 0:
            start, last = last, start
        stop = last + (1 if step > 0 else -1) if n else start
        places.append(slice(start, None if stop < 0 else stop, step))
    return whole[tuple(places)]


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[np.ndarray], np.ndarray, np.ndarray, int]:
    """Clips, a table, an output that is full of something else, and a number of threads."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    height = draw(st.integers(0, 6))
    width = draw(st.one_of(st.integers(0, 19), st.integers(50, 200)))  # 64 pixels are done at once
    counts = draw(st.lists(st.integers(0, 5), max_size=5))
    table = TABLES[draw(st.sampled_from(sorted(TABLES)))]
    clips = []
    for count in counts:
        is_frame = count == 1 and draw(st.booleans())
        shape = (height, width, 3) if is_frame else (count, height, width, 3)
        clips.append(strided(draw, rng, shape))
    if draw(st.booleans()):
        out = np.full((sum(counts), 3, height, width), UNTOUCHED, dtype=table.dtype)
    else:
        num_frames = max(counts, default=0) + draw(st.integers(0, 2))
        shape = (len(counts), num_frames, 3, height, width)
        if draw(st.booleans()):
            out = np.full(shape, UNTOUCHED, dtype=table.dtype)
        else:
            swapped = (shape[0], 3, num_frames, height, width)
            out = np.full(swapped, UNTOUCHED, dtype=table.dtype).swapaxes(1, 2)
    return clips, table, out, draw(st.integers(1, 4))


@settings(max_examples=200)
@given(batches())
def test_batches_are_bit_equal(
    batch: tuple[list[np.ndarray], np.ndarray, np.ndarray, int],
) -> None:
    clips, table, out, num_threads = batch
    expected = out.copy()
    pack_normalize(clips, table, expected)
    seqnative.pack_normalize(clips, table, out, num_threads)
    assert out.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", sorted(TABLES))
@pytest.mark.parametrize(
    "shape", [(60, 224, 224), (60, 223, 223), (48_000, 7, 9)], ids=["round", "odd", "small"]
)
def test_batches_that_leave_the_caches_are_bit_equal(
    dtype: str, shape: tuple[int, int, int]
) -> None:
    table = TABLES[dtype]
    clip = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    # One value before the planes and one behind, so that nothing lies at a round address.
    room = np.full(clip.size + 2, UNTOUCHED, dtype=table.dtype)
    out = room[1:-1].reshape(shape[0], 3, *shape[1:])
    seqnative.pack_normalize([clip[:7], clip[7:]], table, out, 2)
    for channel in range(3):
        np.testing.assert_array_equal(out[:, channel], table[channel][clip[..., channel]])
    assert room[0] == room[-1] == UNTOUCHED


@pytest.mark.parametrize("shape", [(1, 5, 7), (60, 224, 224)])
def test_unaligned_output_is_written(shape: tuple[int, int, int]) -> None:
    clip = np.random.default_rng(2).integers(0, 256, (*shape, 3), dtype=np.uint8)
    table = TABLES["float32"]
    room = np.zeros(clip.size * 4 + 1, dtype=np.uint8)
    out = room[1:].view(np.float32).reshape(shape[0], 3, *shape[1:])
    seqnative.pack_normalize([clip], table, out)
    np.testing.assert_array_equal(out[:, 1], table[1][clip[..., 1]])


CLIP = np.zeros((2, 4, 6, 3), dtype=np.uint8)
OUT = np.zeros((3, 3, 4, 6), dtype=np.float32)
PADDED = np.zeros((2, 2, 3, 4, 6), dtype=np.float32)
READ_ONLY = np.zeros((3, 3, 4, 6), dtype=np.float32)
READ_ONLY.setflags(write=False)
TABLE = TABLES["float32"]


@pytest.mark.parametrize(
    ("clips", "table", "out", "num_threads", "error", "text"),
    [
        ([CLIP], TABLE.astype(np.float64), OUT, 1, TypeError, "table is float64"),
        ([CLIP], TABLE.astype(">f4"), OUT, 1, TypeError, "table is >f4"),
        ([CLIP], TABLE[:, :255], OUT, 1, ValueError, "got shape (3, 255)"),
        ([CLIP], TABLE.T.copy().T, OUT, 1, ValueError, "table must be contiguous"),
        ([CLIP], TABLE, OUT.astype(np.uint16), 1, TypeError, "out is uint16, expected float32"),
        ([CLIP], TABLE, OUT[:, :2], 1, ValueError, "got shape (3, 2, 4, 6)"),
        ([CLIP], TABLE, OUT[0], 1, ValueError, "got shape (3, 4, 6)"),
        ([CLIP], TABLE, READ_ONLY, 1, ValueError, "out cannot be written to"),
        ([CLIP], TABLE, OUT[..., ::2], 1, ValueError, "must lie one after another"),
        ([CLIP], TABLE, OUT[..., :5], 1, ValueError, "got strides (288, 96, 24, 4)"),
        ([CLIP], TABLE, OUT, 0, ValueError, "num_threads = 0"),
        ([CLIP], TABLE, OUT, 257, ValueError, "num_threads = 257"),
        ([CLIP, CLIP.astype(np.int8)], TABLE, OUT, 1, TypeError, "clips[1] is int8"),
        ([CLIP, [1, 2]], TABLE, OUT, 1, TypeError, "clips[1] is list"),
        ([CLIP, None], TABLE, OUT, 1, TypeError, "clips[1] is NoneType"),
        ([CLIP, CLIP[:, :3]], TABLE, OUT, 1, ValueError, "clips[1] has shape (2, 3, 6, 3)"),
        ([CLIP[..., :1]], TABLE, OUT, 1, ValueError, "expected (F, 4, 6, 3) or (4, 6, 3)"),
        ([CLIP[0, 0]], TABLE, OUT, 1, ValueError, "clips[0] has shape (6, 3)"),
        ([CLIP, CLIP], TABLE, OUT, 1, ValueError, "the clips have 4 frames, out has 3"),
        ([], TABLE, OUT, 1, ValueError, "the clips have 0 frames, out has 3"),
        ([CLIP], TABLE, PADDED, 1, ValueError, "there are 1 clips, out has 2 rows"),
        ([CLIP, CLIP], TABLE, PADDED[:, :1], 1, ValueError, "clips[0] has 2 frames, out has 1"),
    ],
)
def test_calls_are_refused_alike(
    clips: list[Any],
    table: np.ndarray,
    out: np.ndarray,
    num_threads: int,
    error: type[Exception],
    text: str,
) -> None:
    def error_of(pack: Callable[..., None]) -> Exception:
        with pytest.raises(error) as caught:
            pack(clips, table, out, num_threads=num_threads)
        return caught.value

    got = error_of(seqnative.pack_normalize)
    assert str(got) == str(error_of(pack_normalize))
    assert text in str(got)


def test_other_threads_run_while_frames_are_packed(
    turns_during: Callable[[Callable[[], object]], int],
) -> None:
    frames = np.broadcast_to(np.zeros((224, 224, 3), dtype=np.uint8), (1000, 224, 224, 3))
    planes = np.zeros((1, 3, 224, 224), dtype=np.float32)
    # All frames go to one place: a long call in little memory.
    out = as_strided(planes, (1000, *planes.shape[1:]), (0, *planes.strides[1:]))
    assert turns_during(lambda: seqnative.pack_normalize([frames], TABLE, out)) >= 200

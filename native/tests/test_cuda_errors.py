"""What packing on the GPU refuses, without one: checks come before anything is started."""

import importlib.util
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

from seqsynth.frame_packing import pack_normalize, pixel_table  # noqa: E402

if importlib.util.find_spec("seqnative._cuda") is None:
    pytest.skip("seqnative was built without CUDA kernels", allow_module_level=True)


@dataclass
class Pretended:
    """Says that an array lies in device memory; for calls that are refused before it is read."""

    array: np.ndarray

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        facts = self.array.__array_interface__
        return {
            "shape": self.array.shape,
            "strides": self.array.strides,
            "typestr": facts["typestr"],
            "data": facts["data"],
            "version": 3,
        }


CLIP = np.zeros((2, 4, 6, 3), dtype=np.uint8)
OUT = np.zeros((3, 3, 4, 6), dtype=np.float32)
PADDED = np.zeros((2, 2, 3, 4, 6), dtype=np.float32)
READ_ONLY = np.zeros((3, 3, 4, 6), dtype=np.float32)
READ_ONLY.setflags(write=False)
TABLE = pixel_table((0.4, 0.5, 0.6), (0.2, 0.3, 0.1))


def refused(clips: list[np.ndarray], table: np.ndarray, out: np.ndarray) -> Exception:
    with pytest.raises((TypeError, ValueError)) as caught:
        seqnative.pack_normalize_on_device(
            [Pretended(clip) for clip in clips], Pretended(table), Pretended(out)
        )
    return caught.value


@pytest.mark.parametrize(
    ("clips", "table", "out"),
    [
        ([CLIP], TABLE[:, :255], OUT),
        ([CLIP], TABLE.T.copy().T, OUT),
        ([CLIP], TABLE, OUT[:, :2]),
        ([CLIP], TABLE, OUT[0]),
        ([CLIP], TABLE, READ_ONLY),
        ([CLIP], TABLE, OUT[..., ::2]),
        ([CLIP, CLIP[:, :3]], TABLE, OUT),
        ([CLIP[0, 0]], TABLE, OUT),
        ([CLIP, CLIP], TABLE, OUT),
        ([], TABLE, OUT),
        ([CLIP], TABLE, PADDED),
        ([CLIP, CLIP], TABLE, PADDED[:, :1]),
    ],
)
def test_shapes_are_refused_as_by_the_twin(
    clips: list[np.ndarray], table: np.ndarray, out: np.ndarray
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the words are compared below
        pack_normalize(clips, table, out)
    got = refused(clips, table, out)
    assert type(got) is ValueError
    assert str(got) == str(caught.value)


@pytest.mark.parametrize(
    ("clips", "table", "out", "error", "text"),
    [
        ([CLIP], TABLE.astype(np.float64), OUT, TypeError, "table is <f8"),
        ([CLIP], TABLE, OUT.astype(np.uint16), TypeError, "out is <u2, expected <f4"),
        ([CLIP, CLIP.astype(np.int8)], TABLE, OUT, TypeError, "clips[1] is |i1"),
        ([CLIP, CLIP[..., ::-1]], TABLE, OUT, ValueError, "clips[1]: the pixels of a row"),
        ([CLIP[:, :, ::-1]], TABLE, OUT, ValueError, "clips[0]: the pixels of a row"),
    ],
)
def test_what_the_device_cannot_take_is_named(
    clips: list[np.ndarray],
    table: np.ndarray,
    out: np.ndarray,
    error: type[Exception],
    text: str,
) -> None:
    got = refused(clips, table, out)
    assert type(got) is error
    assert text in str(got)


def test_arrays_in_host_memory_are_refused() -> None:
    with pytest.raises(TypeError, match="out is ndarray, expected an array in device memory"):
        seqnative.pack_normalize_on_device([], Pretended(TABLE), OUT)


@pytest.mark.skipif(seqnative.cuda_device_count() > 0, reason="this machine has a GPU")
def test_without_a_device_cuda_says_why() -> None:
    with pytest.raises(RuntimeError, match="the memory of out: "):
        seqnative.pack_normalize_on_device([Pretended(CLIP)], Pretended(TABLE), Pretended(OUT[:2]))


def test_nothing_to_do_needs_no_device() -> None:
    empty = Pretended(np.zeros((0, 3, 4, 6), dtype=np.float32))
    seqnative.pack_normalize_on_device([], Pretended(TABLE), empty)

"""Decoded frames to the normalised batch that an image network reads, by table.

A pixel has 256 values, so scaling and normalising them is looking them up. That makes the result
independent of the order of operations, of the machine, and of who computes it: this module, the
compiled kernel or the one on the GPU (`seqnative`, of which it is the specification) give the same
bits, and with the tables of `pixel_table` those of the usual chain in float32,
`(x / 255 - mean) / std`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from seqsynth.clip_table import check_range

MAX_THREADS = 256
NUM_CHANNELS = 3
NUM_VALUES = 256

Uint8Array = NDArray[np.uint8]
PixelTable = NDArray[np.float32] | NDArray[np.uint16]


def pixel_table(
    mean: Sequence[float],
    std: Sequence[float],
    *,
    dtype: Literal["float32", "bfloat16"] = "float32",
) -> PixelTable:
    """What each value of each channel becomes.

    Args:
        mean: of each channel, over pixels from 0 to 1.
        std: likewise, positive.
        dtype: bfloat16 is float32 rounded to nearest, ties to even, and comes as its bits.

    Returns:
        (3, 256) float32, or uint16 with the bits of bfloat16.

    Raises:
        ValueError: not three numbers, one that is not finite, or a deviation that is not positive.

    Example:
        >>> table = pixel_table((0.5, 0.5, 0.5), (0.25, 0.5, 1.0))
        >>> table[:, 255].tolist()
        [2.0, 1.0, 0.5]
    """
    columns = []
    for name, numbers in (("mean", mean), ("std", std)):
        column = np.asarray(numbers, dtype=np.float32)
        if column.shape != (NUM_CHANNELS,):
            raise ValueError(f"{name} must be {NUM_CHANNELS} numbers, got {numbers!r}")
        for channel, number in enumerate(column.tolist()):
            if not np.isfinite(number) or (name == "std" and number <= 0):
                wanted = "finite" if name == "mean" else "positive and finite"
                raise ValueError(f"{name}[{channel}] = {number} must be {wanted}")
        columns.append(column[:, None])
    values = np.arange(NUM_VALUES, dtype=np.float32)
    table: NDArray[np.float32] = (values / np.float32(255) - columns[0]) / columns[1]
    if dtype == "float32":
        return table
    if dtype != "bfloat16":
        raise ValueError(f"unknown dtype {dtype!r}; one of: float32, bfloat16")
    bits = table.view(np.uint32)
    rounded: NDArray[np.uint16] = (bits + 0x7FFF + (bits >> 16 & 1) >> 16).astype(np.uint16)
    return rounded


def pack_normalize(
    clips: Sequence[Uint8Array], table: PixelTable, out: PixelTable, *, num_threads: int = 1
) -> None:
    """Writes frames into a batch that is there already, channels before rows.

    Args:
        clips: each (F, H, W, 3) uint8, or one frame (H, W, 3). F may differ, and any view will do:
            cropped, mirrored, every other frame.
        table: see `pixel_table`; any other of its shape will do.
        out: (N, 3, H, W), the dtype of the table: the frames of all clips, one clip after another.
            Or (B, F, 3, H, W): one row a clip, zeros after its last frame. Rows of a plane lie one
            after another in memory, all else as you like: for (B, 3, F, H, W) give a view with the
            axes 1 and 2 exchanged. It must not share memory with the clips.
        num_threads: this implementation takes the number and uses one.

    Raises:
        TypeError: a clip that is not uint8, or an `out` that is not what the table is; names it.
        ValueError: shapes that do not go together, or an `out` that cannot be written to.

    Example:
        >>> clips = [np.full((n, 2, 2, 3), 255, dtype=np.uint8) for n in (1, 3)]
        >>> out = np.empty((2, 3, 3, 2, 2), dtype=np.float32)
        >>> pack_normalize(clips, pixel_table((0, 0, 0), (1, 1, 1)), out)
        >>> out[:, :, 0, 0, 0].tolist()
        [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """
    _check_table(table)
    _check_out(out, table)
    check_range("num_threads", num_threads, 1, MAX_THREADS)
    for number, clip in enumerate(clips):
        _check_clip(number, clip, out)
    _check_room(clips, out)
    first = 0
    for row, clip in enumerate(clips):
        frames = clip[None] if clip.ndim == 3 else clip
        if out.ndim == 4:
            places = out[first : first + len(frames)]
            first += len(frames)
        else:
            places = out[row, : len(frames)]
            out[row, len(frames) :] = 0
        for place, frame in zip(places, frames, strict=True):
            for channel in range(NUM_CHANNELS):
                place[channel] = table[channel][frame[..., channel]]


def _check_table(table: PixelTable) -> None:
    if table.dtype not in (np.float32, np.uint16):
        raise TypeError(f"table is {table.dtype}, expected float32 or uint16 (bits of bfloat16)")
    if table.shape != (NUM_CHANNELS, NUM_VALUES):
        raise ValueError(f"table must have shape (3, 256), got shape {table.shape}")
    if not table.flags.c_contiguous:
        raise ValueError("table must be contiguous")


def _check_out(out: PixelTable, table: PixelTable) -> None:
    if out.dtype != table.dtype:
        raise TypeError(f"out is {out.dtype}, expected {table.dtype}, as the table is")
    if out.ndim not in (4, 5) or out.shape[-3] != NUM_CHANNELS:
        raise ValueError(
            f"out must have shape (N, 3, H, W) or (B, F, 3, H, W), got shape {out.shape}"
        )
    if not out.flags.writeable:
        raise ValueError("out cannot be written to")
    height, width = out.shape[-2:]
    row_step, step = out.strides[-2:]
    in_order = (width == 1 or step == out.itemsize) and (
        height == 1 or row_step == width * out.itemsize
    )
    if out.size and not in_order:
        raise ValueError(
            f"the rows of a plane of out must lie one after another, got strides {out.strides}"
        )


def _check_clip(number: int, clip: Any, out: PixelTable) -> None:
    if not isinstance(clip, np.ndarray) or clip.dtype != np.uint8:
        got = clip.dtype if isinstance(clip, np.ndarray) else type(clip).__name__
        raise TypeError(f"clips[{number}] is {got}, expected an array of uint8")
    frame = (*out.shape[-2:], NUM_CHANNELS)
    if clip.ndim not in (3, 4) or clip.shape[-3:] != frame:
        height, width, _ = frame
        raise ValueError(
            f"clips[{number}] has shape {clip.shape}, expected (F, {height}, {width}, 3) "
            f"or ({height}, {width}, 3)"
        )


def _check_room(clips: Sequence[Uint8Array], out: PixelTable) -> None:
    counts = [1 if clip.ndim == 3 else len(clip) for clip in clips]
    if out.ndim == 4:
        if sum(counts) != len(out):
            raise ValueError(f"the clips have {sum(counts)} frames, out has {len(out)}")
        return
    if len(clips) != len(out):
        raise ValueError(f"there are {len(clips)} clips, out has {len(out)} rows")
    for number, count in enumerate(counts):
        if count > out.shape[1]:
            raise ValueError(f"clips[{number}] has {count} frames, out has {out.shape[1]} a row")

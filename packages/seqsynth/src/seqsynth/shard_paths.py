"""Paths of pictures that lie inside a tar or parquet file, and how to open them.

`shards/0001.tar::1536:20480` is the 20480 bytes from byte 1536 on; `train-0.parquet::17` is the
picture of row 17. Such a path goes wherever the path of a file goes.
"""

from __future__ import annotations

import functools
import io
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

IMAGE_COLUMN = "image"
"""Column of the pictures in a parquet file: a struct with the field `bytes`, or bytes."""

_SHARD = re.compile(r"(?P<file>.+\.(?:tar|parquet))::(?P<offset>\d+)(?::(?P<size>\d+))?", re.DOTALL)


def shard_path(path: str, offset: int, num_bytes: int | None = None) -> str:
    """The path of something inside a shard.

    Example:
        >>> shard_path("train-0.parquet", 17)
        'train-0.parquet::17'
    """
    return f"{path}::{offset}" if num_bytes is None else f"{path}::{offset}:{num_bytes}"


def media_file(path: str) -> str:
    """The file that has to be there for `open_media`: the shard, or the path itself.

    Example:
        >>> media_file("train-0.parquet::17")
        'train-0.parquet'
    """
    match = _SHARD.fullmatch(path)
    return path if match is None or Path(path).is_file() else match["file"]


def open_media(path: str) -> IO[bytes]:
    """Opens a file, or what lies inside a shard, for reading.

    Raises:
        OSError: it cannot be read.
        ValueError: the shard has no such row, or ends before the last byte.
    """
    match = _SHARD.fullmatch(path)
    if match is None or Path(path).is_file():
        return Path(path).open("rb")
    shard, offset = match["file"], int(match["offset"])
    if match["size"] is None:
        return io.BytesIO(_parquet_picture(shard, offset))
    size = int(match["size"])
    with Path(shard).open("rb") as handle:
        handle.seek(offset)
        content = handle.read(size)
    if len(content) < size:
        raise ValueError(f"{shard} ends {size - len(content)} bytes before the end of {path}")
    return io.BytesIO(content)


def _parquet_picture(shard: str, row: int) -> bytes:
    import pyarrow.parquet as pq

    metadata, ends = _parquet_groups(shard)
    group = int(np.searchsorted(ends, row, side="right"))
    if group == len(ends):
        raise ValueError(f"{shard} has {ends[-1] if len(ends) else 0} rows, no row {row}")
    first = int(ends[group - 1]) if group else 0
    with pq.ParquetFile(shard, metadata=metadata) as file:
        pictures = file.read_row_group(group, columns=[IMAGE_COLUMN]).column(0)
    picture = pictures[row - first].as_py()
    content = picture.get("bytes") if isinstance(picture, dict) else picture
    if not content:
        raise ValueError(f"{shard} has no picture in row {row}")
    return bytes(content)


@functools.lru_cache(maxsize=64)
def _parquet_groups(shard: str) -> tuple[Any, Any]:
    """Metadata of the file, and the number of rows up to the end of each of its row groups."""
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(shard)
    sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
    return metadata, np.cumsum(sizes)

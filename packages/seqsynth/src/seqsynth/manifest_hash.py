"""The content hash of a manifest: sha256 over its rows, however they are divided into batches.

Every column is a few streams of bytes: which values are there, how long each is, and the values one
after another. Cutting the rows elsewhere cuts the streams elsewhere and leaves their bytes alone.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ContentHash:
    """Collects batches in order; equal rows in equal order give equal hashes."""

    def __init__(self) -> None:
        self._streams: dict[str, Any] = {}

    def update(self, batch: pa.RecordBatch) -> None:
        """Adds the rows of a batch."""
        for field, column in zip(batch.schema, batch.columns, strict=True):
            self._add_array(field.name, column)

    def hexdigest(self) -> str:
        """The hash of all rows so far; of no rows it is that of no bytes."""
        total = hashlib.sha256()
        for name in sorted(self._streams):
            total.update(name.encode() + b"\0" + self._streams[name].digest())
        return total.hexdigest()

    def _add_array(self, name: str, array: pa.Array) -> None:
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        self._add_bytes(f"{name}:valid", np.asarray(array.is_valid()).astype(np.uint8))
        if pa.types.is_string(array.type):
            filled = array.fill_null("")
            self._add_bytes(f"{name}:length", _as_int64(pc.binary_length(filled)))
            self._add_bytes(f"{name}:value", _string_bytes(filled))
        elif pa.types.is_list(array.type):
            self._add_bytes(f"{name}:length", _as_int64(pc.list_value_length(array).fill_null(0)))
            self._add_array(f"{name}[]", array.flatten())
        elif pa.types.is_struct(array.type):
            for field, child in zip(array.type, array.flatten(), strict=True):
                self._add_array(f"{name}.{field.name}", child)
        else:
            values = array.fill_null(0).to_numpy(zero_copy_only=False)
            little = values.astype(values.dtype.newbyteorder("<"), copy=False)
            self._add_bytes(f"{name}:value", np.ascontiguousarray(little))

    def _add_bytes(self, name: str, data: Any) -> None:
        self._streams.setdefault(name, hashlib.sha256()).update(data)


def _as_int64(array: pa.Array) -> Any:
    return np.ascontiguousarray(array.to_numpy(zero_copy_only=False).astype("<i8"))


def _string_bytes(array: pa.Array) -> Any:
    """The UTF-8 of all strings, one after another."""
    _, offsets_buffer, data = array.buffers()
    if len(array) == 0 or data is None:
        return b""
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)
    start, end = offsets[array.offset], offsets[array.offset + len(array)]
    return memoryview(data)[int(start) : int(end)]

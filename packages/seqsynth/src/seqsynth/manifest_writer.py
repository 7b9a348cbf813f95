"""Writing a manifest: rows in any number, one at a time, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pyarrow as pa

import timetokens as tt
from seqsynth.example_files import naming
from seqsynth.manifest_hash import ContentHash
from seqsynth.manifest_schema import (
    FORMAT_VERSION,
    KINDS,
    METADATA_PREFIX,
    SCHEMA,
    ManifestRow,
)
from seqsynth.records import Turn

_ROWS_PER_BATCH = 16384  # some megabytes of captions
_TIMES_PER_BATCH = 1 << 22  # 32 MiB of frame times
_COLUMNS = tuple(field.name for field in fields(ManifestRow))


class ManifestWriter:
    """Takes rows one at a time; see `writing_manifest`."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self._rows: list[ManifestRow] = []
        self._num_times = 0  # of the pending rows
        self._digest = ContentHash()
        self.num_rows = 0

    def add(self, row: ManifestRow) -> None:
        """Adds one row."""
        self._rows.append(row)
        self._num_times += len(row.pts_index or ())
        self.num_rows += 1
        if len(self._rows) == _ROWS_PER_BATCH or self._num_times >= _TIMES_PER_BATCH:
            self.flush()

    def flush(self) -> str:
        """Writes what is pending and returns the hash of all rows so far."""
        if self._rows:
            batch = _batch(self._rows)
            self._digest.update(batch)
            self._writer.write_batch(batch)
            self._rows.clear()
            self._num_times = 0
        return self._digest.hexdigest()


@contextlib.contextmanager
def writing_manifest(
    path: str | Path, *, root: str | Path, command: str
) -> Iterator[ManifestWriter]:
    """A manifest that takes the place of `path` when the block ends without an error.

    Args:
        path: the file; its folder is created when absent.
        root: what the paths of the rows are relative to.
        command: what is being run, for whoever finds the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-"
    with naming(path), tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
        rows_path, whole_path = Path(folder, "rows.arrow"), Path(folder, "whole.arrow")
        with pa.ipc.new_file(str(rows_path), SCHEMA) as file_writer:
            writer = ManifestWriter(file_writer)
            yield writer
            content_sha256 = writer.flush()
        metadata = {
            "format_version": str(FORMAT_VERSION),
            "content_sha256": content_sha256,
            "command": command,
            "root": os.fspath(Path(root).resolve()),
        }
        with contextlib.suppress(ValueError):  # on another drive of Windows
            way = os.path.relpath(Path(root).resolve(), path.parent.resolve())
            metadata["root_from_manifest"] = way
        # The hash stands in the header and is known at the end: the rows are copied behind it.
        schema = SCHEMA.with_metadata(
            {METADATA_PREFIX + key: value for key, value in metadata.items()}
        )
        with (
            pa.OSFile(str(rows_path), "rb") as source,
            pa.ipc.new_file(str(whole_path), schema) as target,
        ):
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                target.write_batch(reader.get_batch(number))
        whole_path.replace(path)


def write_manifest(
    rows: Iterable[ManifestRow], path: str | Path, *, root: str | Path, command: str
) -> int:
    """Writes rows to a manifest and returns how many; see `writing_manifest`."""
    with writing_manifest(path, root=root, command=command) as writer:
        for row in rows:
            writer.add(row)
    return writer.num_rows


def _batch(rows: Sequence[ManifestRow]) -> pa.RecordBatch:
    columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    numbers = [KINDS.index(kind) for kind in columns["kind"]]
    columns["events"] = [_events(events) for events in columns["events"]]
    columns["turns"] = [_turns(turns) for turns in columns["turns"]]
    arrays = [
        pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int8()), pa.array(KINDS))
        if field.name == "kind"
        else pa.array(columns[field.name], field.type)
        for field in SCHEMA
    ]
    return pa.record_batch(arrays, schema=SCHEMA)


def _events(events: tuple[tt.Event, ...]) -> list[tuple[float, float, str]] | None:
    return [(e.start_seconds, e.end_seconds, e.caption) for e in events] or None


def _turns(turns: tuple[Turn, ...]) -> list[tuple[str, str]] | None:
    return [(turn.prompt, turn.answer) for turn in turns] or None

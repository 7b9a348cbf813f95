"""Rows in numbered parquet files: each is there whole or not at all, and damage is named.

A folder of captions holds `captions-00000.parquet` and so on, in which every clip comes once. A
shard is written under a hidden name, flushed to the disk and renamed, so a process that is killed
loses the rows of the shard it was filling and no others.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from seqsynth.example_files import is_out_of_reach, naming, writing_alone

PREFIX = "captions-"
LOCK_NAME = ".lock"

_SHARD = re.compile(re.escape(PREFIX) + r"(\d{5,})\.parquet")
_ONCE = "delete it and run the same command again, its clips are then captioned anew"


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a folder, by number.

    Raises:
        FileNotFoundError: no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is no folder of captions; seqsynth caption writes one")
    numbered = {
        int(match[1]): path for path in folder.iterdir() if (match := _SHARD.fullmatch(path.name))
    }
    return [numbered[number] for number in sorted(numbered)]


def read_shard(path: Path, schema: pa.Schema, columns: list[str] | None = None) -> pa.Table:
    """The rows of one shard; the checksums of what is read are verified.

    Raises:
        ValueError: damaged, or not of the schema (names the file).
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            if not file.schema_arrow.equals(schema, check_metadata=False):
                raise ValueError(f"{path} does not have the columns of this version: {_ONCE}")
            return file.read(columns)
    except (pa.ArrowException, OSError) as error:
        if is_out_of_reach(error):
            raise
        reason = " ".join(str(error).split())[:160]
        raise ValueError(f"{path} is damaged ({reason}): {_ONCE}") from None


def known_ids(folder: Path, schema: pa.Schema) -> dict[str, Path]:
    """The clips of all shards, each with the shard it stands in; every byte is read and verified.

    Raises:
        ValueError: a damaged shard, or a clip that stands in two (names them).
    """
    ids: dict[str, Path] = {}
    for path in shard_paths(folder):
        for key in read_shard(path, schema).column("id").to_pylist():
            if key in ids:
                raise ValueError(
                    f"clip {key!r} stands in {ids[key]} and in {path}: delete one of the two and "
                    "run the same command again"
                )
            ids[key] = path
    return ids


def next_shard(folder: Path) -> Path:
    """The first free name: a shard that was deleted is written again under its number."""
    used = {path.name for path in shard_paths(folder)}
    number = 0
    while (name := f"{PREFIX}{number:05d}.parquet") in used:
        number += 1
    return folder / name


def write_shard(table: pa.Table, path: Path) -> None:
    """Writes a shard; it takes its name when it is on the disk."""
    hidden = path.with_name(f".{path.name}.partial")
    try:
        with naming(path):
            pq.write_table(table, hidden, compression="zstd", write_page_checksum=True)
        with hidden.open("rb+") as handle:
            os.fsync(handle.fileno())
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)  # where the disk is full


@contextlib.contextmanager
def locked(folder: Path, *paths: Path) -> Iterator[None]:
    """Makes the folder this process's own to write; the system undoes that however it ends.

    Args:
        folder: created when absent.
        paths: what is written there besides shards, see `writing_alone`.

    Raises:
        HeldError: another process writes there.
    """
    lock = writing_alone(
        folder / LOCK_NAME,
        f"captioning into {folder}",
        *paths,
        elsewhere="give each machine a folder and clips of its own (--start, --count; --captions "
        "takes several folders)",
    )
    with lock as is_alone:
        for left in folder.glob(f".{PREFIX}*.partial") if is_alone else ():
            left.unlink()  # of a run that was killed
        yield

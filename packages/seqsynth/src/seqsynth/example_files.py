"""Writes and reads files of one JSON record a line; a file is there whole or not at all."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from seqsynth.records import Example


def write_examples(
    path: Path, examples: Iterable[Example], *, media_root: str | Path | None = None
) -> int:
    """Writes one example a line and returns how many; an old file stays until all are written.

    Args:
        path: its folder is created when absent.
        examples: any number.
        media_root: see `Example.to_json`.
    """
    num_written = 0
    with replacing(path) as handle:
        for example in examples:
            handle.write(example.to_json(media_root) + "\n")
            num_written += 1
    return num_written


def write_records(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object a line, in the same way."""
    with replacing(path) as handle:
        for record in records:
            handle.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_examples(path: Path, *, media_root: str | Path | None = None) -> Iterator[Example]:
    """The examples of a file, one at a time.

    Raises:
        ValueError: names the file and the line that is no example.
    """
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                yield Example.from_json(line.decode(), media_root)
            except ValueError as error:
                raise ValueError(f"{path}:{number}: {error}") from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """A text file that takes the place of `path` when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        # Line ends are written as they are: the bytes must not depend on the system.
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            yield handle
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

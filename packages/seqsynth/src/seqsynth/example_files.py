"""Writes and reads files of JSON, most of one record a line: each is there whole or not at all."""

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from seqsynth.one_writer import one_writer
from seqsynth.records import Example

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_OUT_OF_REACH = (errno.ENOENT, errno.EACCES, errno.EPERM, *_SHORTAGE)


def write_examples(
    examples: Iterable[Example], path: str | Path, *, media_root: str | Path | None = None
) -> int:
    """Writes one example a line and returns how many; an old file stays until all are written.

    Args:
        examples: any number.
        path: its folder is created when absent.
        media_root: see `Example.to_json`.
    """
    num_written = 0
    with replacing(Path(path)) as handle:
        for example in examples:
            handle.write(example.to_json(media_root) + "\n")
            num_written += 1
    return num_written


def write_records(records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Writes one JSON object a line, in the same way."""
    with replacing(path) as handle:
        for record in records:
            handle.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_json(value: Any, path: Path) -> None:
    """Writes one JSON value that people may want to read, in the same way."""
    with replacing(path) as handle:
        handle.write(json_text(value))


def json_text(value: Any) -> str:
    """A JSON value over several lines, with a line break at its end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_examples(path: str | Path, *, media_root: str | Path | None = None) -> Iterator[Example]:
    """The examples of a file, one at a time.

    Raises:
        ValueError: names the file and the line that is no example.
    """
    with Path(path).open("rb") as handle:
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
        with naming(path), os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            yield handle
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """The error of a full disk names the file that is written: it names none of itself."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL_DISK:
            error.filename = str(path)
        raise


def is_out_of_reach(error: BaseException) -> bool:
    """Whether a file could not be opened, for reasons that say nothing of what is in it."""
    return isinstance(error, OSError) and error.errno in _OUT_OF_REACH


def is_shortage(error: BaseException) -> bool:
    """Whether memory or open files have run out, which every other file would meet too.

    FFmpeg's own error of memory is none: damaged files ask for far too much of it.
    """
    if isinstance(error, OSError):
        return error.errno in _SHORTAGE
    return isinstance(error, MemoryError) and not hasattr(error, "errno")


@contextlib.contextmanager
def writing_alone(lock_path: Path, doing: str, *paths: Path, elsewhere: str = "") -> Iterator[bool]:
    """Keeps other processes from writing the same files, and removes what a killed one has left.

    Args:
        lock_path: see `one_writer`; its folder is created when absent.
        doing: likewise.
        paths: files that `replacing` or `writing_manifest` write, beside the lock.
        elsewhere: see `one_writer`.

    Yields:
        See `one_writer`; where it is False nothing has been removed.

    Raises:
        HeldError: another process writes them.
    """
    lock_path.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(lock_path, doing, elsewhere) as is_alone:
        names = "|".join(re.escape(path.name) for path in paths)
        unfinished = re.compile(rf"\.({names})-[a-z0-9_]{{8}}")  # as tempfile names them
        for found in lock_path.parent.iterdir() if is_alone else ():
            if unfinished.fullmatch(found.name):
                shutil.rmtree(found) if found.is_dir() else found.unlink()
        yield is_alone


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

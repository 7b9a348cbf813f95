"""Writes files that are there whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file through one of another name, so that nobody ever sees half of it.

    Args:
        path: where; what is no regular file (a pipe, a terminal) is written to as it is.
        content: all of it.

    Raises:
        OSError: it cannot be written (names the file); an old file stays.
    """
    if path.exists() and not path.is_file():  # before it is resolved: a pipe has no such name
        path.write_bytes(content)
        return
    target = path.resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()

"""What is printed: messages on stderr, results on stdout, names as they are, in any locale."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from rich.console import Console


def prepare_streams() -> None:
    """A caption may hold anything; the terminal's encoding may not."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def messages(*, quiet: bool = False) -> Console:
    """Where progress goes: stderr, a line as one line, and brackets of a name no markup."""
    return Console(stderr=True, quiet=quiet, markup=False, highlight=False, soft_wrap=True)


def print_path(path: Path) -> None:
    """Prints a path in the bytes that the system knows it by, so that a script can take it."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # a stream of text alone
        sys.stdout.write(f"{path}\n")
    else:
        buffer.write(os.fsencode(path) + b"\n")
    sys.stdout.flush()


def json_text(record: Any, encoding: str | None = None) -> str:
    """JSON with the letters that an encoding has, all others as the escapes that JSON knows.

    Args:
        record: what to write.
        encoding: None: that of the terminal.
    """
    text = json.dumps(record, ensure_ascii=False, indent=2) + "\n"
    try:
        text.encode(encoding or getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(record, indent=2) + "\n"
    return text


def write_json(record: Any, target: str) -> None:
    """Writes JSON where a command's `--json` says: to a file, or to stdout where it is `-`."""
    if target == "-":
        sys.stdout.write(json_text(record))
        return
    from vidllm.run_folder import write_atomically

    write_atomically(json_text(record, "utf-8"), target)


def as_text(name: str) -> str:
    """An argument or a name whose bytes the locale could not read, read as UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")

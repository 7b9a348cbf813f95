"""What one process alone may write, and a clear word to the second one that wants to."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

log = logging.getLogger(__name__)

# Workers of a process that was killed share its lock until they see that it is gone.
_WORKERS_END_SECONDS = 10.0
_POLL_SECONDS = 0.05


class HeldError(ValueError):
    """Another process writes there; the message says which one, where, and since when."""


@contextlib.contextmanager
def one_writer(lock_path: Path, doing: str, elsewhere: str = "") -> Iterator[bool]:
    """Makes something this process's own to write; the system undoes that however it ends.

    Where the system has no such locks (Windows, some network file systems) nobody is kept out, and
    what lies there half-written may be a living process's: leave it alone where this gives False.

    Args:
        lock_path: says who holds it while the block runs, and is gone afterwards. What a killed
            process left of it holds nobody up.
        doing: what the holder does, for the message: "training into runs/a".
        elsewhere: what may be done instead while a process of another machine holds it.

    Yields:
        Whether no other process can be writing.

    Raises:
        HeldError: another process holds it.
        OSError: the file cannot be written.
    """
    try:
        import fcntl  # noqa: F401
    except ImportError:  # Windows: no advisory locks of this kind
        yield False
        return
    handle, is_locked = _held(lock_path, doing, elsewhere)
    with handle:
        handle.truncate(0)
        handle.write(json.dumps(_this_process()) + "\n")
        handle.flush()
        try:
            yield is_locked
        finally:
            with contextlib.suppress(OSError):
                lock_path.unlink()


def _held(lock_path: Path, doing: str, elsewhere: str) -> tuple[IO[str], bool]:
    """The lock file, open, and whether it is locked: some file systems have no locks."""
    give_up = time.monotonic() + _WORKERS_END_SECONDS
    while True:
        handle = lock_path.open("a+", encoding="utf-8")
        is_ours = False
        try:
            is_locked = _lock(handle)
            if is_locked is not False:
                is_ours = _is_at(lock_path, handle)
                if is_ours:
                    return handle, bool(is_locked)
                continue
            handle.seek(0)
            holder = _holder(handle.read())
        finally:
            if not is_ours:
                handle.close()
        if not _has_ended(holder) or time.monotonic() > give_up:
            instead = f", or {elsewhere}" if elsewhere and _is_elsewhere(holder) else ""
            raise HeldError(
                f"another process is {doing}{_named(holder)}: wait for it, or end it{instead}"
            )
        time.sleep(_POLL_SECONDS)


def _lock(handle: IO[str]) -> bool | None:
    """Whether the lock is ours now; None where there are no locks."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        log.warning("%s cannot be locked: %s", handle.name, error)
        return None
    return True


def _is_at(path: Path, handle: IO[str]) -> bool:
    """Whether the open file still has its name: who held it may just have removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(handle.fileno()))
    except FileNotFoundError:
        return False


def _this_process() -> dict[str, Any]:
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _holder(text: str) -> dict[str, Any]:
    """What the lock file says; {} where nothing can be read, as a moment after it was taken."""
    try:
        record = json.loads(text)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _has_ended(holder: dict[str, Any]) -> bool:
    """Whether the file is only not yet let go, or was let go just now, rather than held."""
    if not holder:
        return True
    is_here = not _is_elsewhere(holder) and isinstance(holder.get("pid"), int)
    return is_here and not is_running(holder["pid"])


def _is_elsewhere(holder: dict[str, Any]) -> bool:
    return bool(holder) and holder.get("host") != socket.gethostname()


def is_running(pid: int) -> bool:
    """Whether this machine has a process of that number; on Windows it is not known, so yes."""
    if os.name == "nt":  # there the signal 0 ends it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's; no number of a process
        return True
    return True


def _named(holder: dict[str, Any]) -> str:
    if not holder:
        return ""
    return f" (process {holder.get('pid')} on {holder.get('host')}, since {holder.get('since')})"

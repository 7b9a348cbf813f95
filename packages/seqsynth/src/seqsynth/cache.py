"""Where downloads live on this machine, and the lock that keeps two fetches apart."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

CACHE_VARIABLE = "SEQ2TIME_CACHE"


def default_cache_dir() -> Path:
    """`$SEQ2TIME_CACHE`, else `~/.cache/seq2time`; not created here."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "seq2time"


@contextlib.contextmanager
def exclusive(lock_path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Holds an advisory lock on a file; the system drops it when the process ends, however.

    Args:
        lock_path: created when absent and left in place.
        on_wait: called once when another process holds the lock, before waiting for it.

    Raises:
        OSError: the file cannot be written, or its disk has no locks.
    """
    with lock_path.open("a", encoding="utf-8") as handle:
        if not _try_lock(handle):
            on_wait()
            _wait_lock(handle)
        yield


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def _try_lock(handle: IO[str]) -> bool:
        try:
            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _wait_lock(handle: IO[str]) -> None:
        while True:  # LK_LOCK gives up after ten seconds
            with contextlib.suppress(OSError):
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)
                return

else:
    import fcntl

    def _try_lock(handle: IO[str]) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:  # as on some network file systems
            reason = f"{error.strerror}: name a folder whose disk has locks by ${CACHE_VARIABLE}"
            raise OSError(error.errno, reason, handle.name) from None
        return True

    def _wait_lock(handle: IO[str]) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX)

"""How the commands of this folder end: one line for what went wrong, and an exit status."""

import sys
from collections.abc import Callable

from seqsynth.interrupts import was_interrupted


def exit_status(name: str, work: Callable[[], None]) -> int:
    """Does the work; 0, 130 after Ctrl-C, 2 for what the caller can mend, 1 for the rest.

    Args:
        name: of the command.
        work: a second call of it goes on where a first one was stopped.
    """
    try:
        work()
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error):
            return _fail(name, "interrupted; the same command goes on", 130)
        if isinstance(error, (ValueError, FileNotFoundError)):
            return _fail(name, error, 2)
        if isinstance(error, (OSError, RuntimeError)):
            return _fail(name, error, 1)
        raise
    return 0


def _fail(name: str, error: object, status: int) -> int:
    print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    return status

"""How the commands of this folder end: one line for what went wrong, and an exit status."""

import sys
from collections.abc import Callable


def exit_status(name: str, work: Callable[[], None]) -> int:
    """Does the work; 0, 130 after Ctrl-C, 2 for what the caller can mend, 1 for the rest.

    Args:
        name: of the command.
        work: a second call of it goes on where a first one was stopped.
    """
    try:
        work()
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the same command goes on", file=sys.stderr)
        return 130
    except (ValueError, FileNotFoundError) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (OSError, RuntimeError) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0

"""What a worker process does at its start: it ends when its parent is gone, or on Ctrl-C."""

import os
import signal
import threading
from multiprocessing import parent_process


def begin_worker() -> None:
    """Is called once in a new process, in its main thread."""
    # Ctrl-C reaches every process: the parent says so, a worker has nothing to add.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    end_with_parent()


def end_with_parent() -> None:
    """A worker would wait for work for ever after its parent was killed."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

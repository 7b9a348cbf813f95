"""What a worker process does at its start: it ends on Ctrl-C, and when its parent is gone."""

import os
import signal
import threading
from multiprocessing import parent_process


def begin_worker() -> None:
    """Is called once in a new process, in its main thread."""
    # Ctrl-C reaches every process: the parent says so, a worker has nothing to add.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker would wait for work for ever after its parent was killed."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

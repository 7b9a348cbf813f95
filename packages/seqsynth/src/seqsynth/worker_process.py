"""What a worker process does at its start: it ends when its parent is gone, or on Ctrl-C."""

import os
import signal
import threading
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess


def begin_worker() -> None:
    """Is called once in a new process, in its main thread."""
    # Ctrl-C reaches every process: the parent says so, a worker has nothing to add.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    end_with_parent()


def end_with_parent() -> None:
    """A worker would wait for work for ever after its parent was killed."""
    parent = parent_process()
    if parent is None:
        return
    if not parent.is_alive():  # at once: work that waits is begun before a thread gets its turn
        os._exit(1)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)

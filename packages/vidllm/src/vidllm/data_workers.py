"""The processes that make batches: how they end, and what is said when one of them is lost."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType

from seqsynth.worker_process import end_with_parent
from vidllm import checkpoint

# What PyTorch's DataLoader says, and what it was: the number of the process, perhaps the signal.
_LOST = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:is killed by signal: (\w+))?")

_ENDING_SECONDS = 10.0  # from the closing of a process's files to the word of its end, at most


class WorkerLostError(RuntimeError):
    """A process that makes batches ended; the message says how to go on."""


def begin_data_worker(worker: int) -> None:
    """Is called once in a new worker, in its main thread.

    A terminal sends Ctrl-C, and a scheduler SIGTERM, to every process of a run. Workers pass it
    over: the step in progress still needs their batches, the trainer ends them after it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _pass_over_once)
    sys.excepthook = _say_but_of_connections
    end_with_parent()


def _say_but_of_connections(
    kind: type[BaseException], error: BaseException, where: TracebackType | None
) -> None:
    """A run that ends breaks off fetching a batch, of which Python would print a traceback here."""
    if not issubclass(kind, (ConnectionError, EOFError)):
        sys.__excepthook__(kind, error, where)


def _pass_over_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def naming_lost_workers(run_dir: Path, num_workers: int) -> Iterator[None]:
    """Says of a worker that ended what that means for the run.

    Args:
        run_dir: where the run stands.
        num_workers: where there are none, every error stays what it is.

    Raises:
        WorkerLostError: one was killed, mostly because the machine's memory was full.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        lost = _lost_worker(error) if num_workers else None
        if lost is None:
            raise
        number, by_signal = lost
        kept = checkpoint.named(run_dir)
        stands = f"the run stands at step {kept[0].step}" if kept else "there is no checkpoint yet"
        # PyTorch does not always learn of the signal before it learns of the end.
        how = f"was ended by the signal {by_signal!r}" if by_signal else "ended too early"
        raise WorkerLostError(
            f"a process that makes batches ({number}) {how}, mostly for want of memory; {stands}: "
            f"continue it with --resume {run_dir}, perhaps with a lower --data.num-workers"
        ) from error


def _lost_worker(error: Exception) -> tuple[str, str | None] | None:
    """The number of the process that an error comes from, and the signal; None for other errors.

    A batch is fetched through a connection to the process that made it, which breaks off a little
    before the system says that the process has ended.
    """
    if not isinstance(error, RuntimeError):
        told = _word_of_torch()
        return _lost_worker(told) if told is not None else None
    said = _LOST.search(str(error))
    return (said[1], said[2]) if said else None


def _word_of_torch() -> RuntimeError | None:
    """What PyTorch says of a worker that has just ended; None where none ends in time."""
    from torch._C import _error_if_any_worker_fails

    give_up = time.monotonic() + _ENDING_SECONDS
    try:
        while time.monotonic() < give_up:
            _error_if_any_worker_fails()
            time.sleep(0.01)  # within it PyTorch may learn of the end by a signal, and says so
    except RuntimeError as told:
        return told
    return None

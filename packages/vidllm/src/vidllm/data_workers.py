"""The processes that make batches: how they end, and what is said when one of them is lost."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from seqsynth.worker_process import end_with_parent
from vidllm import checkpoint

# What PyTorch's DataLoader says, and what it was: the number of the process, perhaps the signal.
_LOST = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\) (?:is killed by signal: (\w+))?")


class WorkerLostError(RuntimeError):
    """A process that makes batches ended; the message says how to go on."""


def begin_data_worker(worker: int) -> None:
    """Is called once in a new worker, in its main thread.

    A terminal sends Ctrl-C, and a scheduler SIGTERM, to every process of a run. Workers pass it
    over: the step in progress still needs their batches, the trainer ends them after it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _pass_over_once)
    end_with_parent()


def _pass_over_once(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def naming_lost_workers(run_dir: Path) -> Iterator[None]:
    """Says of a worker that ended what that means for the run.

    Raises:
        WorkerLostError: one was killed, mostly because the machine's memory was full.
    """
    try:
        yield
    except RuntimeError as error:
        lost = _LOST.search(str(error))
        if lost is None:
            raise
        kept = checkpoint.named(run_dir)
        stands = f"the run stands at step {kept[0].step}" if kept else "there is no checkpoint yet"
        # PyTorch does not always learn of the signal before it learns of the end.
        how = f"was ended by the signal {lost[2]!r}" if lost[2] else "ended too early"
        raise WorkerLostError(
            f"a process that makes batches ({lost[1]}) {how}, mostly for want of memory; {stands}: "
            f"continue it with --resume {run_dir}, perhaps with a lower --data.num-workers"
        ) from error

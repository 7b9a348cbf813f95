"""Runs of a table several at a time, each in a process with its share of the cores.

A model of this size gains little from a second core; a second run beside the first does.
"""

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path

from rich.console import Console

import timetokens as tt
from reproduction.codecs import CODES_BY_DIGITS
from reproduction.experiment import Run, answers_of, prepare
from reproduction.sizes import Size
from reproduction.tables import Table
from seqsynth.worker_process import end_with_parent
from vidllm.cli import quiet_libraries


def run_side_by_side(
    size: Size, table: Table, runs: Mapping[str, Sequence[Run]], out: Path, console: Console
) -> None:
    """Trains and asks every run; what is kept already costs a look.

    Args:
        size: of the runs; says how many at a time.
        table: what they are asked for.
        runs: of each row, by its label, one for each seed.
        out: where benchmarks are kept.
        console: gets a line for each run that has ended.

    Raises:
        KeyboardInterrupt: a signal stopped them; the same call goes on.
        FileNotFoundError: data has not been fetched (says what to run).
        RuntimeError: the system ended one of the processes.
    """
    prepare(size, table, [of_row[0].config for of_row in runs.values()], out, console)
    # Rows that train the same share a folder, which two processes must not write.
    jobs = {run.folder: run for of_row in runs.values() for run in of_row}
    waiting = iter(jobs.values())
    threads = max((os.cpu_count() or 1) // size.num_jobs, 1)
    context = multiprocessing.get_context("spawn")
    running: dict[Future[float], str] = {}
    num_done = 0
    try:
        with ProcessPoolExecutor(size.num_jobs, context, _begin, (threads,)) as pool:
            while True:
                # Never more than can run: what a pool has taken it finishes, whatever happens.
                for run in islice(waiting, size.num_jobs - len(running)):
                    running[pool.submit(_seconds_of, size, table, run, out)] = run.label
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    num_done += 1
                    label, seconds = running.pop(future), future.result()
                    console.print(f"{label}: {seconds:.0f} s ({num_done} of {len(jobs)})")
    except BrokenProcessPool:
        raise RuntimeError(
            f"one of {size.num_jobs} processes was ended from outside, mostly for want of memory: "
            "the same command goes on, --jobs 1 needs least"
        ) from None


def _begin(threads: int) -> None:
    """In a new process, before its first run."""
    import torch

    end_with_parent()
    quiet_libraries()
    torch.set_num_threads(min(threads, torch.get_num_threads()))
    tt.CODECS.update(CODES_BY_DIGITS)


def _seconds_of(size: Size, table: Table, run: Run, out: Path) -> float:
    """How long a run took, which says nothing."""
    began = time.monotonic()
    answers_of(size, table, run, out, Console(quiet=True))
    return time.monotonic() - began

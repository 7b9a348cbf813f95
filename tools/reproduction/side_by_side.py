"""Runs of a table several at a time, each in a process with its share of the cores.

A model of this size gains little from a second core; a second run beside the first does.
"""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from rich.console import Console

import timetokens as tt
from reproduction.codecs import CODES_BY_DIGITS
from reproduction.experiment import answers_of, prepare
from reproduction.sizes import Size
from reproduction.tables import Row, Table
from vidllm.cli import quiet_libraries


def run_side_by_side(size: Size, table: Table, out: Path, console: Console) -> None:
    """Trains and asks every row with every seed; what is kept already costs a look.

    Args:
        size: of the runs; says how many at a time.
        table: whose rows are run.
        out: where runs are kept.
        console: gets a line for each run that has ended.

    Raises:
        KeyboardInterrupt: a signal stopped them; the same call goes on.
        FileNotFoundError: data has not been fetched (says what to run).
        RuntimeError: the system ended one of the processes.
    """
    prepare(size, table, out, console)
    threads = max((os.cpu_count() or 1) // size.num_jobs, 1)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(size.num_jobs, context, initializer=_begin, initargs=(threads,))
    try:
        labels = {
            pool.submit(_run, size, table, row, seed, out): f"{row.label!r} with seed {seed}"
            for row in table.rows
            for seed in size.seeds
        }
        for number, future in enumerate(as_completed(labels), 1):
            seconds = future.result()
            console.print(f"{labels[future]}: {seconds:.0f} s ({number} of {len(labels)})")
    except BrokenProcessPool:
        raise RuntimeError(
            f"one of {size.num_jobs} processes was ended from outside, mostly for want of memory: "
            "the same command goes on, --jobs 1 needs least"
        ) from None
    finally:  # runs that have begun end their step, or are asked to the end
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """In a new process, before its first run."""
    import torch

    quiet_libraries()
    torch.set_num_threads(threads)
    tt.CODECS.update(CODES_BY_DIGITS)


def _run(size: Size, table: Table, row: Row, seed: int, out: Path) -> float:
    """One run, silently; how long it took."""
    began = time.monotonic()
    answers_of(size, table, row, seed, out, Console(quiet=True))
    return time.monotonic() - began

"""A command in a child process that is forked: killing it costs no new start of the interpreter."""

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from vidllm import cli


@dataclass(frozen=True, slots=True)
class Child:
    """A command that runs; `log` gets all that it prints, stdout too.

    It leads a process group of its own, as the command of a terminal does.
    """

    process: BaseProcess
    log: Path

    @property
    def pid(self) -> int:
        """Of the process and of its group."""
        assert self.process.pid is not None
        return self.process.pid

    def ended(self, timeout_seconds: float = 250.0) -> int:
        """Waits for its end; the exit status, negative for a signal."""
        self.process.join(timeout_seconds)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"it hangs: {self.said()}")
        return self.process.exitcode

    def said(self) -> str:
        """All that was printed so far."""
        return self.log.read_text("utf-8")

    def workers(self) -> list[int]:
        """Processes that it started and that run."""
        found = []
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                is_own = f"\nPPid:\t{self.pid}\n" in status.read_text("utf-8")
            except OSError:  # it has just ended
                continue
            found += [int(status.parent.name)] if is_own else []
        return sorted(found)


def started(words: Sequence[str], log: Path, before: Callable[[], None] = lambda: None) -> Child:
    """Starts a command of vidllm; Ctrl-C finds it in its `main` when this has returned.

    Args:
        words: as typed after `vidllm`.
        log: where it prints.
        before: what is done in the child first.
    """
    reading, writing = os.pipe()
    process = multiprocessing.get_context("fork").Process(
        target=_child, args=(words, log, before, writing)
    )
    process.start()
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    return Child(process, log)


def at(place: tuple[object, str], number: int, act: Callable[[], None]) -> None:
    """Acts when a function is called for the n-th time, before it does anything."""
    owner, name = place
    original = getattr(owner, name)
    calls = []

    def counting(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == number:
            act()
        return original(*args, **kwargs)

    setattr(owner, name, counting)


def _child(words: Sequence[str], log: Path, before: Callable[[], None], ready: int) -> None:
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    _without_hooks_of_the_tests()
    before()
    _heed_only_within_the_command(signal.SIGINT)
    os.write(ready, b".")
    status = cli.main(words)
    sys.stdout.flush()
    os._exit(status)


def _without_hooks_of_the_tests() -> None:
    """What pytest and Hypothesis have Python call in the midst of anything, as no command has it.

    Hypothesis times the garbage collector. An interrupt that falls into that is passed over, and
    pytest formats its traceback on the spot, which reads a syntax tree: where that was just being
    done, Python 3.11 ends with "SystemError: AST constructor recursion depth mismatch".
    """
    gc.callbacks.clear()
    sys.unraisablehook = lambda passed_over: None


def _heed_only_within_the_command(number: signal.Signals) -> None:
    """What comes just before `main` waits for it, and what comes just after it comes too late.

    Between being ready and being in `main` a busy machine may stand still for as long as it likes.
    """
    run = cli._run

    def heeding(arguments: list[str]) -> int:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        try:
            return run(arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_BLOCK, {number})

    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    cli._run = heeding

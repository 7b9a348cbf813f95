"""Lines that say how training goes, and how far other work is: now and then, live on a terminal."""

from __future__ import annotations

import math
import time
from collections import deque
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

WINDOW = 20  # steps that loss and throughput are averaged over
PLAIN_EVERY_SECONDS = 10.0
COUNT_EVERY_SECONDS = 1.0  # on a terminal


class ProgressLine:
    """Shows step, loss, throughput and time left.

    Args:
        console: where; a live line if it is a terminal.
        num_steps: of the whole run.
        first_step: steps done before (a resumed run).
        peak_share_per_rate: of the GPUs' peak, what a token a second uses
            (`vidllm.utilisation`); 0: not known, not shown.
    """

    def __init__(
        self,
        console: Console,
        num_steps: int,
        *,
        first_step: int = 0,
        peak_share_per_rate: float = 0.0,
    ):
        self.console, self.num_steps, self.first_step = console, num_steps, first_step
        self.peak_share_per_rate = peak_share_per_rate
        self._recent: deque[tuple[float, int, float]] = deque(maxlen=WINDOW)
        self._live: Live | None = None
        self._last_print = 0.0
        if console.is_terminal:
            self._live = Live(Text("first step ..."), console=console, transient=True)

    def __enter__(self) -> ProgressLine:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, row: dict[str, Any]) -> None:
        """Takes one row of metrics.jsonl."""
        self._recent.append((row["seconds"], row["tokens"], row["loss"]))
        line = self.line(row)
        if self._live is not None:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"))
            return
        now = time.monotonic()
        is_edge = row["step"] in (self.first_step + 1, self.num_steps)
        if is_edge or now - self._last_print >= PLAIN_EVERY_SECONDS:
            self._last_print = now
            self.console.print(line)

    def line(self, row: dict[str, Any]) -> str:
        """The line for a row."""
        seconds = sum(entry[0] for entry in self._recent)
        tokens = sum(entry[1] for entry in self._recent)
        loss = sum(entry[2] for entry in self._recent) / len(self._recent)
        left = seconds / len(self._recent) * (self.num_steps - row["step"])
        rate = tokens / max(seconds, 1e-9)
        share = self.peak_share_per_rate * rate
        utilisation = f"  MFU {share:.1%}" if share else ""
        return (
            f"step {row['step']}/{self.num_steps}  {row['stage']}  loss {loss:.3f}  "
            f"{rate:.0f} tokens/s{utilisation}  {duration(left)} left"
        )


class CountLine:
    """Told (done, total), it prints that now and then, with the time left: a `progress`.

    Args:
        console: where.
        what: is done.
        unit: what is counted, in the plural.
    """

    def __init__(self, console: Console, what: str, unit: str) -> None:
        self.console, self.what, self.unit = console, what, unit
        self._done = math.inf
        self._first, self._began, self._last_print = 0, 0.0, 0.0

    def __call__(self, done: int, total: int) -> None:
        """Takes how many are done, of how many."""
        now = time.monotonic()
        if done <= self._done:  # the first call, or another count has begun
            self._first, self._began, self._last_print = done, now, now
        self._done = done
        pause = COUNT_EVERY_SECONDS if self.console.is_terminal else PLAIN_EVERY_SECONDS
        if done < total and now - self._last_print < pause:
            return
        self._last_print = now
        left = ""
        if self._first < done < total:
            rate = (now - self._began) / (done - self._first)
            left = f", {duration(rate * (total - done))} left"
        self.console.print(f"{self.what}: {done} of {total} {self.unit}{left}", highlight=False)


def duration(seconds: float) -> str:
    """A time span for people: `42 s`, `3:05 min`, `2:10 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60}:{minutes % 60:02d} h"

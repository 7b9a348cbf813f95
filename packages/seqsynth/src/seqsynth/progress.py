"""How far a command is, on a terminal: a bar with rate and time left; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_PROGRESS_HERTZ = 4

Told = Callable[[int], None]


@contextmanager
def shown_progress(
    what: str, total: int | None = None, *, console: Console | None = None
) -> Iterator[tuple[Told, Told]]:
    """A bar, and two functions: one is told the total, the other how many more are done.

    Args:
        what: is counted.
        total: how many there will be, where that is known already.
        console: where it is shown, by default standard error.
    """
    console = console or Console(stderr=True)
    with Progress(
        TextColumn(what),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        refresh_per_second=_PROGRESS_HERTZ,
    ) as progress:
        task = progress.add_task(what, total=total)
        yield (
            lambda total: progress.update(task, total=total),
            lambda count: progress.advance(task, count),
        )


def rate_text(per_second: float | None) -> str:
    """A rate in three digits or whole numbers: "0.0123/s", "45.6/s", "1,234/s"."""
    rate = per_second or 0.0
    return f"{rate:,.0f}/s" if rate >= 100 else f"{rate:.3g}/s"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(rate_text(task.speed))

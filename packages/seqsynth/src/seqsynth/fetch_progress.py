"""What a person sees while a fetch runs: a bar on a terminal, one line a part anywhere."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from seqsynth.default_packages import Package


@contextlib.contextmanager
def shown(
    console: Console, packages: Sequence[Package]
) -> Iterator[tuple[Callable[[Package], None], Callable[[int], None], Callable[[Package], None]]]:
    """Yields `on_begin`, `on_bytes` and `on_complete` for `fetch_default`."""
    total = sum(package.num_bytes for package in packages)
    columns = (  # within 80 characters
        TextColumn("{task.fields[files]}/{task.fields[num_files]}"),
        TextColumn("{task.description:<18}"),
        BarColumn(bar_width=14),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    complete: list[Package] = []
    disable = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as progress:
        bar = progress.add_task("", total=total, files=0, num_files=len(packages))

        def on_begin(package: Package) -> None:
            progress.update(bar, description=package.part)

        def on_bytes(count: int) -> None:
            progress.advance(bar, count)

        def on_complete(package: Package) -> None:
            complete.append(package)
            progress.update(bar, files=len(complete))
            megabytes = f"{package.num_bytes / 1e6:.1f} MB"
            line = f"{package.part}: {package.holds}, {megabytes}, {package.licence}"
            console.print(line, highlight=False, soft_wrap=True)

        yield on_begin, on_bytes, on_complete

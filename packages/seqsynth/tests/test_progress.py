import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from seqsynth import fetch_default, registry_clients
from seqsynth.default_packages import Package
from seqsynth.progress import rate_text, shown_progress

Packages = dict[str, Package]


@pytest.mark.parametrize(
    ("per_second", "text"),
    [(None, "0/s"), (0.01234, "0.0123/s"), (45.64, "45.6/s"), (123.4, "123/s"), (9876, "9,876/s")],
)
def test_a_rate_has_three_digits_or_is_whole(per_second: float | None, text: str) -> None:
    assert rate_text(per_second) == text


def test_a_bar_counts_on_a_terminal_and_nothing_is_written_elsewhere() -> None:
    written = {}
    for is_terminal in (True, False):
        file = io.StringIO()
        console = Console(file=file, force_terminal=is_terminal, width=80)
        with shown_progress("clips", console=console) as (on_total, on_done):
            on_total(1500)
            on_done(700)
            on_done(500)
        written[is_terminal] = file.getvalue()
    assert "clips" in written[True]
    assert "1200/1500" in written[True]
    assert "/s" in written[True]
    assert written[False] == ""


def test_progress_reaches_the_caller(tmp_path: Path, registry: Any, packages: Packages) -> None:
    for _ in range(2):  # parts that are complete already are told, too
        begun: list[Package] = []
        arrived: list[int] = []
        complete: list[Package] = []
        fetch_default(
            tmp_path,
            packages=list(packages.values()),
            clients=registry.clients,
            on_begin=begun.append,
            on_bytes=arrived.append,
            on_complete=complete.append,
        )
        assert [package.part for package in complete] == list(packages)
        assert begun == complete
        assert sum(arrived) == sum(package.num_bytes for package in packages.values())
        assert min(arrived) > 0


def test_bytes_that_lie_there_twice_for_a_moment_are_told_once(
    tmp_path: Path, registry: Any, packages: Packages, monkeypatch: pytest.MonkeyPatch
) -> None:
    download = registry_clients.pip_download

    def doubled(
        pip: Any, requirement: str, folder: Path, on_size: registry_clients.OnSize, **how: Any
    ) -> Path:
        for num_bytes in (1 << 30, 1):
            on_size(num_bytes)
        return download(pip, requirement, folder, on_size, **how)

    monkeypatch.setattr(registry_clients, "pip_download", doubled)
    arrived: list[int] = []
    fetch_default(
        tmp_path,
        packages=list(packages.values()),
        clients=registry.clients,
        on_bytes=arrived.append,
    )
    assert sum(arrived) == sum(package.num_bytes for package in packages.values())
    assert min(arrived) > 0

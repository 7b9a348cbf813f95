import io

import pytest
from rich.console import Console

from seqsynth.progress import rate_text, shown_progress


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

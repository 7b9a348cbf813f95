"""The command `fetch`: METEOR's word data, with progress."""

from __future__ import annotations

import argparse
import sys

from vidmetrics.meteor_data import fetch_meteor_data

_STAGES = {
    "download": "downloading (104 MB)",
    "check": "checking",
    "compile": "compiling",
    "write": "writing",
}


def fetch(parsed: argparse.Namespace) -> int:
    """`vidmetrics fetch meteor-data`."""
    stages = _StageLine()
    try:
        path = fetch_meteor_data(parsed.cache, wheel=parsed.wheel, on_stage=stages)
    finally:
        stages.end()
    print(f"METEOR's data is in {path}")
    return 0


class _StageLine:
    """One line that rewrites itself on a terminal; one line a stage elsewhere."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._shown = ""

    def __call__(self, stage: str, share: float) -> None:
        """Show how far a stage is."""
        text = _STAGES.get(stage, stage)
        if self._live:
            line = f"{text}: {100 * share:3.0f} %"
            if line != self._shown:
                print(f"\r{line:<40}", end="", file=sys.stderr, flush=True)
                self._shown = line
        elif text != self._shown:
            print(f"{text} ...", file=sys.stderr, flush=True)
            self._shown = text

    def end(self) -> None:
        """Leave the line."""
        if self._live and self._shown:
            print(file=sys.stderr)

"""`vidllm report`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidllm import run_folder
from vidllm.arguments import UsageError, is_flag, parse
from vidllm.terminal import print_path

_DESCRIPTION = """Renders report.html of a run from what its folder holds so far.

  vidllm report [RUN_DIR]          default: the newest run under runs/"""


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """`vidllm report` has no settings."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    from vidllm.report import write_report

    flags = [argument for argument in arguments if is_flag(argument)]
    named = [argument for argument in arguments if not is_flag(argument)]
    parse(ReportOptions, flags, ReportOptions(), "vidllm report", _DESCRIPTION)
    if len(named) > 1:
        raise UsageError(f"one run at a time: vidllm report {named[0]}, then {named[1]}")
    print_path(write_report(Path(named[0]) if named else run_folder.newest()))
    return 0

"""What the scoring commands share: options, JSON output, and notes on stderr."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from vidmetrics.jobs import Job
from vidmetrics.resampling import Resampling
from vidmetrics.tables import printable
from vidmetrics.whole_files import write_whole

if TYPE_CHECKING:
    from vidmetrics.results_file import Result


def resampling_of(parsed: argparse.Namespace) -> Resampling:
    """The resampling that the arguments ask for."""
    return Resampling(level=parsed.level, num_resamples=parsed.resamples, seed=parsed.seed)


def write_json(
    parsed: argparse.Namespace, task: str, results: Sequence[tuple[Job, Result]]
) -> None:
    """Write the results where `--json` says."""
    if parsed.json is None:
        return
    from vidmetrics.results_file import result_to_json, results_to_json

    files = {"references": parsed.references, "predictions": parsed.predictions}
    if getattr(parsed, "second_references", None):
        files["second_references"] = parsed.second_references
    content = results_to_json(
        task,
        files,
        [
            result_to_json(result, benchmark=job.benchmark, system=job.system)
            for job, result in results
        ],
    )
    write_output(parsed.json, content)


def write_output(target: str, content: str) -> None:
    """Write JSON to the file, or to stdout where the target is `-`."""
    if target == "-":
        sys.stdout.write(content)
    else:
        write_whole(Path(target), content.encode())


def text_stream(parsed: argparse.Namespace) -> TextIO:
    """Tables go to stderr when stdout carries the JSON."""
    return sys.stderr if parsed.json == "-" else sys.stdout


def print_heading(job: Job, num_jobs: int, out: TextIO) -> None:
    """Name the benchmark and system where there are several."""
    if num_jobs > 1:
        print(f"\n{printable(job.benchmark)}  {printable(job.system)}".rstrip(), file=out)


def print_signatures(signatures: Iterable[str], out: TextIO) -> None:
    """Print each signature once."""
    for signature in dict.fromkeys(signatures):
        print(f"\n{signature}", file=out)


def say_rest(job: Job) -> None:
    """Say what could not be read and how names were matched."""
    if job.malformed:
        say(f"  parts of the model's text that could not be read: {job.malformed}")
    for note in job.notes:
        say(f"  {note}")


def say_if(counts: Mapping[str, int], name: str, what: str) -> None:
    """Say a count that is not zero."""
    if counts[name]:
        say(f"  {what}: {counts[name]}")


def label(job: Job) -> str:
    """Benchmark and system in front of a note."""
    names = " ".join(part for part in (job.benchmark, job.system) if part)
    return f"{names}: " if names else ""


def say(text: str) -> None:
    """A note on stderr."""
    print(printable(text), file=sys.stderr)

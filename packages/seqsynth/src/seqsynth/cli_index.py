"""The commands about corpora: `seqsynth index` and `seqsynth coverage`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from seqsynth import cli_join
from seqsynth.example_files import replacing
from seqsynth.index_checks import ENGINES, PROBE_DEPTHS, Checks
from seqsynth.sources import SOURCES

if TYPE_CHECKING:
    from seqsynth.coverage import CoverageReport
    from seqsynth.index_survey import Outcome

_MAX_DEFAULT_WORKERS = 8
_ROWS_PER_UPDATE = 1000

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_commands(commands: Commands) -> None:
    """Adds `index` and `coverage` to the commands of a parser."""
    names = "; ".join(f"{name}: {source.holds}" for name, source in SOURCES.items())
    sources = f"Sources: {names}."
    index = commands.add_parser(
        "index",
        help="write the manifest of a corpus: one Arrow file of all its images, clips or videos",
        description="Reads the annotations of a source, looks which files are there, and writes "
        "what can be used to FILE.arrow, which opens in no time whatever its size. What cannot be "
        "used stands in FILE.arrow.skipped.jsonl, with its place and the reason, and is counted "
        f"in FILE.arrow.coverage.json. {sources}",
    )
    _add_shared(index)
    index.add_argument("--out", type=Path, required=True, metavar="FILE.arrow")
    index.set_defaults(run=_run_index)
    coverage = commands.add_parser(
        "coverage",
        help="count what of a corpus is present, missing and unreadable, and why",
        description="Looks through a corpus as index does and prints what is there, by part of "
        "the source and by reason. Present, missing and unreadable add up to what is listed. "
        f"{sources}",
    )
    _add_shared(coverage)
    cli_join.add_json_argument(coverage, "the report")
    coverage.add_argument("--html", type=Path, metavar="FILE", help="write the report as a page")
    coverage.add_argument(
        "--absent", type=Path, metavar="FILE", help="write every row that is absent as JSON lines"
    )
    coverage.add_argument(
        "--fail-under",
        type=float,
        default=0.0,
        metavar="PERCENT",
        help="exit with status 1 where less of the listed rows is present; default 0",
    )
    coverage.set_defaults(run=_run_coverage)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="a format, see above")
    parser.add_argument("root", type=Path, metavar="ROOT", help="paths of media start here")
    parser.add_argument(
        "--annotations",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="annotation files; default: those below ROOT with the usual names",
    )
    parser.add_argument(
        "--probe",
        choices=PROBE_DEPTHS,
        default="header",
        help="of clips and videos read nothing, the header (default), or all packets, which also "
        "gives the time of every frame",
    )
    parser.add_argument("--decode", action="store_true", help="decode every picture as a check")
    workers = min(os.cpu_count() or 1, _MAX_DEFAULT_WORKERS)
    parser.add_argument(
        "--workers",
        type=int,
        default=workers,
        metavar="N",
        help=f"files that are looked at at the same time; default {workers}",
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="where files are looked at: in this process (default), or on a Ray cluster, the one "
        "that $RAY_ADDRESS names or N processes here; needs the extra scale",
    )
    cli_join.add_filter_arguments(parser)


def _run_index(arguments: argparse.Namespace) -> int:
    from seqsynth.coverage_tables import coverage_table
    from seqsynth.index import write_index

    report = _empty_report(arguments)
    with _shown(_outcomes(arguments, report)) as shown:
        write_index(shown, arguments.out, report=report, command=_command(arguments))
    Console(stderr=True).print(coverage_table(report))
    sys.stdout.write(f"{arguments.out}\n")
    return 0


def _run_coverage(arguments: argparse.Namespace) -> int:
    from seqsynth.coverage_tables import coverage_page, coverage_table

    report = _empty_report(arguments)
    with contextlib.ExitStack() as stack:
        absent = stack.enter_context(replacing(arguments.absent)) if arguments.absent else None
        for outcome in stack.enter_context(_shown(_outcomes(arguments, report))):
            report.add(outcome)
            _write_absent(outcome, absent)
    console = cli_join.written_json(report.to_record(), arguments.json)
    if arguments.html:
        with replacing(arguments.html) as handle:
            handle.write(coverage_page(report))
    console.print(coverage_table(report))
    percent = 100 * report.totals.share
    if percent < arguments.fail_under:
        sys.stderr.write(
            f"seqsynth: {percent:.1f} % of the rows are present, "
            f"fewer than {arguments.fail_under:g} %\n"
        )
        return 1
    return 0


def _empty_report(arguments: argparse.Namespace) -> CoverageReport:
    from seqsynth.index import empty_report

    checks = Checks(
        probe=arguments.probe,
        decode_images=arguments.decode,
        num_workers=arguments.workers,
        engine=arguments.engine,
    )
    return empty_report(arguments.source, arguments.root, arguments.annotations, checks)


def _outcomes(arguments: argparse.Namespace, report: CoverageReport) -> Iterator[Outcome]:
    from seqsynth.index import survey_of

    cli_join.check_filter(arguments)
    outcomes = survey_of(report)
    if not arguments.captions:
        return outcomes
    from seqsynth.caption.join import Captions, captioned

    return captioned(outcomes, Captions(arguments.captions), cli_join.caption_filter(arguments))


def _write_absent(outcome: Outcome, handle: IO[str] | None) -> None:
    from seqsynth.index_survey import Absent

    if handle is not None and isinstance(outcome, Absent):
        handle.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")


def _command(arguments: argparse.Namespace) -> str:
    """What has to be typed to get the same manifest."""
    words = ["seqsynth", "index", arguments.source, str(arguments.root)]
    if arguments.annotations:
        words += ["--annotations", *map(str, arguments.annotations)]
    words += ["--probe", arguments.probe, *(["--decode"] if arguments.decode else [])]
    words += cli_join.filter_words(arguments)
    return shlex.join([*words, "--out", str(arguments.out)])


@contextlib.contextmanager
def _shown(outcomes: Iterable[Outcome]) -> Iterator[Iterator[Outcome]]:
    """The outcomes, with their number on a terminal as they pass."""
    console = Console(stderr=True)
    columns = (
        BarColumn(bar_width=14),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
    )
    disable = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as progress:
        task = progress.add_task("", total=None, rate="")

        def passing() -> Iterator[Outcome]:
            for number, outcome in enumerate(outcomes, start=1):
                yield outcome
                if number % _ROWS_PER_UPDATE == 0:
                    speed = progress.tasks[0].speed or 0.0
                    progress.update(task, completed=number, rate=f"{speed:,.0f} rows/s")

        yield passing()

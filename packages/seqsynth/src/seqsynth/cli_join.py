"""The commands about written captions: `seqsynth caption-check` and `caption-join`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rich import box
from rich.console import Console
from rich.table import Table

from seqsynth.example_files import write_json
from seqsynth.index_checks import Checks
from seqsynth.progress import shown_progress

if TYPE_CHECKING:
    from seqsynth.caption.check import CheckReport
    from seqsynth.caption.join import CaptionFilter

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_commands(commands: Commands) -> None:
    """Adds `caption-check` and `caption-join` to the commands of a parser."""
    _add_check(commands)
    _add_join(commands)


def _add_check(commands: Commands) -> None:
    parser = commands.add_parser(
        "caption-check",
        help="score captions: do they name the action, repeat themselves, refuse, fit the frames?",
        description="Writes DIR/checks-NNNNN.parquet beside every shard of captions, a row a clip: "
        "the share of the label's words that the caption has, its length, how much of it repeats, "
        "by which words the model declines, whether it is cut off, and with --image-text how well "
        "its sentences fit the frames. Nothing is left out here; index, coverage and caption-join "
        "do that, by thresholds on these scores. Shards that are scored are left alone.",
    )
    parser.add_argument("captions", type=Path, metavar="DIR", help="what caption wrote")
    parser.add_argument(
        "--image-text", default="", metavar="MODEL",
        help="a model such as CLIP or SigLIP: its folder, or its name on the hub",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="of that model; default auto")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the clips lie, if not where they lay"
    )
    add_json_argument(parser, "the summary")
    parser.set_defaults(run=_run_check)


def _add_join(commands: Commands) -> None:
    parser = commands.add_parser(
        "caption-join",
        help="write a manifest anew, with captions in it",
        description="Gives every clip of a manifest its caption. Clips that have none, or one that "
        "does not reach the thresholds, are left out: they stand in FILE.arrow.skipped.jsonl with "
        "the reason and are counted in FILE.arrow.coverage.json, as by index. No file of a clip is "
        "opened.",
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="what index wrote")
    add_filter_arguments(parser, required=True)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.arrow")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the clips lie, if not where they lay"
    )
    parser.set_defaults(run=_run_join)


def add_filter_arguments(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Adds `--captions` and the thresholds of captions that a corpus takes."""
    group = parser.add_argument_group("captions of clips that a model wrote")
    group.add_argument(
        "--captions", type=Path, nargs="+", default=[], required=required, metavar="DIR",
        help="folders that caption wrote; clips that have no caption there count as missing",
    )  # fmt: skip
    group.add_argument(
        "--min-label-words", type=float, default=0.0, metavar="SHARE",
        help="leave out captions that have a smaller share of their label's words; default 0",
    )  # fmt: skip
    group.add_argument(
        "--max-repetition", type=float, default=1.0, metavar="SHARE",
        help="leave out captions of which a larger share repeats itself; default 1",
    )  # fmt: skip
    group.add_argument(
        "--no-refusals", action="store_true", help="leave out those in which the model declines"
    )
    group.add_argument("--no-cut", action="store_true", help="leave out those that were cut off")
    group.add_argument(
        "--min-image-text", type=float, metavar="SCORE",
        help="leave out captions that fit their frames less, as caption-check has scored them",
    )  # fmt: skip


def add_json_argument(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", metavar="FILE", help=f"write {what} as JSON; - for stdout")


def written_json(record: Mapping[str, Any], target: str | None) -> Console:
    """Writes a record where `--json` says; returns where tables go: not between the JSON."""
    if target == "-":
        # Escaped: a terminal of another encoding than UTF-8 would spoil it.
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
    elif target is not None:
        write_json(record, Path(target))
    return Console(stderr=target == "-")


def caption_filter(arguments: argparse.Namespace) -> CaptionFilter:
    """Which captions the arguments let through."""
    from seqsynth.caption.join import CaptionFilter

    return CaptionFilter(
        min_label_words=arguments.min_label_words,
        max_repetition=arguments.max_repetition,
        refusals=not arguments.no_refusals,
        cut=not arguments.no_cut,
        min_image_text=arguments.min_image_text,
    )


def check_filter(arguments: argparse.Namespace) -> None:
    """Refuses thresholds of captions where none are named that they could be about.

    Raises:
        ValueError: there are such thresholds.
    """
    is_given = (
        arguments.min_label_words > 0
        or arguments.max_repetition < 1
        or arguments.no_refusals
        or arguments.no_cut
        or arguments.min_image_text is not None
    )
    if is_given and not arguments.captions:
        raise ValueError("thresholds of captions need --captions DIR, what caption wrote")


def filter_words(arguments: argparse.Namespace) -> list[str]:
    """The arguments again, for a command that can be typed."""
    if not arguments.captions:
        return []
    words = ["--captions", *map(str, arguments.captions)]
    words += ["--min-label-words", f"{arguments.min_label_words:g}"]
    words += ["--max-repetition", f"{arguments.max_repetition:g}"]
    words += ["--no-refusals"] if arguments.no_refusals else []
    words += ["--no-cut"] if arguments.no_cut else []
    if arguments.min_image_text is not None:
        words += ["--min-image-text", f"{arguments.min_image_text:g}"]
    return words


def _run_check(arguments: argparse.Namespace) -> int:
    from seqsynth.caption.check import check_captions
    from seqsynth.caption.image_text import ImageTextScorer
    from seqsynth.caption.writing import corpus_root

    scorer = root = None
    if arguments.image_text:
        root = arguments.root or corpus_root(arguments.captions)
        scorer = ImageTextScorer(arguments.image_text, arguments.device)
    with shown_progress("captions") as (_, on_done):
        report = check_captions(arguments.captions, root=root, scorer=scorer, on_done=on_done)
    console = written_json(report.to_record(), arguments.json)
    _print_checks(report, console)
    return 0


def _print_checks(report: CheckReport, console: Console) -> None:
    record: dict[str, Any] = report.to_record()
    table = Table(box=box.SIMPLE, title=f"{report.num_captions:,} captions", title_justify="left")
    for name in ("score", "captions", "mean", "5 % below", "half below", "95 % below"):
        table.add_column(name, justify="left" if name == "score" else "right")
    for name, spread in record["scores"].items():
        numbers = [spread[key] for key in ("mean", "quantile_05", "median", "quantile_95")]
        cells = [f"{number:,.3g}" for number in numbers]
        table.add_row(name, f"{spread['count']:,}", *cells)
    console.print(table)
    for count, what in (
        (report.num_refusals, "decline to answer"),
        (report.num_cut, "are cut off at the limit of tokens"),
        (report.num_unlabelled, "are of clips without a label"),
        (report.num_unread, "are not scored by a model: their frames cannot be read"),
    ):
        if count:
            console.print(f"{count:,} {what}", highlight=False)


def _run_join(arguments: argparse.Namespace) -> int:
    from seqsynth.caption.join import Captions, captioned, manifest_outcomes
    from seqsynth.coverage import CoverageReport
    from seqsynth.coverage_tables import coverage_table
    from seqsynth.index import write_index
    from seqsynth.manifest import Manifest

    manifest = Manifest.open(arguments.manifest, arguments.root)
    kept = caption_filter(arguments)
    sources = "+".join(manifest.table.column("source").unique().to_pylist())
    report = CoverageReport(
        sources, str(manifest.root), (str(arguments.manifest),), Checks(probe="none")
    )
    outcomes = captioned(manifest_outcomes(manifest), Captions(arguments.captions), kept)
    words = ["seqsynth", "caption-join", str(arguments.manifest), *filter_words(arguments)]
    command = shlex.join([*words, "--out", str(arguments.out)])
    write_index(outcomes, arguments.out, report=report, command=command)
    Console(stderr=True).print(coverage_table(report))
    sys.stdout.write(f"{arguments.out}\n")
    return 0

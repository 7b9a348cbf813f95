"""The command `vidmetrics`: arguments, and errors as one line with exit code 2.

What the commands do stands in the `*_cli` modules; they are imported when their command runs, so
that `--help` and a wrong argument answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import math
import os
import signal
import sys
from collections.abc import Sequence
from typing import TypeAlias

from vidmetrics.arguments import Parser
from vidmetrics.version import __version__

BAD_INPUT = 2  # exit code for arguments or files that cannot be used
CLOSED_PIPE = 141  # 128 and SIGPIPE, which Windows does not name
_PROTOCOLS = ("timechat", "soda", "vidchapters")  # PROTOCOLS, without importing NumPy for --help
_RUN = {
    "dvc": ("dense_cli", "score_dense"),
    "tvg": ("grounding_cli", "score_grounding"),
    "highlights": ("highlights_cli", "score_highlights"),
    "richness": ("richness_cli", "measure_richness"),
    "compare": ("compare_cli", "compare_systems"),
    "report": ("report_cli", "write_report"),
    "fetch": ("fetch_cli", "fetch"),
}


_PLAIN_EVENTS = "{video: [[start seconds, end seconds, caption], ...]}"
_PLAIN_SPANS = "{query: [[start seconds, end seconds], ...]}"
_FORMATS = {  # files are recognised by their content
    "dvc": (
        "references.jsonl, examples.jsonl, annotations of TimeChat, YouCook2, ActivityNet Captions "
        f"or E.T. Bench, or JSON {_PLAIN_EVENTS}",
        "predictions.jsonl, results of TimeChat (raw or formatted), ActivityNet, SODA, VTimeLLM or "
        "E.T. Bench, or JSON as above; names as in REFERENCES",
    ),
    "tvg": (
        "references.jsonl, examples.jsonl, annotations of Charades-STA (its queries are called by "
        "their line, from 0), TimeChat, QVHighlights, ActivityNet Captions or E.T. Bench, or JSON "
        f"{_PLAIN_SPANS}",
        "predictions.jsonl, results of TimeChat (raw or formatted), TimeLens, QVHighlights, "
        "VTimeLLM or E.T. Bench, or JSON as above; names as in REFERENCES",
    ),
    "highlights": (
        "annotations of QVHighlights",
        "a QVHighlights submission, or results of TimeChat (raw or formatted)",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A caption may hold anything; the terminal's encoding may not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        return _run(parsed)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # The reader of the pipe (`| head`) has gone; the flush at exit must not raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED_PIPE


def _run(parsed: argparse.Namespace) -> int:
    from vidmetrics.errors import InputError

    module, function = _RUN[parsed.command]
    try:
        code = int(getattr(importlib.import_module(f"vidmetrics.{module}"), function)(parsed))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}")
    except InputError as error:
        return _fail(str(error))
    except RuntimeError as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C within an import
            raise KeyboardInterrupt from error
        # METEOR's data is missing, or native kernels that were required. Subclasses such as
        # RecursionError are faults of ours.
        if type(error) is not RuntimeError and type(error).__name__ != "MeteorDataError":
            raise
        return _fail(str(error))


def _fail(message: str) -> int:
    from vidmetrics.tables import printable

    print(f"vidmetrics: error: {printable(message)}", file=sys.stderr)
    return BAD_INPUT


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="vidmetrics",
        description="Score dense video captioning and temporal grounding. Scores are fractions in "
        "JSON, and times 100 in what is printed.",
    )
    parser.add_argument("--version", action=_PrintVersion, nargs=0, help="print it and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_dvc(commands)
    _add_tvg(commands)
    _add_highlights(commands)
    _add_richness(commands)
    _add_compare(commands)
    _add_report(commands)
    _add_fetch(commands)
    return parser


_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_dvc(commands: _Commands) -> None:
    parser = _scorer(commands, "dvc", "score dense captions: SODA_c, CIDEr, METEOR, F1")
    parser.add_argument(
        "--second-references",
        metavar="FILE",
        action="append",
        default=[],
        help="another annotator's references (ActivityNet val_2); may be repeated",
    )
    parser.add_argument("--split", default="validation", help=_SPLIT_HELP)
    _add_protocol(parser)
    parser.add_argument("--per-video", action="store_true", help="print the scores of each video")


def _add_tvg(commands: _Commands) -> None:
    parser = _scorer(commands, "tvg", "score temporal grounding: R@1, mIoU")
    parser.add_argument(
        "--iou",
        metavar="T",
        type=float,
        nargs="+",
        default=[0.3, 0.5, 0.7],
        help="IoU thresholds of recall at 1 (default: 0.3 0.5 0.7)",
    )
    parser.add_argument(
        "--union",
        choices=("hull", "true"),
        default="hull",
        help="denominator of the IoU: hull of both spans, or the true union (default: hull)",
    )
    parser.add_argument(
        "--reversed",
        choices=("kept", "repaired", "zero"),
        default="kept",
        help="what a span with end < start counts (default: kept, so it scores 0)",
    )
    parser.add_argument(
        "--moments", action="store_true", help="also mAP over all windows, as QVHighlights"
    )
    parser.add_argument("--per-query", action="store_true", help="print the IoU of each query")


def _add_highlights(commands: _Commands) -> None:
    parser = _scorer(commands, "highlights", "score highlight detection: mAP, HIT@1", groups=False)
    parser.add_argument(
        "--min-rating",
        metavar="N",
        type=float,
        default=4.0,
        help="annotators' rating from which a clip is a highlight (default: 4, 'very good')",
    )


def _add_richness(commands: _Commands) -> None:
    parser = commands.add_parser("richness", help="length and variety of captions")
    parser.add_argument("files", metavar="FILE", nargs="+", help="predictions or references")
    parser.add_argument("--tokenizer", choices=("ptb", "whitespace"), default="ptb")
    parser.add_argument("--split", default="validation", help=_SPLIT_HELP)
    _add_json(parser)


def _add_compare(commands: _Commands) -> None:
    parser = commands.add_parser(
        "compare",
        help="two systems: differences with intervals and a paired test",
        description="Compare two result files of `dvc` or `tvg --json`, or, with --references, two "
        "prediction files. Statistics are taken from the result files: nothing is scored again.",
    )
    parser.add_argument("first", metavar="A")
    parser.add_argument("second", metavar="B")
    parser.add_argument("--references", metavar="FILE", help="score A and B against these first")
    parser.add_argument(
        "--task",
        choices=("dvc", "tvg"),
        default="dvc",
        help="what to score A and B as with --references (default: dvc)",
    )
    parser.add_argument("--first-system", metavar="NAME", help="which system of A")
    parser.add_argument("--second-system", metavar="NAME", help="which system of B")
    parser.add_argument("--benchmark", metavar="NAME", action="append", default=[])
    parser.add_argument("--split", default="validation", help=_SPLIT_HELP)
    _add_protocol(parser)
    _add_resampling(parser)
    _add_json(parser)


def _add_report(commands: _Commands) -> None:
    parser = commands.add_parser("report", help="one HTML page with a timeline of each video")
    parser.add_argument("references", metavar="REFERENCES", help="as of dvc or tvg")
    parser.add_argument("predictions", metavar="PREDICTIONS", help="as of dvc or tvg")
    parser.add_argument("--out", metavar="FILE", required=True, help="the page to write")
    parser.add_argument("--task", choices=("dvc", "tvg"), default="dvc")
    parser.add_argument(
        "--limit", metavar="N", type=_count, default=200, help="timelines to draw (default: 200)"
    )
    _add_groups(parser)
    parser.add_argument("--split", default="validation", help=_SPLIT_HELP)
    _add_protocol(parser)
    _add_resampling(parser)


def _add_fetch(commands: _Commands) -> None:
    parser = commands.add_parser("fetch", help="download the data that METEOR needs, once")
    parser.add_argument("what", choices=("meteor-data",))
    parser.add_argument("--cache", metavar="DIR", help="where to keep it (default: the user's)")
    parser.add_argument("--wheel", metavar="FILE", help="the wheel, if it was downloaded by hand")


def _scorer(
    commands: _Commands, name: str, summary: str, *, groups: bool = True
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
    references, predictions = _FORMATS[name]
    parser.add_argument("references", metavar="REFERENCES", help=references)
    parser.add_argument("predictions", metavar="PREDICTIONS", help=predictions)
    if groups:
        _add_groups(parser)
    _add_resampling(parser)
    _add_json(parser)
    return parser


def _add_groups(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--benchmark",
        metavar="NAME",
        action="append",
        default=[],
        help="only this benchmark of files that hold several; may be repeated",
    )
    parser.add_argument(
        "--system",
        metavar="NAME",
        action="append",
        default=[],
        help="only this system of predictions that hold several; may be repeated",
    )


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--protocol",
        choices=_PROTOCOLS,
        default="timechat",
        help="whose choices to follow for dense captions (default: timechat)",
    )
    parser.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change one choice of the protocol, for example soda_columns=natural; may be repeated",
    )


def _add_resampling(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--resamples",
        metavar="N",
        type=_count,
        default=1000,
        help="bootstrap resamples of the intervals, 0 for none (default: 1000)",
    )
    parser.add_argument("--level", type=_level, default=0.95, help="of intervals (default: 0.95)")
    parser.add_argument("--seed", type=_count, default=0, help="of the resamples (default: 0)")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", metavar="FILE", help="also write everything as JSON; - for standard output"
    )


_SPLIT_HELP = "subset of a YouCook2 annotation file, or all (default: validation)"


def _count(text: str) -> int:
    # argparse would answer a ValueError with the name of this function.
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 on, got {text!r}")
    return int(text)


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = math.nan
    if not 0.0 < level < 1.0:
        raise argparse.ArgumentTypeError(f"must lie strictly between 0 and 1, got {text!r}")
    return level


class _PrintVersion(argparse.Action):
    """`--version`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"vidmetrics {__version__}")
        parser.exit()

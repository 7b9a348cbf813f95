"""Row x seed -> run folder -> predictions; what is done already is kept.

Below the output folder, runs lie by what they train, not by table, so that tables share them:

    runs/HASH-seedN/         a run folder of vidllm, and answers-BENCHMARK.jsonl
    benchmarks/CODEC-LENGTHS/  questions and references
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluate_default import read_jsonl, train_to_the_end
from reproduction.sizes import Size
from reproduction.tables import Row, Table, config_of
from seqsynth import BenchmarkSpec, Corpus, build_default_benchmark
from vidllm import run_folder
from vidllm.assembly import load_corpus
from vidllm.config import TrainConfig, to_json
from vidllm.evaluation import Evaluator

SYSTEM = "trained"


@dataclass(frozen=True, slots=True)
class Answers:
    """What one run answered.

    Attributes:
        references: rows of references.jsonl.
        predictions: rows of predictions.jsonl.
        malformed: answers, in part at least, that could not be read.
        metrics: rows of the run's metrics.jsonl.
        benchmark_dir: the questions.
        media_root: paths of the questions start here.
    """

    references: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    malformed: int
    metrics: list[dict[str, Any]]
    benchmark_dir: Path
    media_root: str


def answers_of(
    size: Size, table: Table, row: Row, seed: int, out: Path, console: Console
) -> Answers:
    """Trains the row where it is not trained yet, asks it where it has not been asked.

    Raises:
        KeyboardInterrupt: a signal stopped training; the same call goes on.
        FileNotFoundError: data has not been fetched (says what to run).
    """
    config = config_of(size, row, seed)
    run_dir = out / "runs" / f"{digest(config)}-seed{seed}"
    train_to_the_end(config, run_dir, console, f"{row.label!r} with seed {seed}")
    corpus = load_corpus(config.data)
    spec = benchmark_spec(size, table, config, corpus)
    name = "-".join([config.model.codec, *map(str, spec.image_lengths)])
    benchmark_dir = out / "benchmarks" / name
    if not (benchmark_dir / "benchmark.json").exists():
        build_default_benchmark(benchmark_dir, corpus, spec)
    answers = run_dir / f"answers-{name}.jsonl"
    evaluator = Evaluator(config, benchmark_dir, console, num_beams=size.num_beams)
    counts = evaluator.run(SYSTEM, run_dir, answers)
    return Answers(
        references=read_jsonl(benchmark_dir / "references.jsonl"),
        predictions=read_jsonl(answers),
        malformed=counts["malformed"],
        metrics=run_folder.read_metrics(run_dir),
        benchmark_dir=benchmark_dir,
        media_root=corpus.root,
    )


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


def digest(config: TrainConfig) -> str:
    """A short name for what a configuration trains; the seed stands beside it."""
    return hashlib.sha256(to_json(replace(config, seed=0)).encode()).hexdigest()[:10]

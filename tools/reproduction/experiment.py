"""Row x seed -> run folder -> predictions; what is done already is kept.

Below the output folder, runs lie by what they train, not by table, so that tables share them:

    runs/DIGEST-seedN/       a run folder of vidllm, and answers-BENCHMARK.jsonl
    benchmarks/BENCHMARK/    questions and references, and chance-BENCHMARK.jsonl
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from evaluate_default import train_to_the_end
from reproduction.benchmarks import Asked, benchmarks_of
from reproduction.sizes import Size
from reproduction.tables import Row, Table, config_of
from vidllm import run_folder
from vidllm.assembly import load_corpus, load_features
from vidllm.config import TrainConfig
from vidllm.config_json import to_json
from vidllm.evaluation import Evaluator
from vidllm.film_data import film_frames_of
from vidllm.report.timelines import read_rows

SYSTEM = "trained"
CHANCE = "chance"


@dataclass(frozen=True, slots=True)
class Run:
    """A row, trained with one seed.

    Attributes:
        label: of row and seed, for messages.
        config: what is trained.
        folder: named by that, so rows and tables that train the same share it.
    """

    label: str
    config: TrainConfig
    folder: Path


@dataclass(frozen=True, slots=True)
class Answers:
    """What one run answered, or chance.

    Attributes:
        references: rows of references.jsonl, of all benchmarks.
        predictions: rows of predictions.jsonl.
        malformed: answers, in part at least, that could not be read.
        metrics: rows of the run's metrics.jsonl.
        manifest: of the run: versions, machine, commit; nothing of chance.
        asked: the benchmarks, that of the default first.
        media_root: paths of the default's questions start here.
    """

    references: list[dict[str, Any]]
    predictions: list[dict[str, Any]]
    malformed: int
    metrics: list[dict[str, Any]]
    manifest: dict[str, Any]
    asked: tuple[Asked, ...]
    media_root: str


def runs_of(size: Size, table: Table, out: Path) -> dict[str, tuple[Run, ...]]:
    """The runs of each row, by its label: one for each seed."""
    return {
        row.label: tuple(_run_of(size, row, seed, out) for seed in size.seeds) for row in table.rows
    }


def _run_of(size: Size, row: Row, seed: int, out: Path) -> Run:
    config = config_of(size, row, seed)
    folder = out / "runs" / f"{digest(config)}-seed{seed}"
    return Run(f"{row.label!r} with seed {seed}", config, folder)


def answers_of(size: Size, table: Table, run: Run, out: Path, console: Console) -> Answers:
    """Trains a run where it is not trained yet, asks it where it has not been asked.

    Raises:
        KeyboardInterrupt: a signal stopped training; the same call goes on.
        FileNotFoundError: data has not been fetched (says what to run).
    """
    train_to_the_end(run.config, run.folder, console, run.label)
    return _answers(SYSTEM, size, table, run.config, run.folder, out, console)


def prepare(
    size: Size, table: Table, configs: Sequence[TrainConfig], out: Path, console: Console
) -> None:
    """Makes what runs share: what they are asked, features of all that is shown or asked about.

    Args:
        size: of the runs.
        table: what they are asked for.
        configs: of every row, with any seed: it changes nothing of what is shown.
        out: where benchmarks are kept.
        console: gets progress.

    Raises:
        FileNotFoundError: data has not been fetched (says what to run).
    """
    for config in configs:
        asked = benchmarks_of(size, table, config, load_corpus(config.data), out)
    for one in asked:  # every way of writing is asked about the same frames
        _evaluator(size, config, one, console).features()
    frames = {frame: None for config in configs for frame in film_frames_of(config)}
    if frames:
        console.print(f"visual features of {len(frames)} frames of the film")
        load_features(config, load_corpus(config.data), list(frames))


def chance_of(
    size: Size, table: Table, config: TrainConfig, out: Path, console: Console
) -> Answers:
    """Answers of nobody to what such a run is asked.

    A random image; spans and captions of a random training sequence.
    """
    return _answers(CHANCE, size, table, config, out / "benchmarks", out, console)


def _answers(
    system: str,
    size: Size,
    table: Table,
    config: TrainConfig,
    folder: Path,
    out: Path,
    console: Console,
) -> Answers:
    """A system's answers to all that the table asks, kept in `folder`."""
    corpus = load_corpus(config.data)
    asked = benchmarks_of(size, table, config, corpus, out)
    found = Answers([], [], 0, [], {}, tuple(asked), corpus.root)
    kept_as = "answers" if system == SYSTEM else system
    for one in asked:
        path = folder / f"{kept_as}-{one.name}.jsonl"
        counts = _evaluator(size, config, one, console).run(system, folder, path)
        found = replace(
            found,
            references=[*found.references, *read_rows(one.references).values()],
            predictions=[*found.predictions, *read_rows(path).values()],
            malformed=found.malformed + counts["malformed"],
        )
    if system != SYSTEM:
        return found
    return replace(
        found,
        metrics=run_folder.read_metrics(folder),
        manifest=run_folder.read_manifest(folder),
    )


def _evaluator(size: Size, config: TrainConfig, asked: Asked, console: Console) -> Evaluator:
    return Evaluator(
        config,
        asked.references,
        console,
        constrained=False,  # only some ways of writing have a form that could be held to
        num_beams=size.num_beams,
        media_root=asked.media_root,
        keep_features=True,
    )


def made_by(answers: Iterable[Answers]) -> dict[str, Any]:
    """What stands behind a table: commits, versions and machines of its runs, minutes of steps."""
    starts: list[dict[str, Any]] = []
    seconds = 0.0
    for one in answers:
        starts += one.manifest["starts"]
        seconds += sum(row["seconds"] for row in one.metrics)
    return {
        "commits": sorted({str(start["git_commit"]) for start in starts}),
        "versions": _different(start["versions"] for start in starts),
        "machines": _different(start["machine"] for start in starts),
        "minutes_of_steps": round(seconds / 60, 1),
    }


def _different(values: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [json.loads(text) for text in sorted({json.dumps(value) for value in values})]


def digest(config: TrainConfig) -> str:
    """A short name for what a configuration trains; the seed stands beside it."""
    return hashlib.sha256(to_json(replace(config, seed=0)).encode()).hexdigest()[:10]

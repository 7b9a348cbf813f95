"""Predicts, scores and reports the newest run beside its baselines (`nox -s eval`).

Four systems answer the same held-out questions, the models under the same constraints: places by
beam search, dense captions greedily.

- trained            the run's newest checkpoint
- untrained          the same model at step 0: pretrained parts, the projector as it starts
- without_seq2time   the control, trained here once and kept in the run folder: the same model,
                     settings, seed and number of optimizer steps on the same pictures in the same
                     sequences, each followed by its caption; no codes, no questions about places
- chance             a random image; for clips spans and captions of random training sequences

This script may import both vidllm and vidmetrics; the packages meet only in predictions.jsonl.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table

import vidmetrics as vm
from exit_status import exit_status
from seqsynth import BenchmarkSpec, Corpus, build_default_benchmark
from seqsynth.benchmark import REFERENCES_NAME
from vidllm import checkpoint, run_folder
from vidllm.assembly import load_corpus
from vidllm.cli import quiet_libraries
from vidllm.config import TrainConfig
from vidllm.evaluation import Evaluator
from vidllm.report import write_report
from vidllm.report.page import (
    EVALUATION_DIR,
    METRIC_NAMES,
    PERCENT_METRICS,
    PREDICTIONS_NAME,
    SCORES_NAME,
    SYSTEM_NAMES,
)
from vidllm.report.timelines import read_rows
from vidllm.terminal import messages
from vidllm.training import train

ROOT = Path(__file__).resolve().parents[1]
START, END = "<!-- results:start -->", "<!-- results:end -->"
IMAGE_LENGTHS = (16, 32, 96)
# Training shows 2 to 5 clips in 24 frames; the paper's 2 to 10 in 96 are for longer recipes.
NUM_CLIP_FRAMES, MAX_CLIPS = 32, 5
NUM_BEAMS = 4
GROUNDING_METRICS = ("recall_at_1@0.3", "recall_at_1@0.5", "recall_at_1@0.7", "mean_iou")
CAPTION_METRICS = ("soda_c", "cider", "meteor", "f1")
EXACT_IOU = 0.5  # places of images are equal or disjoint: any threshold above 0 is exactness
CONTROL_DIR = "without_seq2time"

Scores = dict[str, dict[str, dict[str, dict[str, float]]]]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the evaluation and returns the exit status."""
    quiet_libraries()
    parser = _parser()
    options = parser.parse_args(argv)
    if options.sequences < 1:
        parser.error(f"--sequences is {options.sequences}: give 1 or more")
    console = messages()

    def work() -> None:
        run_dir = options.run or run_folder.newest(ROOT / run_folder.DEFAULT_ROOT)
        scores = evaluate(run_dir, console, num_sequences=options.sequences)
        console.print(rich_table(scores))
        console.print(f"report: {write_report(run_dir)}")
        if options.update_readme:
            update_readme(ROOT / "README.md", scores, run_folder.load_config(run_dir))

    return exit_status("evaluate_default", work)


def evaluate(run_dir: Path, console: Console, *, num_sequences: int) -> Scores:
    """Predictions and scores of all systems, written into the run folder.

    Args:
        run_dir: a trained run.
        console: where progress goes.
        num_sequences: image sequences of each length, and clip sequences.

    Raises:
        ValueError: no run, or one without a checkpoint.
    """
    config = run_folder.load_config(run_dir)
    found = checkpoint.newest_good(run_dir)
    if found is None:
        raise ValueError(f"{run_dir} has no checkpoint: train it first")
    if found.step < config.num_steps:
        console.print(f"{run_dir} stands at step {found.step} of {config.num_steps}")
    control_dir = trained_control(run_dir, config, console)
    benchmark_dir = run_dir / EVALUATION_DIR
    corpus = load_corpus(config.data)
    spec = benchmark_spec(config, corpus, num_sequences)
    build_default_benchmark(corpus, benchmark_dir, spec)
    evaluator = Evaluator(config, benchmark_dir, console, num_beams=NUM_BEAMS)
    rows: list[dict[str, Any]] = []
    for system in SYSTEM_NAMES:
        out = benchmark_dir / f"predictions-{system}.jsonl"
        weights_dir = control_dir if system == "without_seq2time" else run_dir
        counts = evaluator.run(system, weights_dir, out)
        console.print(f"{system}: {counts}")
        rows += read_rows(out).values()
    _write_jsonl(run_dir / PREDICTIONS_NAME, rows)
    scores = scored(read_rows(benchmark_dir / REFERENCES_NAME).values(), rows)
    text = json.dumps(scores, indent=2) + "\n"
    run_folder.write_atomically(text, run_dir / SCORES_NAME)
    return scores


def trained_control(run_dir: Path, config: TrainConfig, console: Console) -> Path:
    """The run folder of the control, trained as far as the run itself where it is not yet."""
    stages = tuple(replace(stage, film_weight=0.0) for stage in config.data.stages)
    control = replace(
        config,
        recipe=f"{config.recipe}_without_seq2time",
        data=replace(config.data, without_places=True, stages=stages),
    )
    control_dir = run_dir / CONTROL_DIR
    if run_folder.is_run(control_dir) and run_folder.load_config(control_dir) != control:
        raise ValueError(f"{control_dir} is a control of another run: delete it")
    train_to_the_end(control, control_dir, console, "the control")
    return control_dir


def train_to_the_end(config: TrainConfig, run_dir: Path, console: Console, what: str) -> None:
    """Trains from where the run folder stands, if it is not at the end; makes it where it is not.

    Raises:
        KeyboardInterrupt: a signal stopped training; the same call goes on.
    """
    resume_from = None
    if run_folder.is_run(run_dir):
        resume_from = checkpoint.newest_good(run_dir)
    else:
        run_folder.create(config, run_dir)
    if resume_from is None or resume_from.step < config.num_steps:
        console.print(f"training {what}, {config.num_steps} steps, into {run_dir}")
        outcome = train(config, run_dir, resume_from=resume_from, console=console)
        if outcome.signal_number is not None:
            raise KeyboardInterrupt


def benchmark_spec(config: TrainConfig, corpus: Corpus, num_sequences: int) -> BenchmarkSpec:
    """The benchmark's sizes: those of the default, or what a smaller corpus can give."""
    num_images = len({image.caption for image in corpus.heldout_images})
    num_labels = len({clip.label for clip in corpus.heldout_clips})
    base = BenchmarkSpec(codec=config.model.codec, templates=config.data.templates)
    return replace(
        base,
        image_lengths=tuple(length for length in IMAGE_LENGTHS if length <= num_images),
        num_image_sequences=num_sequences,
        num_clip_sequences=num_sequences if num_labels >= base.min_clips else 0,
        num_frames=NUM_CLIP_FRAMES,
        max_clips=max(min(MAX_CLIPS, num_labels), base.min_clips),
    )


def scored(references: Iterable[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> Scores:
    """Every benchmark, system and metric: value, 95 % interval and number of queries.

    Args:
        references: rows of references.jsonl.
        rows: rows of predictions.jsonl, of all systems.
    """
    by_benchmark: dict[str, dict[str, Mapping[str, Any]]] = {}
    for reference in references:
        by_benchmark.setdefault(reference["benchmark"], {})[reference["id"]] = reference
    by_system: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        by_system.setdefault(row["system"], {})[row["id"]] = row
    return {
        benchmark: {
            system: _score(asked, {id_: answers[id_] for id_ in asked if id_ in answers})
            for system, answers in by_system.items()
        }
        for benchmark, asked in by_benchmark.items()
    }


def evaluated(
    references: Mapping[str, Mapping[str, Any]], predictions: Mapping[str, Mapping[str, Any]]
) -> vm.GroundingResult | vm.DenseCaptioningResult:
    """The scorer's result for the questions of one benchmark, by id; all have one task."""
    task = next(iter(references.values()))["task"]
    if task == "dvc":
        return vm.evaluate_dense_captions(
            {id_: [tuple(e) for e in row["events"]] for id_, row in references.items()},
            {id_: [tuple(e) for e in row["events"]] for id_, row in predictions.items()},
        )
    return vm.evaluate_grounding(
        {id_: [tuple(e[:2]) for e in row["events"]] for id_, row in references.items()},
        {id_: [tuple(e[:2]) for e in row["events"]] for id_, row in predictions.items()},
        iou_thresholds=(EXACT_IOU,) if task == "iig" else (0.3, 0.5, 0.7),
    )


def _score(
    references: Mapping[str, Mapping[str, Any]], predictions: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, float]]:
    result = evaluated(references, predictions)
    task = next(iter(references.values()))["task"]
    if task == "dvc":
        return _with_intervals(result, {name: name for name in CAPTION_METRICS})
    if task == "iig":
        return _with_intervals(result, {"exact": f"recall_at_1@{EXACT_IOU}"})
    return _with_intervals(result, {name: name for name in GROUNDING_METRICS})


def _with_intervals(
    result: vm.GroundingResult | vm.DenseCaptioningResult, names: Mapping[str, str]
) -> dict[str, dict[str, float]]:
    count = len(result.statistics.ids)
    return {
        ours: {
            "value": float(result.scores[theirs]),
            "low": float(result.confidence[theirs].low),
            "high": float(result.confidence[theirs].high),
            "count": count,
        }
        for ours, theirs in names.items()
    }


def rich_table(scores: Scores) -> Table:
    """The scores for the terminal, times 100 where they are shares."""
    title = "held-out concepts, times 100 except CIDEr (95 % interval)"
    table = Table(title=title, box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for heading in ("", *SYSTEM_NAMES.values()):
        justify: JustifyMethod = "right" if heading else "left"
        table.add_column(heading.replace(" ", "\n"), justify=justify, no_wrap=True)
    for benchmark, by_system in scores.items():
        lines = table_lines(by_system)
        table.add_row(f"{benchmark}, {lines[0][1]}", style="bold")
        for metric, _, *cells in lines:
            table.add_row(f"  {metric}", *cells)
    return table


def table_lines(by_system: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[list[str]]:
    """Metric, count and one cell a system, for each metric of one benchmark."""
    first = next(iter(by_system.values()))
    lines = []
    for metric in (name for name in METRIC_NAMES if name in first):
        cells = [_cell(metric, by_system.get(name, {}).get(metric)) for name in SYSTEM_NAMES]
        lines.append([METRIC_NAMES[metric], f"{first[metric]['count']:.0f}", *cells])
    return lines


def _cell(metric: str, entry: Mapping[str, float] | None) -> str:
    if entry is None:
        return "-"
    scale, decimals = (100, 0) if metric in PERCENT_METRICS else (1, 1)
    value, low, high = (entry[name] * scale for name in ("value", "low", "high"))
    return f"{value:.1f} ({low:.{decimals}f}-{high:.{decimals}f})"


def update_readme(path: Path, scores: Scores, config: TrainConfig) -> None:
    """Writes the table between the README's markers.

    Raises:
        ValueError: the README has no such markers.
    """
    text = path.read_text("utf-8")
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError(f"{path} lacks the markers {START} and {END}")
    heading = ["benchmark", "metric", "n", *SYSTEM_NAMES.values()]
    lines = [heading, ["---", "---", *["---:"] * (len(heading) - 2)]]
    for benchmark, by_system in scores.items():
        lines += [[benchmark, *line] for line in table_lines(by_system)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    note = (
        f"Recipe `{config.recipe}`, {config.num_steps} steps, seed {config.seed}; times 100 "
        "except CIDEr, with 95 % bootstrap intervals; written by `nox -s eval`."
    )
    path.write_text(f"{before}{START}\n{table}\n\n{note}\n{END}{after}", "utf-8")


def _write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    run_folder.write_atomically(text, path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="evaluate_default",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--run", type=Path, help="run folder (default: the newest under runs/)")
    parser.add_argument(
        "--sequences",
        type=int,
        default=48,
        help="image sequences of each length, and clip sequences (default: 48)",
    )
    parser.add_argument(
        "--update-readme", action="store_true", help="write the table into README.md"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

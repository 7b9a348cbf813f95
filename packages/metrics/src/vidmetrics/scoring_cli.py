"""The commands that score: `dvc`, `tvg` and `highlights`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vidmetrics.dense_captioning import DenseCaptioningResult, evaluate_dense_captions
from vidmetrics.errors import InputError
from vidmetrics.grounding import GroundingResult, evaluate_grounding
from vidmetrics.highlights import evaluate_highlights
from vidmetrics.jobs import Job, make_jobs
from vidmetrics.protocol import Protocol
from vidmetrics.protocol_options import protocol_from_options
from vidmetrics.readers import (
    read_answers,
    read_clip_scores,
    read_dense_predictions,
    read_dense_references,
    read_queries,
    read_saliency,
)
from vidmetrics.resampling import Resampling
from vidmetrics.results_file import Result, result_to_json, results_to_json
from vidmetrics.score_tables import score_table, systems_table, threshold_table, unit_table
from vidmetrics.tables import printable

_VIDEO_COLUMNS = ("soda_c", "cider", "meteor", "f1", "num_references", "num_predictions")


def score_dense(parsed: argparse.Namespace) -> int:
    """`vidmetrics dvc`."""
    protocol = protocol_from_options(parsed.protocol, parsed.set)
    jobs = dense_jobs(
        [parsed.references, *parsed.second_references],
        parsed.predictions,
        parsed.split,
        parsed.benchmark,
        parsed.system,
    )
    results = [(job, score_dense_job(job, protocol, resampling_of(parsed))) for job in jobs]
    _write_json(parsed, "dvc", results)
    out = _text_stream(parsed)
    if len(results) > 1:
        print(systems_table([(j.benchmark, j.system, r) for j, r in results]), file=out)
    for job, result in results:
        if len(results) == 1:
            print(score_table(result), file=out)
            print(f"\n{threshold_table(result.per_threshold)}", file=out)
        if parsed.per_video:
            _print_heading(job, len(results), out)
            print("\n" + unit_table(result.per_video, _VIDEO_COLUMNS, "video", "soda_c"), file=out)
        _say_dense(job, result)
    _print_signatures([result for _, result in results], out)
    return 0


def score_grounding(parsed: argparse.Namespace) -> int:
    """`vidmetrics tvg`."""
    if not all(0.0 < threshold <= 1.0 for threshold in parsed.iou):
        raise InputError(f"--iou takes thresholds in (0, 1], got {parsed.iou}")
    jobs = grounding_jobs(parsed.references, parsed.predictions, parsed.benchmark, parsed.system)
    results = [
        (
            job,
            evaluate_grounding(
                {name: spans_only(record.spans) for name, record in job.references[0].items()},
                {name: record.spans for name, record in job.predictions.items()},
                tuple(dict.fromkeys(parsed.iou)),
                union=parsed.union,
                reversed_spans=parsed.reversed,
                moments=parsed.moments,
                resampling=resampling_of(parsed),
            ),
        )
        for job in jobs
    ]
    _write_json(parsed, "tvg", results)
    out = _text_stream(parsed)
    if len(results) > 1:
        print(systems_table([(j.benchmark, j.system, r) for j, r in results]), file=out)
    for job, result in results:
        if len(results) == 1:
            print(score_table(result), file=out)
        if parsed.per_query:
            _print_heading(job, len(results), out)
            print("\n" + unit_table(result.per_query, ("iou",), "query", "iou"), file=out)
        _say_grounding(job, result)
    _print_signatures([result for _, result in results], out)
    return 0


def score_highlights(parsed: argparse.Namespace) -> int:
    """`vidmetrics highlights`."""
    result = evaluate_highlights(
        read_saliency(parsed.references),
        read_clip_scores(parsed.predictions),
        min_rating=parsed.min_rating,
        resampling=resampling_of(parsed),
    )
    _write_json(parsed, "highlights", [(Job("", "", (), {}, ()), result)])
    out = _text_stream(parsed)
    print(score_table(result), file=out)
    counts = result.counts
    _say(f"{counts['queries']} queries, {counts['missing']} without predictions (count 0)")
    _print_signatures([result], out)
    return 0


def dense_jobs(
    references: Sequence[str],
    predictions: str,
    split: str,
    benchmarks: Sequence[str] = (),
    systems: Sequence[str] = (),
) -> list[Job]:
    """Read files of dense captions and match them."""
    sets = [read_dense_references(path, split=split) for path in references]
    durations = {
        record.id: record.duration_seconds
        for records in sets
        for record in records
        if record.duration_seconds is not None
    }
    predicted = read_dense_predictions(predictions, durations)
    return make_jobs(sets, predicted, benchmarks=benchmarks, systems=systems)


def grounding_jobs(
    references: str,
    predictions: str,
    benchmarks: Sequence[str] = (),
    systems: Sequence[str] = (),
) -> list[Job]:
    """Read files of grounding and match them."""
    queries = read_queries(references)
    answers = read_answers(predictions, queries)
    return make_jobs([queries], answers, benchmarks=benchmarks, systems=systems)


def score_dense_job(job: Job, protocol: Protocol, resampling: Resampling) -> DenseCaptioningResult:
    """Score one job of dense captions."""
    return evaluate_dense_captions(
        [{name: record.events for name, record in one.items()} for one in job.references],
        {name: record.events for name, record in job.predictions.items()},
        protocol,
        resampling=resampling,
    )


def spans_only(spans: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Start and end of spans that may carry scores."""
    return [(span[0], span[1]) for span in spans]


def resampling_of(parsed: argparse.Namespace) -> Resampling:
    """The resampling that the arguments ask for."""
    return Resampling(level=parsed.level, num_resamples=parsed.resamples, seed=parsed.seed)


def _write_json(
    parsed: argparse.Namespace, task: str, results: Sequence[tuple[Job, Result]]
) -> None:
    if parsed.json is None:
        return
    content = results_to_json(
        task,
        {"references": parsed.references, "predictions": parsed.predictions},
        [
            result_to_json(result, benchmark=job.benchmark, system=job.system)
            for job, result in results
        ],
    )
    if parsed.json == "-":
        sys.stdout.write(content)
    else:
        Path(parsed.json).write_text(content, encoding="utf-8")


def _text_stream(parsed: argparse.Namespace) -> Any:
    """Tables go to stderr when stdout carries the JSON."""
    return sys.stderr if parsed.json == "-" else sys.stdout


def _print_heading(job: Job, num_jobs: int, out: Any) -> None:
    if num_jobs > 1:
        print(f"\n{printable(job.benchmark)}  {printable(job.system)}".rstrip(), file=out)


def _print_signatures(results: Sequence[Result], out: Any) -> None:
    for signature in dict.fromkeys(result.signature for result in results):
        print(f"\n{signature}", file=out)


def _say_dense(job: Job, result: DenseCaptioningResult) -> None:
    counts = result.counts
    _say(
        f"{_label(job)}{counts['videos']} videos, {counts['references']} reference events, "
        f"{counts['predictions']} predicted"
    )
    _say_if(counts, "missing", "videos without an entry in the predictions")
    _say_if(counts, "empty", "videos with an empty list of predictions")
    _say_if(counts, "unknown", "predicted videos that the references do not have (ignored)")
    _say_rest(job)
    if "noparaphrase" in result.signature:
        _say(
            "METEOR went without its paraphrase data: SODA_c and METEOR are close to, but not "
            "the published metric; `vidmetrics fetch meteor-data` makes them exact"
        )


def _say_grounding(job: Job, result: GroundingResult) -> None:
    counts = result.counts
    _say(f"{_label(job)}{counts['queries']} queries")
    _say_if(counts, "missing", "queries without an entry in the predictions (misses)")
    _say_if(counts, "unanswered", "answers without a span (misses)")
    _say_if(counts, "reversed", "first spans that end before they start")
    _say_if(counts, "unknown", "predictions for no query of the references (ignored)")
    _say_rest(job)


def _say_rest(job: Job) -> None:
    if job.malformed:
        _say(f"  parts of the model's text that could not be read: {job.malformed}")
    for note in job.notes:
        _say(f"  {note}")


def _say_if(counts: Mapping[str, int], name: str, what: str) -> None:
    if counts[name]:
        _say(f"  {what}: {counts[name]}")


def _label(job: Job) -> str:
    label = " ".join(part for part in (job.benchmark, job.system) if part)
    return f"{label}: " if label else ""


def _say(text: str) -> None:
    print(printable(text), file=sys.stderr)

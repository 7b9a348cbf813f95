"""The command `tvg`, and the reading that others need for grounding; it does not load METEOR."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from vidmetrics.errors import InputError
from vidmetrics.grounding import GroundingResult, evaluate_grounding
from vidmetrics.jobs import Job, make_jobs
from vidmetrics.output_cli import (
    label,
    print_heading,
    print_signatures,
    resampling_of,
    say,
    say_if,
    say_rest,
    text_stream,
    write_json,
)
from vidmetrics.readers import read_answers, read_queries
from vidmetrics.score_tables import score_table, systems_table, unit_table


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
    write_json(parsed, "tvg", results)
    out = text_stream(parsed)
    if len(results) > 1:
        print(systems_table([(j.benchmark, j.system, r) for j, r in results]), file=out)
    for job, result in results:
        if len(results) == 1:
            print(score_table(result), file=out)
        if parsed.per_query:
            print_heading(job, len(results), out)
            print("\n" + unit_table(result.per_query, ("iou",), "query", "iou"), file=out)
        _say_grounding(job, result)
    print_signatures([result.signature for _, result in results], out)
    return 0


def grounding_jobs(
    references: str,
    predictions: str,
    benchmarks: Sequence[str] = (),
    systems: Sequence[str] = (),
) -> list[Job]:
    """Read files of grounding and match them."""
    queries = read_queries(references)
    answers = read_answers(predictions, queries=queries)
    return make_jobs([queries], answers, benchmarks=benchmarks, systems=systems)


def spans_only(spans: Sequence[tuple[float, ...]]) -> list[tuple[float, float]]:
    """Start and end of spans that may carry scores."""
    return [(span[0], span[1]) for span in spans]


def _say_grounding(job: Job, result: GroundingResult) -> None:
    counts = result.counts
    say(f"{label(job)}{counts['queries']} queries")
    say_if(counts, "missing", "queries without an entry in the predictions (misses)")
    say_if(counts, "unanswered", "answers without a span (misses)")
    say_if(counts, "reversed", "first spans that end before they start")
    say_if(counts, "unknown", "predictions for no query of the references (ignored)")
    say_rest(job)

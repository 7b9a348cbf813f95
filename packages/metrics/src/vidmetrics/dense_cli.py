"""The command `dvc`, and the reading and scoring that others need for dense captions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from vidmetrics.dense_captioning import DenseCaptioningResult, evaluate_dense_captions
from vidmetrics.jobs import Job, make_jobs
from vidmetrics.meteor import BARE
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
from vidmetrics.protocol import Protocol
from vidmetrics.protocol_options import protocol_from_options
from vidmetrics.readers import read_dense_predictions, read_dense_references
from vidmetrics.resampling import Resampling
from vidmetrics.score_tables import score_table, systems_table, threshold_table, unit_table

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
    write_json(parsed, "dvc", results)
    out = text_stream(parsed)
    if len(results) > 1:
        print(systems_table([(j.benchmark, j.system, r) for j, r in results]), file=out)
    for job, result in results:
        if len(results) == 1:
            print(score_table(result), file=out)
            print(f"\n{threshold_table(result.per_threshold)}", file=out)
        if parsed.per_video:
            print_heading(job, len(results), out)
            print("\n" + unit_table(result.per_video, _VIDEO_COLUMNS, "video", "soda_c"), file=out)
        _say_dense(job, result)
    if any(BARE in result.signature for _, result in results):
        say(
            "METEOR went without paraphrases and synonyms: SODA_c and METEOR are close to, but not "
            "the published metric; `vidmetrics fetch meteor-data` makes them exact"
        )
    print_signatures([result.signature for _, result in results], out)
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
    predicted = read_dense_predictions(predictions, durations=durations)
    return make_jobs(sets, predicted, benchmarks=benchmarks, systems=systems)


def score_dense_job(job: Job, protocol: Protocol, resampling: Resampling) -> DenseCaptioningResult:
    """Score one job of dense captions."""
    return evaluate_dense_captions(
        [{name: record.events for name, record in one.items()} for one in job.references],
        {name: record.events for name, record in job.predictions.items()},
        protocol,
        resampling=resampling,
    )


def _say_dense(job: Job, result: DenseCaptioningResult) -> None:
    counts = result.counts
    say(
        f"{label(job)}{counts['videos']} videos, {counts['references']} reference events, "
        f"{counts['predictions']} predicted"
    )
    say_if(counts, "missing", "videos without an entry in the predictions")
    say_if(counts, "empty", "videos with an empty list of predictions")
    say_if(counts, "unknown", "predicted videos that the references do not have (ignored)")
    say_rest(job)

"""The command `report`: an HTML page with a timeline of each video or query."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vidmetrics.dense_captioning import loaded_meteor
from vidmetrics.dense_cli import dense_jobs, score_dense_job
from vidmetrics.errors import InputError
from vidmetrics.grounding import evaluate_grounding
from vidmetrics.grounding_cli import grounding_jobs, spans_only
from vidmetrics.jobs import Job
from vidmetrics.output_cli import resampling_of
from vidmetrics.protocol_options import protocol_from_options
from vidmetrics.report import Timeline, dense_timelines, grounding_timelines, render_page
from vidmetrics.results_file import Result
from vidmetrics.whole_files import write_whole


def write_report(parsed: argparse.Namespace) -> int:
    """`vidmetrics report`."""
    result: Result
    timelines: list[Timeline]
    if parsed.task == "dvc":
        protocol = protocol_from_options(parsed.protocol, parsed.set)
        job = _only(
            dense_jobs(
                [parsed.references],
                parsed.predictions,
                parsed.split,
                parsed.benchmark,
                parsed.system,
            )
        )
        dense = score_dense_job(job, protocol, resampling_of(parsed))
        meteor = loaded_meteor(protocol.meteor)
        result, timelines = dense, dense_timelines(job, dense, protocol, meteor, parsed.limit)
    else:
        job = _only(
            grounding_jobs(parsed.references, parsed.predictions, parsed.benchmark, parsed.system)
        )
        grounding = evaluate_grounding(
            {name: spans_only(record.spans) for name, record in job.references[0].items()},
            {name: record.spans for name, record in job.predictions.items()},
            resampling=resampling_of(parsed),
        )
        result, timelines = grounding, grounding_timelines(job, grounding, parsed.limit)
    facts = {
        "references": Path(parsed.references).name,
        "predictions": Path(parsed.predictions).name,
        "benchmark": job.benchmark,
        "system": job.system,
    }
    page = render_page(
        "Dense captions" if parsed.task == "dvc" else "Temporal grounding",
        {name: value for name, value in facts.items() if value},
        result,
        timelines,
    )
    write_whole(Path(parsed.out), page.encode())
    print(f"{parsed.out}: {len(timelines)} timelines", file=sys.stderr)
    return 0


def _only(jobs: list[Job]) -> Job:
    if len(jobs) > 1:
        names = ", ".join(f"{job.benchmark} {job.system}".strip() for job in jobs)
        raise InputError(f"a report shows one: choose with --benchmark and --system among {names}")
    return jobs[0]

"""The command `highlights`."""

from __future__ import annotations

import argparse

from vidmetrics.highlights import evaluate_highlights
from vidmetrics.jobs import Job
from vidmetrics.output_cli import (
    print_signatures,
    resampling_of,
    say,
    say_if,
    text_stream,
    write_json,
)
from vidmetrics.readers import read_clip_scores, read_saliency
from vidmetrics.score_tables import score_table


def score_highlights(parsed: argparse.Namespace) -> int:
    """`vidmetrics highlights`."""
    references = read_saliency(parsed.references)
    predictions, num_unread = read_clip_scores(parsed.predictions, references=references)
    result = evaluate_highlights(
        references,
        predictions,
        min_rating=parsed.min_rating,
        resampling=resampling_of(parsed),
    )
    write_json(parsed, "highlights", [(Job("", "", (), {}, ()), result)])
    out = text_stream(parsed)
    print(score_table(result), file=out)
    counts = {**result.counts, "unread": num_unread}
    say(f"{counts['queries']} queries")
    say_if(counts, "missing", "queries without predictions (count 0)")
    say_if(counts, "unread", "answers without two highlights (scored as they are)")
    say_if(counts, "unknown", "predictions for no query of the references (ignored)")
    print_signatures([result.signature], out)
    return 0

"""The command `richness`: length and variety of captions, one row a file."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from vidmetrics.errors import InputError
from vidmetrics.output_cli import print_signatures, text_stream, write_output
from vidmetrics.readers.dense_formats import (
    PREDICTION_FORMATS,
    dense_predictions,
    dense_references,
)
from vidmetrics.readers.documents import Document, has_keys, load_document
from vidmetrics.readers.records import Record
from vidmetrics.results_file import json_document
from vidmetrics.tables import render_table
from vidmetrics.text_stats import TextRichness, text_richness

FORMAT = "vidmetrics-richness"
FORMAT_VERSION = 1


def measure_richness(parsed: argparse.Namespace) -> int:
    """`vidmetrics richness`."""
    measured: list[tuple[str, str, TextRichness]] = []
    for path in parsed.files:
        records = _read(path, parsed.split)
        for system in dict.fromkeys(record.system for record in records):
            captions = {
                f"{record.benchmark}/{record.id}": [event[2] for event in record.events]
                for record in records
                if record.system == system
            }
            if not any(captions.values()):
                raise InputError(f"{path} holds no captions")
            measured.append((path, system, text_richness(captions, tokenizer=parsed.tokenizer)))
    if parsed.json is not None:
        rows = [{"file": path, "system": system, **asdict(row)} for path, system, row in measured]
        write_output(parsed.json, json_document(FORMAT, FORMAT_VERSION, results=rows))
    out = text_stream(parsed)
    print(
        render_table(
            ["file", "system", "captions", "mean length", "TTR video", "TTR corpus", "TTR caption"],
            [
                [
                    path,
                    system,
                    str(row.num_captions),
                    f"{row.mean_length:.2f}",
                    f"{row.type_token_ratio:.3f}",
                    f"{row.type_token_ratio_corpus:.3f}",
                    f"{row.type_token_ratio_caption:.3f}",
                ]
                for path, system, row in measured
            ],
            text_columns=2,
        ),
        file=out,
    )
    print_signatures([row.signature for _, _, row in measured], out)
    return 0


def _read(path: str, split: str) -> list[Record]:
    """Predictions, or else references: both hold captions."""
    document = load_document(path)
    try:
        return dense_predictions(document, _any_durations(document))
    except InputError as error:
        try:
            return dense_references(document, split=split)
        except InputError as other:
            is_prediction = any(one.matches(document) for one in PREDICTION_FORMATS)
            raise (error if is_prediction else other) from None


def _any_durations(document: Document) -> dict[str, float]:
    """A second for each video of a VTimeLLM log: its captions are measured, not its times."""
    items = (item for _, item in document.entries())
    return {str(item["video_id"]): 1.0 for item in items if has_keys(item, "video_id")}

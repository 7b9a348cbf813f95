"""Codes of other lengths, and what a way of writing can reach at best."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import timetokens as tt
from evaluate_default import evaluated
from reproduction.benchmarks import metric_names

DIGITS = (2, 3, 5)

CODES_BY_DIGITS: dict[str, tt.Codec] = {
    f"rpt{digits}": tt.RelativeDigits(digits=digits, name=f"rpt{digits}") for digits in DIGITS
}
"""`rpt` has four digits."""


def ceiling(references: Iterable[Mapping[str, Any]], codec_name: str) -> dict[str, float]:
    """The scores of right answers once they are written and read back, by column.

    Args:
        references: rows of references.jsonl.
        codec_name: how they are written.
    """
    by_benchmark: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in references:
        if row["task"] != "dvc":
            by_benchmark.setdefault(row["benchmark"], {})[row["id"]] = row
    scores = {}
    for benchmark, rows in by_benchmark.items():
        written = {
            id_: {**row, "events": [read_back(row, codec_name)]} for id_, row in rows.items()
        }
        result = evaluated(rows, written)
        for column, name in metric_names(benchmark).items():
            scores[column] = float(result.scores[name])
    return scores


def read_back(reference: Mapping[str, Any], codec_name: str) -> list[Any]:
    """The first event of a reference as it is read after it has been written."""
    codec = tt.CODECS[codec_name]
    start, end, caption = reference["events"][0]
    duration = reference["duration_seconds"]
    if reference["task"] == "iig":
        length, number = round(duration), math.floor(start) + 1
        text = codec.format_point(tt.ItemPosition(number, length))
        item = codec.parse_item(text, length=length)
        return [float(item - 1), float(item), caption]
    # Rounded to six decimals, the end of the last event may lie behind the end of the video.
    start, end = (min(seconds, duration) for seconds in (start, end))
    text = codec.format_span(tt.TimePosition(start, duration), tt.TimePosition(end, duration))
    return [*codec.parse_span(text, duration_seconds=duration), caption]


def largest_error(references: Iterable[Mapping[str, Any]], codec_name: str) -> dict[str, float]:
    """How far the ends of spans move when written and read back, in seconds: mean, largest, bound.

    `bound` is what the codec promises for the longest of these videos.
    """
    codec = tt.CODECS[codec_name]
    errors, longest = [], 0.0
    for row in references:
        if row["task"] == "tvg":
            found = read_back(row, codec_name)
            errors += [abs(a - b) for a, b in zip(found[:2], row["events"][0][:2], strict=True)]
            longest = max(longest, row["duration_seconds"])
    if not errors:
        return {}
    return {
        "mean_seconds": sum(errors) / len(errors),
        "largest_seconds": max(errors),
        "bound_seconds": codec.max_error(longest),
    }

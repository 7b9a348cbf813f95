"""Clip sequences as timelines: reference spans above, predicted ones below, pictures on top."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from seqsynth import Example, FrameRef, MediaError, load_frames, read_examples
from seqsynth.parsing import parsed_json
from seqsynth.video_tasks import EVENT_TASKS

MAX_SEQUENCES = 10
NUM_THUMBNAILS = 12
THUMBNAIL_SIZE = 64

Event = Sequence[Any]  # [start_seconds, end_seconds, caption]
Rows = Mapping[str, Mapping[str, Any]]


def timelines(
    examples_path: str | Path, *, media_root: str | Path, references: Rows, predictions: Rows
) -> str:
    """Timelines of the first clip sequences of a benchmark.

    Args:
        examples_path: examples.jsonl of the benchmark.
        media_root: folder that its paths are relative to.
        references: rows of references.jsonl by query id.
        predictions: rows of one system by query id.
    """
    sequences: dict[tuple[FrameRef, ...], list[Example]] = {}
    for example in read_examples(examples_path, media_root=media_root):
        if example.task in EVENT_TASKS:
            sequences.setdefault(example.frames, []).append(example)
    chosen = list(sequences.values())[:MAX_SEQUENCES]
    if not chosen:
        return "<p class='muted'>The benchmark has no clip sequences.</p>"
    return "".join(
        _sequence(number, examples, references, predictions)
        for number, examples in enumerate(chosen, start=1)
    )


def read_rows(path: str | Path, *, system: str | None = None) -> dict[str, dict[str, Any]]:
    """Rows of a JSON-lines file by their id; of one system where there are several.

    Raises:
        ValueError: a line is no row (names file and line).
    """
    rows = {}
    lines = Path(path).read_text("utf-8").split("\n")  # captions may hold other line breaks
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = parsed_json(line)
            if system is None or row.get("system") == system:
                rows[row["id"]] = row
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: no row with an id: {error!r}") from None
    return rows


def _sequence(number: int, examples: Sequence[Example], references: Rows, predictions: Rows) -> str:
    duration = examples[0].duration_seconds
    parts = [f"<h3>Sequence {number}, {duration:.1f} s</h3>", _strip(examples[0])]
    listed: list[str] = []
    asked: list[tuple[float, str]] = []
    for example in examples:
        ids = [f"{example.id}.{turn}" for turn in range(len(example.turns))]
        for id_ in (id_ for id_ in ids if id_ in references):
            truth = references[id_]["events"]
            found = predictions.get(id_, {}).get("events", [])
            if example.task == "dvc":
                parts.append(_row("reference", _track(truth, "reference", duration)))
                parts.append(_row("described", _track(found, "prediction", duration)))
                listed += [_listed("reference", truth), _listed("described", found)]
            else:
                query = truth[0][2] if truth else references[id_]["query"]
                both = _spans(truth, "reference", duration, captions=False)
                both += _spans(found[:1], "prediction", duration, captions=False)
                row = _row(query, f"<div class='track thin'>{both}</div>")
                asked.append((truth[0][0] if truth else 0.0, row))
    parts += [row for _, row in sorted(asked)]
    if listed:
        parts.append(f"<details><summary>as text</summary>{''.join(listed)}</details>")
    return "".join(parts)


def _row(label: str, track: str) -> str:
    return f"<div class='row'><div class='label'>{html.escape(label)}</div>{track}</div>"


def _track(events: Sequence[Event], kind: str, duration: float) -> str:
    return f"<div class='track'>{_spans(events, kind, duration, captions=True)}</div>"


def _spans(events: Sequence[Event], kind: str, duration: float, *, captions: bool) -> str:
    parts = []
    for start, end, caption in events:
        left = min(max(start / duration, 0.0), 1.0)
        width = min(max(end / duration, left), 1.0) - left
        text = html.escape(str(caption), quote=True)
        title = f"{start:.1f} - {end:.1f} s {text}".strip()
        parts.append(
            f"<div class='span {kind}' title='{title}' "
            f"style='left: {100 * left:.2f}%; width: {100 * width:.2f}%'>"
            f"{text if captions else ''}</div>"
        )
    return "".join(parts)


def _listed(label: str, events: Sequence[Event]) -> str:
    items = "".join(
        f"<li>{start:.1f} - {end:.1f} s: {html.escape(str(caption))}</li>"
        for start, end, caption in events
    )
    return (
        f"<p class='small muted'>{label}</p><ol class='events'>{items or '<li>nothing</li>'}</ol>"
    )


def _strip(example: Example) -> str:
    """Thumbnails at even distances, as data URIs."""
    count = min(NUM_THUMBNAILS, len(example.frames))
    places = [(2 * k + 1) * len(example.frames) // (2 * count) for k in range(count)]
    try:
        pictures = load_frames([example.frames[place] for place in places], THUMBNAIL_SIZE)
    except MediaError as error:
        return f"<p class='muted small'>no pictures: {html.escape(str(error))}</p>"
    images = []
    for picture in pictures:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="WEBP", quality=70)
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        images.append(f"<img alt='' src='data:image/webp;base64,{data}'>")
    return _row("", f"<div class='strip'>{''.join(images)}</div>")

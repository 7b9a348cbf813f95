"""TimeLens-100K: JSON lines of a video with queries and their spans.

`{"source", "video_path", "duration", "events": [{"query", "span": [[s, e], ...]}]}`; a single pair
of times is read as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.events import events_of
from seqsynth.sources.fields import Record, duration_of, list_of, object_of, optional_text, text_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, SourceRow, parsed
from seqsynth.sources.text_files import jsonl_records

PATTERNS = ("*timelens*.jsonl",)


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a line; each span of each query is an event."""
    for path in annotations:
        yield from parsed(jsonl_records(path), _row, part_field="source")


def _row(origin: str, record: Record) -> SourceRow:
    queries = [object_of(query) for query in list_of(record, "events")]
    events, flaws = events_of(pair for query in queries for pair in _pairs(query))
    path = safe_path(text_of(record, "video_path"), "video_path")
    return SourceRow(
        origin=origin,
        id=origin,
        kind="video",
        paths=in_folders(["", "videos"], path),
        duration_seconds=duration_of(record, "duration"),
        events=events,
        part=optional_text(record, "source"),
        flaws=flaws,
    )


def _pairs(query: Record) -> Iterator[tuple[object, object]]:
    spans = query.get("span")
    if isinstance(spans, list) and spans and isinstance(spans[0], list):
        return ((span, query.get("query")) for span in spans)
    return iter([(spans, query.get("query"))])

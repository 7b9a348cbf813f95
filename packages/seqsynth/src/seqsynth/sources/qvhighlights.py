"""QVHighlights: JSON lines of a query and the spans of its video that it fits.

`{"qid": 7, "query": ..., "duration": 9, "vid": "abc_60.0_210.0", "relevant_windows": [[26, 40]]}`
with times in seconds; the test set has no spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.sources.events import events_of
from seqsynth.sources.fields import Record, duration_of, key_of, list_of, text_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import jsonl_records

PATTERNS = ("highlight_*.jsonl", "*qvhighlights*.jsonl")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a line; each span of the query is an event."""
    for path in annotations:
        parse = partial(_row, part=path.stem)
        yield from parsed(jsonl_records(path), parse, part=path.stem)


def _row(origin: str, record: Record, part: str) -> SourceRow:
    if record.get("relevant_windows") is None:
        raise RowError("no spans", "a test set has none")
    query = text_of(record, "query")
    spans = list_of(record, "relevant_windows")
    events, flaws = events_of((span, query) for span in spans)
    name = safe_path(text_of(record, "vid"), "vid")
    return SourceRow(
        origin=origin,
        id=key_of(record, "qid"),
        kind="video",
        paths=in_folders(["", "videos"], name),
        duration_seconds=duration_of(record, "duration"),
        events=events,
        part=part,
        flaws=flaws,
    )

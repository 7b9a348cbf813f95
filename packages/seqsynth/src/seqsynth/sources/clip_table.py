"""Clips that a CSV, JSON-lines or JSON file lists with labels or captions; see `media_table`.

`duration_seconds` and `num_frames` may stand there too; the files are then taken at their word
where they are not probed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.media_table import table_rows
from seqsynth.sources.rows import Entry

PATTERNS = ("*.csv", "*.jsonl")
OTHER_PATTERNS = ("*.json",)


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One clip a line."""
    return table_rows(annotations, "clip")

"""Captioned pictures that a CSV, JSON-lines or JSON file lists; see `media_table`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.media_table import table_rows
from seqsynth.sources.rows import Entry

PATTERNS = ("*.csv", "*.jsonl")
OTHER_PATTERNS = ("*.json",)


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a line."""
    return table_rows(annotations, "image")

"""TimeIT (TimeChat): videos with questions about times and answers that write them in seconds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.question_answers import question_answer_rows
from seqsynth.sources.rows import Entry

PATTERNS = ("*instruct_time*.json", "data/*instruct_time*.json")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a record."""
    return question_answer_rows(annotations, "seconds")

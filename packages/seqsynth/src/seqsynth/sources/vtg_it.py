"""VTG-IT (VTG-LLM): the form of TimeIT, with times in digit tokens (`<TIME_ZERO>...<TIME_DOT>`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.question_answers import question_answer_rows
from seqsynth.sources.rows import Entry

PATTERNS = ("*vtg*it*.json", "*VTG*IT*.json", "data/*VTG*IT*.json")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a record."""
    return question_answer_rows(annotations, "absolute_digits")

"""What the instruction sets share: one JSON list of videos with questions and ready answers.

`{"video": "a/b.mp4", "QA": [{"q": ..., "a": ...}], "source": ...}`, the form of TimeChat's files;
or JSON lines of such objects. `video` may lack its ending. A video comes in many records: an id is
the name of the file and the number of the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.records import Turn
from seqsynth.sources.fields import Record, list_of, object_of, optional_text, text_of
from seqsynth.sources.media_paths import safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import Records, json_list_records, jsonl_records


def list_records(path: Path) -> Records:
    """Objects of a JSON list or, in a file that ends in .jsonl, of JSON lines."""
    return jsonl_records(path) if path.suffix == ".jsonl" else json_list_records(path)


def question_answer_rows(annotations: Sequence[Path], time_codec: str | None) -> Iterator[Entry]:
    """One video a record.

    Args:
        annotations: the files.
        time_codec: how their texts write times, None where they write none.
    """
    for path in annotations:
        parse = partial(question_answer_row, time_codec=time_codec)
        yield from parsed(list_records(path), parse, part_field="source")


def question_answer_row(origin: str, record: Record, time_codec: str | None) -> SourceRow:
    """One record of the form above."""
    part = optional_text(record, "source")
    pairs = [object_of(pair) for pair in list_of(record, "QA")]
    turns, flaws = [], []
    for pair in pairs:
        question, answer = optional_text(pair, "q"), optional_text(pair, "a")
        if question and answer:
            turns.append(Turn(question, answer))
        else:
            flaws.append("turn left out: empty question or answer")
    if not turns:
        raise RowError("no questions and answers")
    return SourceRow(
        origin=origin,
        id=origin,
        kind="video",
        paths=(safe_path(text_of(record, "video"), "video"),),
        turns=tuple(turns),
        time_codec=time_codec,
        part=part,
        flaws=tuple(flaws),
    )

"""Valley-Instruct: conversations about short videos of VATEX and of a stock site, without times.

As published: `{"v_id", "video", "source", "conversations": [{"from", "value"}]}`, where the first
turn of `human` holds the marker `<video>`; or in the form of TimeChat's files (`question_answers`).
A `v_id` of VATEX names a cut of a video, and `video` that cut or the whole: only the cut is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seqsynth.records import Turn
from seqsynth.sources.fields import Record, list_of, object_of, optional_text, text_of
from seqsynth.sources.media_paths import in_folders, safe_path, split_suffix
from seqsynth.sources.question_answers import list_records, question_answer_row
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed

PATTERNS = ("*alley*.json", "data/*alley*.json")

_MARKER = "<video>"
_ID_LENGTH = 11
_CUT = re.compile(rf".{{{_ID_LENGTH}}}_\d{{6}}_\d{{6}}")  # VATEX: seconds from and to


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a record."""
    for path in annotations:
        yield from parsed(list_records(path), _row, part_field="source")


def _row(origin: str, record: Record) -> SourceRow:
    if "QA" in record:
        return question_answer_row(origin, record, None)
    part = optional_text(record, "source")
    turns, flaws = _turns([object_of(turn) for turn in list_of(record, "conversations")])
    if not turns:
        raise RowError("no questions and answers")
    names = [safe_path(text_of(record, "video"), "video")]
    if record.get("v_id") is not None:
        names.append(safe_path(text_of(record, "v_id"), "v_id"))
    cuts = [name for name in names if _CUT.fullmatch(PurePosixPath(split_suffix(name)[0]).name)]
    wholes = [
        str(PurePosixPath(cut).with_name(PurePosixPath(cut).name[:_ID_LENGTH])) for cut in cuts
    ]
    folders = ["", safe_path(part, "source")] if part else [""]
    return SourceRow(
        origin=origin,
        id=origin,
        kind="video",
        paths=tuple(path for name in cuts or names for path in in_folders(folders, name)),
        uncut_paths=tuple(
            dict.fromkeys(path for name in wholes for path in in_folders(folders, name))
        ),
        turns=turns,
        part=part,
        flaws=flaws,
    )


def _turns(messages: Sequence[Record]) -> tuple[tuple[Turn, ...], tuple[str, ...]]:
    """Pairs of what a human says and what gpt answers next."""
    turns: list[Turn] = []
    flaws: list[str] = []
    question = ""
    for message in messages:
        value = optional_text(message, "value").replace(_MARKER, "").strip()
        if message.get("from") == "human":
            if question:
                flaws.append("turn left out: no answer")
            question = value
        elif message.get("from") == "gpt":
            if question and value:
                turns.append(Turn(question, value))
            else:
                flaws.append("turn left out: empty question or answer")
            question = ""
        else:
            flaws.append("turn left out: neither human nor gpt")
    if question:
        flaws.append("turn left out: no answer")
    return tuple(turns), tuple(flaws)

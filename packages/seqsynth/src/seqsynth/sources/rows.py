"""What a source yields: a row it lists, or one that cannot be read, with the place and the reason.

A source reads annotations and looks at no media: `paths` names where a file may lie, and who asked
for the rows looks which of them is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

import timetokens as tt
from seqsynth.records import Turn

Kind = Literal["image", "clip", "video"]


class RowError(ValueError):
    """A row that cannot be used.

    Args:
        reason: the kind of fault, in a few words that many rows share; they are counted by it.
        detail: what stands there.
        part: part of the source, where it is known.
    """

    def __init__(self, reason: str, detail: str = "", part: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.part = part


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRow:
    """One item as its source lists it.

    Attributes:
        origin: where it stands, "train.csv:17", "timeit.json[16]" (from 0) or "train.json:v_abc".
        id: unique within the source.
        kind: image, clip (one action from end to end) or video (with events or questions).
        paths: where the file may lie, relative to the root, with `/`, most likely first; one
            without the ending of a medium stands for any ending that videos have.
        uncut_paths: where the longer video may lie that this one is to be cut from.
        shard_offset, num_bytes: place in a tar or parquet file, see `ManifestRow`.
        caption, label: "" where there is none.
        duration_seconds, num_frames: None where the source does not say.
        events, turns, time_codec: see `AnnotatedVideo`.
        part: what the source divides into, "" where it does not.
        flaws: what was left out of the row or corrected, each as a reason that many rows share.
    """

    origin: str
    id: str
    kind: Kind
    paths: tuple[str, ...]
    uncut_paths: tuple[str, ...] = ()
    shard_offset: int | None = None
    num_bytes: int | None = None
    caption: str = ""
    label: str = ""
    duration_seconds: float | None = None
    num_frames: int | None = None
    events: tuple[tt.Event, ...] = ()
    turns: tuple[Turn, ...] = ()
    time_codec: str | None = None
    part: str = ""
    flaws: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of an annotation that cannot be used; see `RowError`."""

    origin: str
    reason: str
    detail: str = ""
    part: str = ""


Entry = SourceRow | BadRow

RecordT = TypeVar("RecordT")


def parsed(
    records: Iterable[tuple[str, RecordT | RowError]],
    parse: Callable[[str, RecordT], SourceRow],
    *,
    part: str = "",
    part_field: str = "",
) -> Iterator[Entry]:
    """Rows of records.

    Args:
        records: pairs of origin and record; what could not even be read comes as its error.
        parse: one record to one row, or a RowError.
        part: what part of the source a record belongs to that cannot be used.
        part_field: or the field that says so, where it can be read.
    """
    for origin, record in records:
        if isinstance(record, RowError):
            yield BadRow(origin, record.reason, record.detail, record.part or part)
            continue
        try:
            yield parse(origin, record)
        except RowError as error:
            named = error.part or _part_of(record, part_field) or part
            yield BadRow(origin, error.reason, error.detail, named)


def _part_of(record: object, field: str) -> str:
    members = record[1] if isinstance(record, tuple) else record
    value = members.get(field) if isinstance(members, dict) else None
    return value.strip().encode(errors="replace").decode() if isinstance(value, str) else ""

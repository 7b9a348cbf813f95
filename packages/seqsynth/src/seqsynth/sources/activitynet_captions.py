"""ActivityNet Captions: `{"v_abc": {"duration", "timestamps": [[s, e]], "sentences": [...]}}`.

`val_1.json` and `val_2.json` describe the same videos twice: an id begins with its file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.sources.events import events_of
from seqsynth.sources.fields import Record, duration_of, list_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import json_object_records

PATTERNS = ("train.json", "val_1.json", "val_2.json", "captions/*.json")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a member."""
    for path in annotations:
        parse = partial(_row, part=path.stem)
        yield from parsed(json_object_records(path), parse, part=path.stem)


def _row(origin: str, member: tuple[str, Record], part: str) -> SourceRow:
    key, record = member
    spans, sentences = list_of(record, "timestamps"), list_of(record, "sentences")
    if len(spans) != len(sentences):
        raise RowError("captions and spans differ in number", f"{len(sentences)}, {len(spans)}")
    events, flaws = events_of(zip(spans, sentences, strict=True))
    name = safe_path(key, "id")
    folders = ["", "videos", "train", "val", part]
    names = dict.fromkeys([name, name.removeprefix("v_")])
    return SourceRow(
        origin=origin,
        id=f"{part}/{key}",
        kind="video",
        paths=tuple(path for name in names for path in in_folders(folders, name)),
        duration_seconds=duration_of(record, "duration"),
        events=events,
        part=part,
        flaws=flaws,
    )

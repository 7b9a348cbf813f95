"""Charades-STA: lines of a video, a span and what happens in it, `AO8RW 0.0 6.9##a person ...`.

Playing times stand in Charades' own CSV files (columns `id`, `length`), where they are named among
the annotations; else they come from the files. Some spans end after their video and are cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.sources.events import event_of
from seqsynth.sources.fields import duration_of, shown, text_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import csv_records

PATTERNS = ("charades_sta*.txt", "Charades_v1_*.csv", "Charades/Charades_v1_*.csv")

_FOLDERS = ("", "videos", "Charades_v1_480", "Charades_v1")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video with one event a line.

    Raises:
        ValueError: a CSV file without the columns, or a row of it without a playing time.
    """
    durations = _durations(path for path in annotations if path.suffix == ".csv")
    for path in annotations:
        if path.suffix == ".csv":
            continue
        part = path.stem.rpartition("_")[2]
        yield from parsed(_lines(path), partial(_row, part=part, durations=durations), part=part)


def _durations(paths: Iterator[Path]) -> dict[str, float]:
    durations = {}
    for path in paths:
        for origin, record in csv_records(path, required=("id", "length")):
            try:
                if isinstance(record, RowError):
                    raise record
                durations[text_of(record, "id")] = duration_of(record, "length")
            except RowError as error:
                raise ValueError(f"{origin}: {error}") from None
    return durations


def _lines(path: Path) -> Iterator[tuple[str, str | RowError]]:
    with path.open("rb") as handle:
        for number, content in enumerate(handle, start=1):
            origin = f"{path.name}:{number}"
            try:
                line = content.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError:
                yield origin, RowError("not UTF-8", shown(content))
                continue
            if line:
                yield origin, line


def _row(origin: str, line: str, part: str, durations: dict[str, float]) -> SourceRow:
    place, mark, caption = line.partition("##")
    words = place.split()
    if not mark or len(words) != 3:
        raise RowError("not 'ID START END##TEXT'", shown(line))
    name = safe_path(words[0], "id")
    return SourceRow(
        origin=origin,
        id=origin,
        kind="video",
        paths=in_folders(_FOLDERS, name),
        duration_seconds=durations.get(words[0]),
        events=(event_of(words[1:], caption),),
        part=part,
    )

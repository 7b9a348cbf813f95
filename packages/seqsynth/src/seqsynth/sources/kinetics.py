"""Kinetics-400, -600 and -700: CSV files of clips with action labels.

Columns `label`, `youtube_id`, `time_start`, `time_end` and, mostly, `split`. A clip lies at
`<id>_<start, 6 digits>_<end>.mp4`: in a folder of its label, written with spaces or underscores, or
flat; at the root or in a folder of its split.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.sources.fields import Record, number_of, optional_text, shown, text_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import csv_records

PATTERNS = ("*.csv", "annotations/*.csv")

_COLUMNS = ("youtube_id", "time_start", "time_end")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One clip a line.

    Raises:
        ValueError: a file without the columns.
    """
    for path in annotations:
        yield from parsed(csv_records(path, required=_COLUMNS), _row, part_field="split")


def _row(origin: str, record: Record) -> SourceRow:
    split = optional_text(record, "split")
    label = optional_text(record, "label")
    if not label:  # the test set has none
        raise RowError("no label", shown(record["youtube_id"]))
    start, end = number_of(record, "time_start"), number_of(record, "time_end")
    if not 0 <= start < end:
        raise RowError("reversed span", f"{start:g} - {end:g}")
    video_id = safe_path(text_of(record, "youtube_id"), "youtube_id")
    clip_id = f"{video_id}_{int(start):06d}_{int(end):06d}"
    folders = [safe_path(label, "label"), safe_path(label.replace(" ", "_"), "label"), ""]
    if split:
        inside = safe_path(split, "split")
        folders += [f"{inside}/{folder}".rstrip("/") for folder in folders]
    return SourceRow(
        origin=origin,
        id=clip_id,
        kind="clip",
        paths=in_folders(folders, clip_id),
        uncut_paths=in_folders(folders, video_id),
        label=label,
        duration_seconds=end - start,
        part=split,
    )

"""ShareGPT4Video: JSON lines of videos with a caption of the whole video.

`{"video_id", "video_path": "panda/ab12.mp4", "captions": [{"idx": "-1", "content": ...}, ...],
"zip_folder": "panda/panda_videos_1.zip"}`. The caption of the whole video has the index -1; the
others describe single pictures and are passed over. Archives are unpacked in several ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seqsynth.sources.fields import (
    Record,
    key_of,
    list_of,
    object_of,
    optional_text,
    text_of,
)
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import jsonl_records

PATTERNS = ("*sharegpt4video*.jsonl",)

_WHOLE_VIDEO = "-1"


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a line."""
    for path in annotations:
        yield from parsed(jsonl_records(path), _row)


def _row(origin: str, record: Record) -> SourceRow:
    video = safe_path(text_of(record, "video_path"), "video_path")
    part = video.partition("/")[0] if "/" in video else ""
    captions = [object_of(caption) for caption in list_of(record, "captions")]
    whole = [caption for caption in captions if str(caption.get("idx")) == _WHOLE_VIDEO]
    if not whole:
        raise RowError("no caption of the whole video", f"{len(captions)} captions", part)
    name = PurePosixPath(video).name
    folder = str(PurePosixPath(video).parent)
    folders = ["" if folder == "." else folder, ""]
    archive = optional_text(record, "zip_folder")
    if archive:
        unpacked = PurePosixPath(safe_path(archive, "zip_folder")).with_suffix("")
        folders += [str(unpacked), unpacked.name]
    return SourceRow(
        origin=origin,
        id=key_of(record, "video_id"),
        kind="video",
        paths=in_folders(folders, name),
        caption=text_of(whole[0], "content"),
        part=part,
    )

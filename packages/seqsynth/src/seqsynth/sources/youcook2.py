"""YouCook2: cooking videos with the steps of the recipe.

`youcookii_annotations_trainval.json`: `{"database": {id: {"duration", "subset", "recipe_type",
"annotations": [{"segment": [s, e], "sentence"}]}}}`; or TimeChat's `*.caption_coco_format.json`:
`{"annotations": [{"image_id", "duration", "segments", "pure_cap"}]}`, whose captions are one text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.sources.events import events_of
from seqsynth.sources.fields import (
    Record,
    duration_of,
    key_of,
    list_of,
    object_of,
    optional_text,
    text_of,
)
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import json_document, json_list_records, json_object_records

PATTERNS = ("*youcookii*.json", "*caption_coco_format.json")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One video a member.

    Raises:
        ValueError: a file of neither form.
    """
    for path in annotations:
        document = json_document(path)
        if isinstance(document, dict) and "database" in document:
            records = json_object_records(path, inside="database", document=document)
            yield from parsed(records, _row, part_field="subset")
        else:
            split = path.name.partition(".")[0]
            videos = json_list_records(path, inside="annotations", document=document)
            yield from parsed(videos, partial(_coco_row, split=split), part=split)


def _row(origin: str, member: tuple[str, Record]) -> SourceRow:
    video_id, record = member
    split = optional_text(record, "subset") and safe_path(optional_text(record, "subset"), "subset")
    steps = [object_of(step) for step in list_of(record, "annotations")]
    events, flaws = events_of((step.get("segment"), step.get("sentence")) for step in steps)
    recipe = "" if record.get("recipe_type") in (None, "") else key_of(record, "recipe_type")
    folders = [""]
    if recipe:
        inside = safe_path(recipe, "recipe_type")
        folders += [inside, f"{split}/{inside}"] if split else [inside]
    name = safe_path(video_id, "id")
    return SourceRow(
        origin=origin,
        id=video_id,
        kind="video",
        paths=in_folders(folders, name),
        label=recipe,
        duration_seconds=duration_of(record, "duration"),
        events=events,
        part=split,
        flaws=flaws,
    )


def _coco_row(origin: str, record: Record, split: str) -> SourceRow:
    spans = list_of(record, "segments")
    captions = text_of(record, "pure_cap").split(". ")
    if len(captions) != len(spans):
        raise RowError("captions and spans differ in number", f"{len(captions)}, {len(spans)}")
    events, flaws = events_of(zip(spans, captions, strict=True))
    name = safe_path(text_of(record, "image_id"), "image_id")
    return SourceRow(
        origin=origin,
        id=name,
        kind="video",
        paths=(name,),
        duration_seconds=duration_of(record, "duration"),
        events=events,
        part=split,
        flaws=flaws,
    )

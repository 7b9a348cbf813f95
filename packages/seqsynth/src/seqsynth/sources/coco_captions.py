"""Captions in the form of COCO, which many tools of labelling write too.

`{"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`. COCO has five
captions a picture; the first that is not empty is taken, and those left out are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from seqsynth.sources.fields import Record, key_of, optional_text, shown, text_of
from seqsynth.sources.media_paths import in_folders, safe_path
from seqsynth.sources.rows import Entry, RowError, SourceRow, parsed
from seqsynth.sources.text_files import json_document, json_list_records

PATTERNS = ("*captions*.json", "annotations/*captions*.json")


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a member of `images`.

    Raises:
        ValueError: a file without the two lists.
    """
    for path in annotations:
        split = path.stem.rpartition("_")[2] if "_" in path.stem else ""
        document = json_document(path)
        captions = _captions(path, document)
        images = json_list_records(path, inside="images", document=document)
        yield from parsed(images, partial(_row, captions=captions, split=split), part=split)


def _captions(path: Path, document: Any) -> dict[str, list[str]]:
    """The captions of each image by its id, in their order.

    An annotation that cannot be read is none: where it was the only one of its image, the row of
    that image says so.
    """
    captions: dict[str, list[str]] = {}
    for _, record in json_list_records(path, inside="annotations", document=document):
        try:
            if not isinstance(record, RowError):
                text = optional_text(record, "caption")
                captions.setdefault(key_of(record, "image_id"), []).extend([text] if text else [])
        except RowError:
            continue
    return captions


def _row(origin: str, record: Record, captions: dict[str, list[str]], split: str) -> SourceRow:
    name = safe_path(text_of(record, "file_name"), "file_name")
    key = key_of(record, "id")
    found = captions.get(key, [])
    if not found:
        raise RowError("no caption", f"image {shown(key)}", part=split)
    folders = ["", "images", *([split, f"images/{split}"] if split else [])]
    return SourceRow(
        origin=origin,
        id=key,
        kind="image",
        paths=in_folders(folders, name),
        caption=found[0],
        part=split,
        flaws=("caption left out: one a picture is taken",) * (len(found) - 1),
    )

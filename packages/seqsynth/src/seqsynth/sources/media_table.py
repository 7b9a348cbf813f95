"""What tables of images and of clips share: a CSV, JSON-lines or JSON file, one item a record.

The file is in `path`, `file_name`, `filename`, `image` or `video`, the caption in `caption` or
`text`, the label in `label` or `class`; `id` may be absent, it is then the path. Hugging Face's
`metadata.csv` and `metadata.jsonl` are such tables. A JSON document is a list of such records, or
an object that gives each path its caption or its record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from seqsynth.sources.fields import (
    Record,
    key_of,
    number_of,
    optional_duration,
    optional_text,
    shown,
    text_of,
)
from seqsynth.sources.media_paths import safe_path
from seqsynth.sources.rows import Entry, Kind, RowError, SourceRow, parsed
from seqsynth.sources.text_files import (
    Records,
    csv_records,
    is_json_list,
    json_document,
    json_list_records,
    json_pair_records,
    jsonl_records,
)

_PATH_FIELDS = ("path", "file_name", "filename", "image", "video")
_CAPTION_FIELDS = ("caption", "text")
_LABEL_FIELDS = ("label", "class")
_MAX_FRAMES = 2**31 - 1


def table_rows(annotations: Sequence[Path], kind: Kind) -> Iterator[Entry]:
    """One item a line of each table.

    Raises:
        ValueError: a file of another ending, or a JSON document that is no such table.
    """
    for path in annotations:
        if path.suffix == ".csv":
            records = csv_records(path)
        elif path.suffix == ".jsonl":
            records = jsonl_records(path)
        elif path.suffix == ".json":
            records = _document_records(path)
        else:
            raise ValueError(f"{path} must end in .csv, .jsonl or .json")
        yield from parsed(records, partial(_row, kind=kind), part_field="split")


def _document_records(path: Path) -> Records:
    if is_json_list(path):
        return json_list_records(path)
    document = json_document(path)
    if isinstance(document, dict) and {"images", "annotations"} <= document.keys():
        raise ValueError(f"{path} is in the form of COCO: the source coco_captions reads it")
    return json_pair_records(path, "path", "caption", document=document)


def _row(origin: str, record: Record, kind: Kind) -> SourceRow:
    path = safe_path(text_of(record, _present(record, _PATH_FIELDS)))
    captions = [name for name in _CAPTION_FIELDS if name in record]
    caption = _first_text(record, captions)
    label = _first_text(record, [name for name in _LABEL_FIELDS if name in record])
    if not caption and (kind == "image" or not label):
        wanted = _CAPTION_FIELDS if kind == "image" else _CAPTION_FIELDS + _LABEL_FIELDS
        raise RowError("empty caption" if captions else "no caption", _needed(record, wanted))
    num_frames = None
    if record.get("num_frames") not in (None, ""):
        number = number_of(record, "num_frames")
        if not (number.is_integer() and 1 <= number <= _MAX_FRAMES):
            raise RowError("num_frames is no number of frames", shown(record["num_frames"]))
        num_frames = int(number)
    return SourceRow(
        origin=origin,
        id=key_of(record, "id") if record.get("id") not in (None, "") else path,
        kind=kind,
        paths=(path,),
        caption=caption,
        label=label,
        duration_seconds=optional_duration(record, "duration_seconds"),
        num_frames=num_frames,
        part=optional_text(record, "split"),
    )


def _first_text(record: Record, names: Sequence[str]) -> str:
    """The first of these fields that has a text; "" where none has."""
    texts = (optional_text(record, name) for name in names)
    return next((text for text in texts if text), "")


def _present(record: Record, names: Sequence[str]) -> str:
    for name in names:
        if record.get(name) is not None:
            return name
    raise RowError("no path", _needed(record, names))


def _needed(record: Record, names: Sequence[str]) -> str:
    return f"one of {', '.join(names)} is needed, the record has {', '.join(record) or 'nothing'}"

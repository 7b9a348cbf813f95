"""LLaVA-ReCap (118K, 558K, CC3M): parquet files with the pictures inside.

Columns `id`, `image` {bytes, path}, `conversations` [{from, value}] and `data_source`; the caption
is what `gpt` says. The pictures are not read here: a row names its file and its place there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seqsynth.example_files import is_out_of_reach
from seqsynth.shard_paths import IMAGE_COLUMN
from seqsynth.sources.fields import Record, key_of, list_of, object_of, optional_text, text_of
from seqsynth.sources.files import relative_to_root
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

PATTERNS = ("**/*.parquet",)

_COLUMNS = ("id", "conversations")
_ROWS_PER_READ = 1024


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a row of each parquet file.

    Raises:
        ValueError: a file without the columns.
    """
    import pyarrow as pa

    for path in annotations:
        shard = relative_to_root(path, root)
        try:
            yield from _file_rows(path, shard)
        except (pa.ArrowInvalid, OSError) as error:
            if is_out_of_reach(error):
                raise
            yield BadRow(shard, "damaged parquet file", str(error))


def _file_rows(path: Path, shard: str) -> Iterator[Entry]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        missing = [name for name in (*_COLUMNS, IMAGE_COLUMN) if name not in names]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}; it has {names}")
        columns = [name for name in (*_COLUMNS, "data_source") if name in names]
        first = 0
        for batch in file.iter_batches(batch_size=_ROWS_PER_READ, columns=columns):
            yield from _batch_rows(batch, shard, first)
            first += len(batch)


def _batch_rows(batch: Any, shard: str, first: int) -> Iterator[Entry]:
    """The rows of a batch: by columns where they are as they should be, else one by one."""
    try:
        ids = batch.column("id").to_pylist()
        captions = _captions(batch)
        parts = [""] * len(batch)
        if "data_source" in batch.schema.names:
            parts = batch.column("data_source").to_pylist()
    except UnicodeDecodeError:
        ids = parts = captions = [""] * len(batch)
    for number, (item_id, caption, part) in enumerate(zip(ids, captions, parts, strict=True)):
        origin = f"{shard}[{first + number}]"
        if isinstance(item_id, str) and item_id.strip() and caption and isinstance(part, str):
            yield _source_row(origin, item_id.strip(), caption, part, shard, first + number)
            continue
        try:
            record = batch.slice(number, 1).to_pylist()[0]
            yield _checked_row(origin, record, shard, first + number)
        except RowError as error:
            yield BadRow(origin, error.reason, error.detail, (part or "").strip())
        except UnicodeDecodeError as error:
            yield BadRow(origin, "not UTF-8", str(error))


def _captions(batch: Any) -> list[str]:
    """What gpt says first in each row, "" where it says nothing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    captions = [""] * len(batch)
    conversations = batch.column("conversations")
    if not pa.types.is_list(conversations.type):
        return captions
    turns = conversations.flatten()
    if not pa.types.is_struct(turns.type) or turns.type.get_field_index("value") < 0:
        return captions
    is_answer = pc.equal(turns.field("from"), "gpt").fill_null(False)
    rows = pc.list_parent_indices(conversations).filter(is_answer).to_pylist()
    values = turns.field("value").filter(is_answer).to_pylist()
    for row, value in zip(reversed(rows), reversed(values), strict=True):
        captions[row] = (value or "").strip()
    return captions


def _checked_row(origin: str, record: Record, shard: str, row: int) -> SourceRow:
    turns = [object_of(turn) for turn in list_of(record, "conversations")]
    answers = [turn for turn in turns if turn.get("from") == "gpt"]
    if not answers:
        raise RowError("no turn of gpt")
    caption = text_of({"caption": answers[0].get("value")}, "caption")
    item_id, part = key_of(record, "id"), optional_text(record, "data_source")
    return _source_row(origin, item_id, caption, part, shard, row)


def _source_row(
    origin: str, item_id: str, caption: str, part: str, shard: str, row: int
) -> SourceRow:
    return SourceRow(
        origin=origin,
        id=item_id,
        kind="image",
        paths=(shard,),
        shard_offset=row,
        caption=caption,
        part=part.strip(),
    )

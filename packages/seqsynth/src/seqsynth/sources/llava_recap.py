"""LLaVA-ReCap (118K, 558K, CC3M): parquet files with the pictures inside.

Columns `id`, `image` {bytes, path}, `conversations` [{from, value}] and `data_source`; the caption
is what `gpt` says. The pictures are not read here: a row names its file and its place there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

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
            yield BadRow(shard, "damaged parquet file", str(error))


def _file_rows(path: Path, shard: str) -> Iterator[Entry]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        missing = [name for name in (*_COLUMNS, IMAGE_COLUMN) if name not in names]
        if missing:
            raise ValueError(f"{path} has no column {', '.join(missing)}; it has {names}")
        columns = [name for name in (*_COLUMNS, "data_source") if name in names]
        row = 0
        for batch in file.iter_batches(batch_size=_ROWS_PER_READ, columns=columns):
            for record in batch.to_pylist():
                origin = f"{shard}[{row}]"
                try:
                    yield _row(origin, record, shard, row)
                except RowError as error:
                    yield BadRow(origin, error.reason, error.detail)
                row += 1


def _row(origin: str, record: Record, shard: str, row: int) -> SourceRow:
    turns = [object_of(turn) for turn in list_of(record, "conversations")]
    answers = [turn for turn in turns if turn.get("from") == "gpt"]
    if not answers:
        raise RowError("no turn of gpt")
    return SourceRow(
        origin=origin,
        id=key_of(record, "id"),
        kind="image",
        paths=(shard,),
        shard_offset=row,
        caption=text_of({"caption": answers[0].get("value")}, "caption"),
        part=optional_text(record, "data_source"),
    )

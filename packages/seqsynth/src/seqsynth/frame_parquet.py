"""Examples with their pictures in parquet files, a row an example; the columns are `SCHEMA`.

Pictures are JPEG files in structs of `bytes` and `path`, the form in which the `datasets` library
keeps images. The same examples give the same bytes with the same version of pyarrow.
"""

import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from seqsynth.example_files import is_out_of_reach
from seqsynth.frame_tar import JPEG_QUALITY, check_whole, jpeg_of, pixels_of
from seqsynth.records import Example, example_of

_ROWS_PER_GROUP = 16  # of 96 pictures of 224 pixels some 20 MB, which a reader holds at once

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("id", pa.string()),
        ("task", pa.string()),
        ("codec", pa.string()),
        ("duration_seconds", pa.float64()),
        ("turns", pa.list_(pa.struct([("prompt", pa.string()), ("answer", pa.string())]))),
        (
            "targets",
            pa.list_(
                pa.list_(
                    pa.struct(
                        [("start", pa.float64()), ("end", pa.float64()), ("caption", pa.string())]
                    )
                )
            ),
        ),
        ("frame_paths", pa.list_(pa.string())),
        ("frame_indices", pa.list_(pa.int64())),
        ("frame_codes", pa.list_(pa.string())),
        ("images", pa.list_(pa.struct([("bytes", pa.binary()), ("path", pa.string())]))),
    ]
)


class FrameParquetWriter:
    """Writes examples and pictures to a parquet file; see `FrameTarWriter` for the arguments."""

    def __init__(
        self,
        path: str | Path,
        *,
        media_root: str | Path | None = None,
        quality: int = JPEG_QUALITY,
    ) -> None:
        # Nothing of this repeats often enough for a dictionary, and pictures are compressed.
        self._writer = pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=False)
        self._media_root = media_root
        self._quality = quality
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()

    def add(self, key: str, example: Example, frames: NDArray[np.uint8]) -> None:
        """Adds one example with its frames, (len(example.frames), height, width, 3) uint8."""
        check_whole(example, frames)
        record = example.to_record(self._media_root)
        names = ("id", "task", "codec", "duration_seconds", "turns", "frame_codes")
        row = {"key": key, **{name: record[name] for name in names}}
        row["targets"] = [
            [dict(zip(("start", "end", "caption"), target, strict=True)) for target in turn]
            for turn in record["targets"]
        ]
        row["frame_paths"] = [path for path, _ in record["frames"]]
        row["frame_indices"] = [index for _, index in record["frames"]]
        row["images"] = [
            {"bytes": jpeg_of(frame, self._quality), "path": f"{number:03d}.jpg"}
            for number, frame in enumerate(frames)
        ]
        self._rows.append(row)
        if len(self._rows) == _ROWS_PER_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, SCHEMA))
            self._rows.clear()


def read_frame_parquet(
    path: str | Path, *, media_root: str | Path | None = None
) -> Iterator[tuple[Example, NDArray[np.uint8]]]:
    """The examples of a parquet file with their pictures, (F, height, width, 3) uint8.

    Raises:
        ValueError: not a parquet file of this form, or not all pictures are there (names the file).
    """
    try:
        with pq.ParquetFile(path) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise ValueError(f"its columns are {', '.join(file.schema_arrow.names)}")
            for batch in file.iter_batches(batch_size=1):
                row = batch.to_pylist()[0]
                row["frames"] = list(zip(row["frame_paths"], row["frame_indices"], strict=True))
                row["targets"] = [
                    [list(target.values()) for target in turn] for turn in row["targets"]
                ]
                example = example_of(row, media_root)
                pictures = [pixels_of(io.BytesIO(image["bytes"])) for image in row["images"]]
                check_whole(example, pictures)
                yield example, np.stack(pictures)
    except (pa.ArrowException, AttributeError, ValueError, TypeError, OSError) as error:
        if is_out_of_reach(error):
            raise
        raise ValueError(f"{path} is no parquet file of examples: {error}") from None

"""What a row of a manifest is: its columns in the file, and the same as a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

import timetokens as tt
from seqsynth.records import Turn

Kind = Literal["image", "clip", "video"]

KINDS: tuple[Kind, ...] = ("image", "clip", "video")
FORMAT_VERSION = 1
METADATA_PREFIX = "seqsynth.manifest."

_EVENT = pa.struct(
    [("start_seconds", pa.float64()), ("end_seconds", pa.float64()), ("caption", pa.string())]
)
_TURN = pa.struct([("prompt", pa.string()), ("answer", pa.string())])

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        ("shard_offset", pa.int64()),
        ("num_bytes", pa.int64()),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        ("duration_seconds", pa.float64()),
        ("num_frames", pa.int64()),
        ("codec", pa.string()),
        ("pts_index", pa.list_(pa.int64())),
        ("pts_end", pa.int64()),
        ("events", pa.list_(_EVENT)),
        ("turns", pa.list_(_TURN)),
        ("time_codec", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("part", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestRow:
    """One row, a field a column.

    Attributes:
        id: unique within the manifest.
        kind: one of `KINDS`.
        path: of the file, or of the shard it lies in, relative to the root, with `/`.
        shard_offset: where it lies in the shard: first byte in a tar, row in a parquet file.
        num_bytes: its size in a tar.
        caption: "" where there is none.
        label: "" where there is none.
        duration_seconds: playing time of a clip or video.
        num_frames: frames of a clip or video.
        codec: how the file is encoded ("h264", ...).
        pts_index: when each frame is shown, in ticks of any length, rising.
        pts_end: when the last frame ends, in the same ticks.
        events, turns, time_codec: see `AnnotatedVideo`.
        source: name of the source.
        part: what the source itself divides into (a split, a data set it was taken from).
    """

    id: str
    kind: Kind
    path: str
    shard_offset: int | None = None
    num_bytes: int | None = None
    caption: str = ""
    label: str = ""
    duration_seconds: float | None = None
    num_frames: int | None = None
    codec: str | None = None
    pts_index: Sequence[int] | None = None
    pts_end: int | None = None
    events: tuple[tt.Event, ...] = ()
    turns: tuple[Turn, ...] = ()
    time_codec: str | None = None
    source: str
    part: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.id!r}: kind {self.kind!r} is none of {', '.join(KINDS)}")
        if self.kind == "clip" and self.num_frames is None:
            raise ValueError(f"{self.id!r}: a clip needs num_frames")
        if self.kind != "image" and self.duration_seconds is None:
            raise ValueError(f"{self.id!r}: a {self.kind} needs duration_seconds")

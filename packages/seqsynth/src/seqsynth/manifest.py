"""A corpus as one Arrow file: a row an item, written once, memory-mapped, of any size.

Opening a manifest of millions of rows reads its footer; an item is read when it is asked for. Paths
are relative to the root of the corpus, so a manifest and its hash are the same on every machine.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Generic, Literal, TypeVar, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import timetokens as tt
from seqsynth.example_files import is_out_of_reach
from seqsynth.manifest_hash import ContentHash
from seqsynth.manifest_schema import FORMAT_VERSION, KINDS, METADATA_PREFIX, SCHEMA, Kind
from seqsynth.records import AnnotatedVideo, ClipItem, ImageItem, Turn
from seqsynth.shard_paths import shard_path

Item = ImageItem | ClipItem | AnnotatedVideo
Item_co = TypeVar("Item_co", bound=Item, covariant=True)

_ITEM_COLUMNS = (
    "id", "kind", "path", "shard_offset", "num_bytes", "caption", "label", "duration_seconds",
    "num_frames",
)  # fmt: skip
_METADATA = {"content_sha256", "command", "root"}


class ManifestView(Sequence[Item_co], Generic[Item_co]):
    """Rows of a manifest as items, read when asked for; the rows themselves are not copied.

    Args:
        manifest: where the rows are.
        rows: their numbers, in the order of the view.
    """

    def __init__(self, manifest: Manifest, rows: NDArray[np.int64] | range) -> None:
        self.manifest = manifest
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Item_co: ...
    @overload
    def __getitem__(self, index: slice) -> ManifestView[Item_co]: ...
    def __getitem__(self, index: int | slice) -> Item_co | ManifestView[Item_co]:
        """One item, or a view of some.

        Raises:
            IndexError: no such item.
        """
        if isinstance(index, slice):
            return ManifestView(self.manifest, self.rows[index])
        item: Any = self.manifest.item(int(self.rows[index]))
        return item  # type: ignore[no-any-return]

    def column(self, name: str) -> pa.ChunkedArray:
        """One column (of `manifest_schema.SCHEMA`), for work on millions of rows at once."""
        column = self.manifest.table.column(name)
        if isinstance(self.rows, range) and self.rows == range(len(column)):
            return column
        return column.take(pa.array(np.asarray(self.rows)))

    def pts(self, index: int) -> tuple[NDArray[np.int64], int] | None:
        """When each frame of an item is shown and the last one ends, None where not indexed."""
        return self.manifest.pts(int(self.rows[index]))


class Manifest(ManifestView[Item]):
    """An open manifest: a sequence of all its items.

    Attributes:
        path: the file.
        root: what paths of items are relative to.
        content_sha256: hash of the rows; names the corpus on every machine.
        command: what wrote the file.
        table: the rows, memory-mapped.
    """

    def __init__(self, path: Path, root: Path, table: pa.Table, metadata: dict[str, str]) -> None:
        super().__init__(self, range(len(table)))
        self.path = path
        self.root = root
        self.content_sha256 = metadata["content_sha256"]
        self.command = metadata["command"]
        self.table = table
        self._batches = table.to_batches()
        self._starts = np.cumsum([0, *(len(batch) for batch in self._batches)]).tolist()

    @classmethod
    def open(cls, path: str | Path, root: str | Path | None = None) -> Manifest:
        """Opens a file that `write_manifest` or `seqsynth index` wrote.

        Args:
            path: the file.
            root: where the corpus lies on this machine; None: where it lay when it was indexed, or
                where that is gone, where it lies from the file as it did then.

        Raises:
            FileNotFoundError: no such file.
            OSError: it cannot be opened, as where too many files are open.
            ValueError: not a manifest, or of another format version (names the file).
        """
        path = Path(path)
        if not path.is_file():
            found = "is a folder, no manifest" if path.is_dir() else "is not there"
            raise FileNotFoundError(
                f"{path} {found}: seqsynth index SOURCE ROOT --out FILE.arrow writes manifests"
            )
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
            table.validate()
        except (pa.ArrowException, OSError) as error:
            if is_out_of_reach(error):
                raise
            raise ValueError(f"{path} is no Arrow file, or a damaged one: {error}") from None
        metadata = {
            key.decode(errors="replace").removeprefix(METADATA_PREFIX): value.decode(
                errors="replace"
            )
            for key, value in (table.schema.metadata or {}).items()
            if key.startswith(METADATA_PREFIX.encode())
        }
        if "format_version" not in metadata:
            raise ValueError(f"{path} is an Arrow file, but no manifest of seqsynth")
        if metadata["format_version"] != str(FORMAT_VERSION):
            raise ValueError(
                f"{path} has manifest format {metadata['format_version']}, this version reads "
                f"{FORMAT_VERSION}: index the corpus again"
            )
        if not table.schema.equals(SCHEMA) or not metadata.keys() >= _METADATA:
            raise ValueError(f"{path} is damaged: index the corpus again")
        known = _known_root(path, metadata) if root is None else Path(root)
        return cls(path, known, table, metadata)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Manifest.open, (self.path, self.root))

    @overload
    def select(self, *, kind: Literal["image"]) -> ManifestView[ImageItem]: ...
    @overload
    def select(self, *, kind: Literal["clip"]) -> ManifestView[ClipItem]: ...
    @overload
    def select(self, *, kind: Literal["video"]) -> ManifestView[AnnotatedVideo]: ...
    def select(self, *, kind: Kind) -> ManifestView[Any]:
        """The rows of one kind.

        Raises:
            ValueError: an unknown kind.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; one of: {', '.join(KINDS)}")
        is_kind = [
            np.asarray(column.indices) == column.dictionary.to_pylist().index(kind)
            for column in self.table.column("kind").chunks
        ]
        rows = np.flatnonzero(np.concatenate([[], *is_kind])).astype(np.int64)
        return ManifestView(self, rows)

    def item(self, row: int) -> Item:
        """The item of one row, counted from 0 in the file."""
        record = self.record(row, _ITEM_COLUMNS)
        path = self._path(record)
        caption, label = record["caption"], record["label"]
        if record["kind"] == "image":
            return ImageItem(id=record["id"], caption=caption, path=path, label=label or caption)
        if record["kind"] == "clip":
            return ClipItem(
                id=record["id"],
                label=label or caption,
                caption=caption or label,
                path=path,
                num_frames=record["num_frames"],
                duration_seconds=record["duration_seconds"],
            )
        more = self.record(row, ("events", "turns", "time_codec"))
        return AnnotatedVideo(
            id=record["id"],
            path=path,
            duration_seconds=record["duration_seconds"],
            num_frames=record["num_frames"],
            events=tuple(tt.Event(**event) for event in more["events"] or ()),
            turns=tuple(Turn(**turn) for turn in more["turns"] or ()),
            time_codec=more["time_codec"] or "",
            caption=caption,
            label=label,
        )

    def pts(self, index: int) -> tuple[NDArray[np.int64], int] | None:
        """See `ManifestView.pts`; `index` is the row."""
        record = self.record(index, ("pts_index", "pts_end"))
        if record["pts_index"] is None:
            return None
        return np.asarray(record["pts_index"], dtype=np.int64), record["pts_end"]

    def verify(self) -> None:
        """Reads every row.

        Raises:
            ValueError: they do not have the hash that was written down.
        """
        digest = ContentHash()
        for batch in self._batches:
            try:
                batch.validate(full=True)  # else damaged offsets lead Arrow out of its memory
            except pa.ArrowInvalid as error:
                raise ValueError(f"{self.path} is damaged: {error}") from None
            digest.update(batch)
        if digest.hexdigest() != self.content_sha256:
            raise ValueError(f"{self.path} is damaged: its rows do not have the hash it names")

    def record(self, row: int, names: Sequence[str]) -> dict[str, Any]:
        """Some columns of one row, counted from 0 in the file, see `manifest_schema.SCHEMA`.

        Raises:
            IndexError: no such row.
        """
        if not 0 <= row < len(self.table):
            raise IndexError(f"row {row} of {len(self.table)}")
        number = bisect.bisect_right(self._starts, row) - 1
        batch, offset = self._batches[number], row - self._starts[number]
        return {name: batch.column(name)[offset].as_py() for name in names}

    def _path(self, record: dict[str, Any]) -> str:
        path = str(self.root / path_below_root(self.path, record["id"], record["path"]))
        if record["shard_offset"] is None:
            return path
        return shard_path(path, record["shard_offset"], record["num_bytes"])


def path_below_root(manifest_path: Path, item_id: str, path: str) -> PurePosixPath:
    """The path of an item, relative to the root.

    Raises:
        ValueError: it leads elsewhere, where a manifest of strangers must not lead anybody.
    """
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"{manifest_path}: {item_id!r} leaves the root: {path!r}")
    return relative


def _known_root(path: Path, metadata: dict[str, str]) -> Path:
    """Where the corpus lay; where that is gone and manifest and media have moved, where it lies."""
    root = Path(metadata["root"])
    moved = path.parent.resolve() / metadata.get("root_from_manifest", root)
    return root if root.is_dir() or not moved.is_dir() else moved.resolve()

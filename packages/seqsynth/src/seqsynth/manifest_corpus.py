"""Indexed corpora as what examples are drawn from: manifests joined, rows read when asked for."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

from seqsynth.corpus import Corpus
from seqsynth.manifest import Manifest, ManifestView
from seqsynth.records import AnnotatedVideo, ClipItem, ImageItem

Item = TypeVar("Item", ImageItem, ClipItem, AnnotatedVideo)


class JoinedViews(Sequence[Item], Generic[Item]):
    """The items of several manifests, one after another.

    Args:
        views: of one kind of item each.
    """

    def __init__(self, views: Sequence[ManifestView[Item]]) -> None:
        self.views: tuple[ManifestView[Item], ...] = tuple(view for view in views if len(view))
        self._starts = np.cumsum([0, *map(len, self.views)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """One item, or a list of some.

        Raises:
            IndexError: no such item.
        """
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        view, offset = self._find(index)
        return view[offset]

    def pts(self, index: int) -> Any:
        """When each frame of an item is shown, see `ManifestView.pts`."""
        view, offset = self._find(index)
        return view.pts(offset)

    def texts_and_sizes(self) -> Iterator[ClipItem]:
        """All clips in order with their paths left out; read by columns, so millions are fast."""
        for view in self.views:
            yield from _clips_by_columns(view)

    def _find(self, index: int) -> tuple[ManifestView[Item], int]:
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        number = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.views[number], index - int(self._starts[number])


def corpus_of(manifests: Sequence[Manifest]) -> Corpus:
    """What examples are drawn from: all images, clips and videos of some manifests.

    Everything is on the training side. Videos are found by the source that the index names, and
    those of a part of a source also as "source/part" ("timeit/Activitynet_Captions").

    Args:
        manifests: at least one; their order matters, as that of the rows in each.

    Raises:
        ValueError: no manifest.
    """
    if not manifests:
        raise ValueError("a corpus needs at least one manifest")
    videos: dict[str, list[ManifestView[AnnotatedVideo]]] = {}
    for manifest in manifests:
        for source, view in _by_source(manifest.select(kind="video")).items():
            videos.setdefault(source, []).append(view)
    digest = hashlib.sha256("\n".join(m.content_sha256 for m in manifests).encode())
    one = manifests[0].content_sha256 if len(manifests) == 1 else digest.hexdigest()
    return Corpus(
        train_images=JoinedViews([_compact(m.select(kind="image")) for m in manifests]),
        heldout_images=(),
        train_clips=JoinedViews([_compact(m.select(kind="clip")) for m in manifests]),
        heldout_clips=(),
        root=os.path.commonpath([m.root for m in manifests]),
        videos={source: JoinedViews(views) for source, views in videos.items()},
        known_hash=one,
    )


def open_corpus(paths: Sequence[str | Path], root: str | Path | None = None) -> Corpus:
    """The corpus of some manifest files.

    Args:
        paths: what `seqsynth index` wrote.
        root: where the media lie on this machine; None: where they lay when they were indexed.
    """
    return corpus_of([Manifest.open(path, root) for path in paths])


def _clips_by_columns(view: ManifestView[Any]) -> Iterator[ClipItem]:
    rows = np.asarray(view.rows, dtype=np.int64)
    start = 0
    for batch in view.manifest.table.to_batches():
        first, stop = np.searchsorted(rows, (start, start + len(batch)))
        if stop > first:
            some = batch.take(rows[first:stop] - start) if stop - first < len(batch) else batch
            names = ("id", "label", "caption", "num_frames", "duration_seconds")
            for key, label, caption, num_frames, seconds in zip(
                *(some.column(name).to_pylist() for name in names), strict=True
            ):
                yield ClipItem(
                    id=key,
                    label=label or caption,
                    caption=caption or label,
                    path="",
                    num_frames=num_frames,
                    duration_seconds=seconds,
                )
        start += len(batch)


def _by_source(
    view: ManifestView[AnnotatedVideo],
) -> dict[str, ManifestView[AnnotatedVideo]]:
    if not len(view):
        return {}
    rows = np.asarray(view.rows, dtype=np.int64)
    sources = np.asarray(view.column("source").to_pylist())
    parts = np.asarray([f"/{part}" for part in view.column("part").to_pylist()])
    names = [sources]
    if (parts != "/").any():
        names.append(np.char.add(sources, parts))
    return {
        str(name): _compact(ManifestView(view.manifest, rows[column == name]))
        for column in names
        for name in np.unique(column)
        if not str(name).endswith("/")
    }


def _compact(view: ManifestView[Item]) -> ManifestView[Item]:
    """The same view; rows without a gap are kept as a range, so that it is small when pickled."""
    rows = view.rows
    if isinstance(rows, range) or not len(rows):
        return view
    first, last = int(rows[0]), int(rows[-1])
    if last - first + 1 == len(rows) and bool((np.diff(rows) == 1).all()):
        return ManifestView(view.manifest, range(first, last + 1))
    return view

"""The embedded default, which `seqsynth fetch default` lays into the cache; see `default_data`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from seqsynth.default_data import default_corpus
from seqsynth.sources.files import relative_to_root
from seqsynth.sources.rows import Entry, SourceRow

PATTERNS = ()


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """Its stills and clips; `part` says on which side of the split.

    Args:
        root: the cache's folder `default`, which `seqsynth fetch default` prints.
        annotations: there are none.

    Raises:
        FileNotFoundError: it is not fetched, or not there.
    """
    corpus = default_corpus(root.absolute().parent)
    for part, images, clips in (
        ("train", corpus.train_images, corpus.train_clips),
        ("heldout", corpus.heldout_images, corpus.heldout_clips),
    ):
        for image in images:
            yield SourceRow(
                origin=image.id,
                id=image.id,
                kind="image",
                paths=(relative_to_root(Path(image.path), root),),
                caption=image.caption,
                label=image.label,
                part=part,
            )
        for clip in clips:
            yield SourceRow(
                origin=clip.id,
                id=clip.id,
                kind="clip",
                paths=(relative_to_root(Path(clip.path), root),),
                caption=clip.caption,
                label=clip.label,
                duration_seconds=clip.duration_seconds,
                num_frames=clip.num_frames,
                part=part,
            )

"""A folder of pictures, each with its caption in a text file of the same name.

`birds/heron.jpg` has its caption in `birds/heron.txt`; the folder it lies in is its label.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seqsynth.sources.files import rows_below, sidecar_text
from seqsynth.sources.media_paths import IMAGE_SUFFIXES
from seqsynth.sources.rows import Entry, RowError, SourceRow

PATTERNS = ()


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a picture below the root; there are no annotations to name."""
    return rows_below(root, IMAGE_SUFFIXES, _row)


def _row(root: Path, path: str) -> SourceRow:
    caption = sidecar_text(root, path)
    if caption is None:
        raise RowError("no caption file", str(PurePosixPath(path).with_suffix(".txt")))
    if not caption:
        raise RowError("empty caption")
    folder = PurePosixPath(path).parent.name
    return SourceRow(
        origin=path, id=path, kind="image", paths=(path,), caption=caption, label=folder
    )

"""A folder of clips: the folder a clip lies in is its label, a text file of its name the caption.

`juggling_balls/a.mp4` has the label "juggling balls" and, where there is one, the caption in
`juggling_balls/a.txt`. One of the two has to be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from seqsynth.sources.files import rows_below, sidecar_text
from seqsynth.sources.media_paths import ANIMATION_SUFFIXES, VIDEO_SUFFIXES
from seqsynth.sources.rows import Entry, RowError, SourceRow

PATTERNS = ()


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One clip a video or animated picture below the root; there are no annotations to name."""
    return rows_below(root, VIDEO_SUFFIXES + ANIMATION_SUFFIXES, _row)


def _row(root: Path, path: str) -> SourceRow:
    caption = sidecar_text(root, path) or ""
    label = " ".join(PurePosixPath(path).parent.name.replace("_", " ").split())
    if not caption and not label:
        raise RowError("neither label nor caption")
    return SourceRow(origin=path, id=path, kind="clip", paths=(path,), caption=caption, label=label)

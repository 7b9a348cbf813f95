"""Which of the files that annotations name are there, with one listing a folder.

Looking for half a million clips one by one takes hours on a network drive; listing the folders they
lie in takes minutes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from seqsynth.sources.media_paths import ANIMATION_SUFFIXES, VIDEO_SUFFIXES, split_suffix

_GUESSED_SUFFIXES = VIDEO_SUFFIXES + ANIMATION_SUFFIXES
_NOTHING_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


class MediaFolder:
    """Files below a root, as they were when their folder was first asked for.

    Args:
        root: the folder that paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._listings: dict[str, dict[str, tuple[str, ...]]] = {}

    def find(self, paths: Iterable[str]) -> str | None:
        """The first of the paths that is a file; None where none is.

        A path without the ending of a medium also stands for a video of that name.
        """
        for path in paths:
            folder, _, name = path.rpartition("/")
            stem, suffix = split_suffix(name)
            suffixes = self._listing(folder).get(stem, ())
            if suffix in suffixes:
                return path
            if not suffix:
                for guess in _GUESSED_SUFFIXES:
                    if guess in suffixes:
                        return path + guess
        return None

    def _listing(self, folder: str) -> dict[str, tuple[str, ...]]:
        """For each name without ending, the endings it is there with."""
        if folder not in self._listings:
            listing: dict[str, tuple[str, ...]] = {}
            try:
                with os.scandir(self._root / folder) as entries:
                    for entry in entries:
                        if _is_file(entry):
                            stem, suffix = split_suffix(entry.name)
                            listing[stem] = (*listing.get(stem, ()), suffix)
            except OSError as error:
                if error.errno not in _NOTHING_THERE:
                    raise
            self._listings[folder] = listing
        return self._listings[folder]


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads to itself
        return False

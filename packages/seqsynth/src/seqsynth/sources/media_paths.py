"""Where a file that an annotation names may lie: safe relative paths, and the endings of media."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from seqsynth.sources.fields import checked_text, shown
from seqsynth.sources.rows import RowError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".flv", ".mpg", ".mpeg", ".wmv")
"""Endings of files that hold a video, the most likely first."""

ANIMATION_SUFFIXES = (".webp", ".gif")
"""Endings of pictures that may move, and are clips where clips are looked for."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of still pictures."""

SHARD_SUFFIXES = (".tar", ".parquet")
"""Endings of files that hold many pictures."""

_KNOWN_SUFFIXES = frozenset(VIDEO_SUFFIXES + ANIMATION_SUFFIXES + IMAGE_SUFFIXES + SHARD_SUFFIXES)


def safe_path(text: str, name: str = "path") -> str:
    """The path, relative and with `/`, if it stays below the root.

    Example:
        >>> safe_path("./videos//a.mp4")
        'videos/a.mp4'
    """
    text = checked_text(text.strip(), name).replace("\\", "/")
    path = PurePosixPath(text)
    if "\0" in text or path == PurePosixPath("."):
        raise RowError(f"{name} names no file", shown(text))
    if path.is_absolute() or ".." in path.parts or text[1:3] == ":/":
        raise RowError(f"{name} leaves the root", shown(text))
    return str(path)


def split_suffix(name: str) -> tuple[str, str]:
    """The name without the ending of a medium, and that ending; "" where it has none.

    Example:
        >>> split_suffix("abc_60.0_210.0.mp4"), split_suffix("abc_60.0_210.0")
        (('abc_60.0_210.0', '.mp4'), ('abc_60.0_210.0', ''))
    """
    stem, dot, ending = name.rpartition(".")
    if dot and stem and f".{ending.lower()}" in _KNOWN_SUFFIXES:
        return stem, f".{ending}"
    return name, ""


def in_folders(folders: Iterable[str], name: str) -> tuple[str, ...]:
    """The name in each folder; "" is the root.

    Example:
        >>> in_folders(["", "train"], "a.mp4")
        ('a.mp4', 'train/a.mp4')
    """
    unique = dict.fromkeys(folders)
    return tuple(f"{folder}/{name}" if folder else name for folder in unique)

"""Finds files below a root, always in the same order: annotations by pattern, media by ending."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from seqsynth.naming import name_fault
from seqsynth.sources.fields import shown
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

SKIPPED_SUFFIX = ".skipped.jsonl"
COVERAGE_SUFFIX = ".coverage.json"
OUR_SUFFIXES = (SKIPPED_SUFFIX, COVERAGE_SUFFIX)
"""Endings of what `seqsynth index` writes, maybe below the root: these are no annotations."""


def find_annotations(
    root: Path, patterns: Sequence[str], other_patterns: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Files below the root that match one of the patterns, in the order of their names.

    Args:
        root: a folder.
        patterns: as `Path.glob` takes them.
        other_patterns: looked at when none of the others has a file: a table of JSON is rarely
            called anything special, and much that is no table is JSON.

    Raises:
        FileNotFoundError: there is none.
    """
    found = _matching(root, patterns) or _matching(root, other_patterns)
    if not found:
        named = " or ".join((*patterns, *other_patterns))
        raise FileNotFoundError(f"{root} has no {named}; name the annotations with --annotations")
    return tuple(sorted(found))


def _matching(root: Path, patterns: Sequence[str]) -> set[Path]:
    return {
        path
        for pattern in patterns
        for path in root.glob(pattern)
        if path.is_file() and not path.name.endswith(OUR_SUFFIXES)
    }


def relative_to_root(path: Path, root: Path) -> str:
    """The path below the root, with `/`.

    Raises:
        ValueError: it is not below the root.
    """
    try:
        return path.absolute().relative_to(root.absolute()).as_posix()
    except ValueError:
        raise ValueError(f"{path} holds media and must lie below the root, {root}") from None


def rows_below(
    root: Path, suffixes: tuple[str, ...], row_of: Callable[[Path, str], SourceRow]
) -> Iterator[Entry]:
    """A row of each media file below the root; those that give none come with their reason."""
    for path in media_below(root, suffixes):
        if isinstance(path, RowError):
            yield BadRow("folder", path.reason, path.detail)
            continue
        try:
            yield row_of(root, path)
        except RowError as error:
            yield BadRow(path, error.reason, error.detail)


def media_below(root: Path, suffixes: tuple[str, ...]) -> Iterator[str | RowError]:
    """Paths of media, relative to the root, folder by folder in the order of their names.

    Names that are no UTF-8 come as their error. Hidden files and folders are passed over, and
    links are followed unless they lead back to a folder that they lie in.
    """
    above: dict[str, frozenset[tuple[int, int]]] = {}  # the folders on the way to each
    for folder, folders, names in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        place = (status.st_dev, status.st_ino)
        way = above.get(str(Path(folder).parent), frozenset())
        if place in way:  # a link to a folder that it lies in
            folders.clear()
            continue
        above[str(Path(folder))] = way | {place}
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith(".") or not name.lower().endswith(suffixes):
                continue
            path = Path(folder, name).relative_to(root).as_posix()
            try:
                path.encode()
            except UnicodeEncodeError:
                yield RowError(name_fault(), shown(path))
            else:
                yield path


def sidecar_text(root: Path, path: str, suffix: str = ".txt") -> str | None:
    """Text of the file of the same name that ends in `suffix`, None where there is none."""
    sidecar = (root / path).with_suffix(suffix)
    try:
        return sidecar.read_text(encoding="utf-8-sig").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise RowError("caption is not UTF-8", shown(sidecar.name)) from None
    except OSError as error:
        raise RowError("caption cannot be read", str(error)) from None

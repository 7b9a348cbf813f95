"""Captioned pictures in tar files as webdataset writes them: members of one key stand together.

The key is the name up to the first dot after the last slash: `0001.jpg` and `0001.txt` are one
item, whose caption is the text, or `caption` (or `text`) of `0001.json`.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from seqsynth.sources.fields import checked_text, object_of, optional_text, shown
from seqsynth.sources.files import relative_to_root
from seqsynth.sources.media_paths import IMAGE_SUFFIXES
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

PATTERNS = ("**/*.tar",)


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a key of each tar file."""
    for path in annotations:
        shard = relative_to_root(path, root)
        try:
            with tarfile.open(path, "r:") as tar:  # uncompressed: items are read by their place
                for key, members in groupby(_members(tar, path.stat().st_size), key=_key):
                    yield _entry(tar, shard, key, list(members))
        except (tarfile.TarError, OSError) as error:
            yield BadRow(shard, "damaged tar file", str(error))


def _members(tar: tarfile.TarFile, num_bytes: int) -> Iterator[tarfile.TarInfo]:
    for member in tar:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
        if not member.isreg() or member.issparse():
            continue
        if member.offset_data + member.size > num_bytes:
            raise tarfile.ReadError(f"it ends inside {member.name}")
        yield member


def _key(member: tarfile.TarInfo) -> str:
    folder, slash, name = member.name.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _suffix(member: tarfile.TarInfo) -> str:
    return "." + member.name.rpartition("/")[2].partition(".")[2].lower()


def _entry(tar: tarfile.TarFile, shard: str, key: str, members: Sequence[tarfile.TarInfo]) -> Entry:
    origin = f"{shard}:{shown(key)[1:-1]}"
    try:
        pictures = [member for member in members if _suffix(member) in IMAGE_SUFFIXES]
        if len(pictures) != 1:
            raise RowError("not one picture", f"{len(pictures)} under this key")
        return SourceRow(
            origin=origin,
            id=checked_text(f"{shard}:{key}", "name"),
            kind="image",
            paths=(shard,),
            shard_offset=pictures[0].offset_data,
            num_bytes=pictures[0].size,
            caption=_caption(tar, {_suffix(member): member for member in members}),
        )
    except RowError as error:
        return BadRow(origin, error.reason, error.detail)


def _caption(tar: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> str:
    caption = ""
    if ".txt" in members:
        caption = _text(tar, members[".txt"]).strip()
    elif ".json" in members:
        try:
            record = object_of(json.loads(_text(tar, members[".json"])))
        except (json.JSONDecodeError, RecursionError) as error:
            raise RowError("not JSON", str(error)) from None
        caption = optional_text(record, "caption") or optional_text(record, "text")
    else:
        raise RowError("no caption", "neither .txt nor .json under this key")
    if not caption:
        raise RowError("empty caption")
    return caption


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    handle = tar.extractfile(member)
    assert handle is not None  # members are regular files
    try:
        return handle.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RowError("caption is not UTF-8", shown(member.name)) from None

"""Captioned pictures in tar files as webdataset writes them: members of one key stand together.

The key is the name up to the first dot after the last slash: `0001.jpg` and `0001.txt` are one
item, whose caption is the text, or `caption` (or `text`) of `0001.json`.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from seqsynth.example_files import is_out_of_reach
from seqsynth.parsing import parsed_json
from seqsynth.sources.fields import checked_text, object_of, optional_text, shown
from seqsynth.sources.files import relative_to_root
from seqsynth.sources.media_paths import IMAGE_SUFFIXES
from seqsynth.sources.rows import BadRow, Entry, RowError, SourceRow

PATTERNS = ("**/*.tar",)


def rows(root: Path, annotations: Sequence[Path]) -> Iterator[Entry]:
    """One image a key of each tar file."""
    for path in annotations:
        shard = relative_to_root(path, root)
        faults: list[str] = []
        try:
            with tarfile.open(path, "r:") as tar:  # uncompressed: items are read by their place
                members = _members(tar, path.stat().st_size, faults)
                for key, group in groupby(members, key=_key):
                    yield _entry(tar, shard, key, list(group))
        except (tarfile.TarError, OSError) as error:
            if is_out_of_reach(error):
                raise
            faults.append(str(error))
        if faults:
            yield BadRow(shard, "damaged tar file", faults[0])


def _members(tar: tarfile.TarFile, num_bytes: int, faults: list[str]) -> Iterator[tarfile.TarInfo]:
    """Files in the tar up to its end or, said in `faults`, to where it is damaged."""
    for member in tar:
        tar.members.clear()  # type: ignore[attr-defined]  # it would keep all of them
        if not member.isreg() or member.issparse():
            continue
        if member.offset_data + member.size > num_bytes:
            faults.append(f"it ends inside {shown(member.name)}")
            return
        yield member
    # tarfile takes a broken header for the end, which is a block of zeros.
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        faults.append(f"no header at byte {tar.offset}, and no end")


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
        text = _text(tar, members[".json"])
        try:
            value = parsed_json(text)
        except ValueError as error:
            raise RowError("not JSON", str(error)) from None
        record = object_of(value)
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

"""METEOR's word data as one memory-mapped file: paraphrases, synonym sets, base forms.

Owns the layout of that file. Nothing is read until it is looked at, and processes share the pages.
A file holds named arrays (little endian, 64-byte aligned) behind a JSON header; `FORMAT` changes
with any change of their meaning, so that an old file is rebuilt and never misread.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
MAGIC = b"vidmetrics-meteor"
ALIGNMENT = 64
HEADER_BYTES = 4096
NOT_THERE = -1

DTYPES = {
    "table_text": "u1",
    "table_starts": "<u4",
    "table_slots": "<i4",
    "first_words": "<u4",
    "left_starts": "<u4",
    "left_words": "<u2",
    "entry_starts": "<u4",
    "entry_counts": "<u4",
    "right_starts": "<u4",
    "right_lengths": "u1",
    "right_words": "<u2",
    "synonym_text": "u1",
    "synonym_starts": "<u4",
    "synonym_slots": "<i4",
    "synset_starts": "<u4",
    "synsets": "<u4",
    "form_text": "u1",
    "form_starts": "<u4",
    "form_slots": "<i4",
    "base_starts": "<u4",
    "bases": "<i4",
}


class MeteorDataError(RuntimeError):
    """METEOR's data is missing, damaged or cannot be fetched; the message says what to do."""


@dataclass(frozen=True, eq=False, slots=True)
class Tables:
    """The arrays of the file.

    A list of lists is stored as starts and values: row k is `values[starts[k]:starts[k + 1]]`.
    Words are numbered by their place in their text, which is in the order of their UTF-8 bytes;
    the paraphrase table and the synonym dictionary have numberings of their own.

    Attributes:
        table_text, table_starts, table_slots: words of the paraphrase table and their hash table.
        first_words: row w is the range of the left phrases that begin with word w.
        left_starts, left_words: the words of each left phrase behind its first one; phrases with
            the same first word are in lexicographic order of the numbers.
        entry_starts, entry_counts: the range of each left phrase's entries, that is of the phrases
            that paraphrase it, in the order of the original file.
        right_starts: the place in `right_words` of each left phrase's first entry.
        right_lengths, right_words: length in words, and words, of each entry.
        synonym_text, synonym_starts, synonym_slots: words of the synonym dictionary.
        synset_starts, synsets: the synonym sets of each, rising.
        form_text, form_starts, form_slots: irregular forms.
        base_starts, bases: what they are forms of, as words of the synonym dictionary.
    """

    table_text: NDArray[np.uint8]
    table_starts: NDArray[np.uint32]
    table_slots: NDArray[np.int32]
    first_words: NDArray[np.uint32]
    left_starts: NDArray[np.uint32]
    left_words: NDArray[np.uint16]
    entry_starts: NDArray[np.uint32]
    entry_counts: NDArray[np.uint32]
    right_starts: NDArray[np.uint32]
    right_lengths: NDArray[np.uint8]
    right_words: NDArray[np.uint16]
    synonym_text: NDArray[np.uint8]
    synonym_starts: NDArray[np.uint32]
    synonym_slots: NDArray[np.int32]
    synset_starts: NDArray[np.uint32]
    synsets: NDArray[np.uint32]
    form_text: NDArray[np.uint8]
    form_starts: NDArray[np.uint32]
    form_slots: NDArray[np.int32]
    base_starts: NDArray[np.uint32]
    bases: NDArray[np.int32]


class WordIndex:
    """Finds the number of a word in a text of words, by a hash table with linear probing."""

    def __init__(
        self, text: NDArray[np.uint8], starts: NDArray[np.uint32], slots: NDArray[np.int32]
    ) -> None:
        # Memory views: an element costs a fraction of what indexing the array does.
        self._text = text.data
        self._starts = starts.data
        self._slots = slots.data
        self._mask = len(slots) - 1

    def find(self, word: str) -> int:
        """The word's number, or `NOT_THERE`.

        Raises:
            IndexError: a damaged table: a number leads out of it, or no slot is free.
        """
        key = word.encode("utf-8", "surrogatepass")
        slot = zlib.crc32(key) & self._mask
        for _ in range(len(self._slots)):
            number = self._slots[slot]
            if number == NOT_THERE:
                return NOT_THERE
            if self._text[self._starts[number] : self._starts[number + 1]] == key:
                return number
            slot = (slot + 1) & self._mask
        raise IndexError("a hash table without a free slot")


def pack_words(words: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Text and starts of words, in the order given."""
    starts = np.zeros(len(words) + 1, dtype=np.uint32)
    np.cumsum([len(word) for word in words], out=starts[1:])
    return np.frombuffer(b"".join(words), dtype=np.uint8), starts


def hash_slots(words: Sequence[bytes]) -> NDArray[np.int32]:
    """The hash table of a `WordIndex`: a power of two of slots, at most half of them taken."""
    size = 1 << max(1, (2 * len(words) - 1).bit_length())
    slots = [NOT_THERE] * size
    for number, word in enumerate(words):
        slot = zlib.crc32(word) & (size - 1)
        while slots[slot] != NOT_THERE:
            slot = (slot + 1) & (size - 1)
        slots[slot] = number
    return np.array(slots, dtype=np.int32)


def tables_bytes(tables: Tables, source: str) -> bytes:
    """The content of the file.

    Args:
        tables: its arrays.
        source: where they come from (name and checksum), for people who look at the header.
    """
    sections: dict[str, list[int]] = {}
    parts: list[bytes] = []
    offset = HEADER_BYTES
    for name, dtype in DTYPES.items():
        content = np.ascontiguousarray(getattr(tables, name), dtype=dtype).tobytes()
        padding = -len(content) % ALIGNMENT
        sections[name] = [offset, len(content) // np.dtype(dtype).itemsize]
        parts += [content, bytes(padding)]
        offset += len(content) + padding
    body = b"".join(parts)
    header = {
        "format": FORMAT,
        "source": source,
        "bytes": offset,
        "sha256": hashlib.sha256(body).hexdigest(),
        "sections": sections,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    checked = MAGIC + b" %08x %s\n" % (zlib.crc32(text), text)
    return checked.ljust(HEADER_BYTES, b"\0") + body


def open_tables(path: Path, *, verify: bool = False) -> Tables:
    """Map the file.

    Args:
        path: the compiled file.
        verify: also check every byte against the checksum in the header (reads the whole file).

    Raises:
        MeteorDataError: it is not such a file, of another format, cut off, or damaged.
    """
    try:
        with path.open("rb") as file:
            header = _read_header(file.read(HEADER_BYTES))
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(mapped) != header["bytes"]:
            raise ValueError(f"{len(mapped):,} bytes instead of {header['bytes']:,}")
        if verify:
            content = hashlib.sha256(memoryview(mapped)[HEADER_BYTES:])
            if content.hexdigest() != header["sha256"]:
                raise ValueError("the checksum of its content is wrong")
        arrays = {
            name: np.frombuffer(mapped, DTYPES[name], count, offset)
            for name, (offset, count) in header["sections"].items()
        }
        return Tables(**arrays)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MeteorDataError(
            f"{path} cannot be used: {error}. Rebuild it with: vidmetrics fetch meteor-data"
        ) from error


def _read_header(raw: bytes) -> dict[str, Any]:
    magic, _, rest = raw.rstrip(b"\0").partition(b" ")
    checksum, _, text = rest.rstrip(b"\n").partition(b" ")
    if magic != MAGIC:
        raise ValueError("it is not a METEOR data file")
    if int(checksum, 16) != zlib.crc32(text):
        raise ValueError("its header is damaged")
    header: dict[str, Any] = json.loads(text)
    if header["format"] != FORMAT:
        raise ValueError(f"format {header['format']}, but this version reads {FORMAT}")
    return header

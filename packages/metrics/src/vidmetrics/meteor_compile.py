"""Builds METEOR's data file from the parts of the `pycocoevalcap` wheel that hold word lists.

The paraphrase table comes as text, three lines an entry: probability (unused by METEOR's score),
phrase, paraphrase. The synonym dictionary is WordNet 3.0 as METEOR carries it: words with the
offsets of their synonym sets, parts of speech not told apart.
"""

from __future__ import annotations

import gzip
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from vidmetrics.meteor_tables import NOT_THERE, Tables, hash_slots, pack_words

Progress = Callable[[int, int], None]
"""Called with the bytes of the paraphrase table that are done, and all that it has."""

_BLOCK_BYTES = 1 << 22
_LINES_PER_ENTRY = 3


class _Numbers(dict[bytes, int]):
    """Numbers words in the order in which they come."""

    def __missing__(self, word: bytes) -> int:
        self[word] = number = len(self)
        return number


@dataclass(slots=True)
class _Paraphrases:
    """The table as read, words numbered as they came, left phrases in file order."""

    words: _Numbers = field(default_factory=_Numbers)
    lefts: list[bytes] = field(default_factory=list)
    entry_counts: array[int] = field(default_factory=lambda: array("I"))
    right_lengths: array[int] = field(default_factory=lambda: array("B"))
    right_words: array[int] = field(default_factory=lambda: array("H"))

    def add(self, lefts: list[bytes], rights: list[bytes]) -> None:
        for left, group in groupby(lefts):
            count = sum(1 for _ in group)
            if self.lefts and self.lefts[-1] == left:  # went on from the block before
                self.entry_counts[-1] += count
            else:
                self.lefts.append(left)
                self.entry_counts.append(count)
        self.right_lengths.extend(right.count(b" ") + 1 for right in rights)
        self.right_words.extend(map(self.words.__getitem__, b" ".join(rights).split(b" ")))


def compile_tables(
    paraphrases: IO[bytes], synsets: bytes, exceptions: bytes, progress: Progress | None = None
) -> Tables:
    """All arrays of the data file.

    Args:
        paraphrases: the gzipped paraphrase table.
        synsets: word and synonym set offsets, in alternating lines.
        exceptions: base form and irregular forms, in alternating lines.
        progress: told how far the paraphrase table is.

    Raises:
        ValueError: the table is not in entries of three lines, or has too many words.
    """
    table = _read_paraphrases(paraphrases, progress)
    return Tables(**_paraphrase_arrays(table), **_synonym_arrays(synsets, exceptions))


def _read_paraphrases(compressed: IO[bytes], progress: Progress | None) -> _Paraphrases:
    table = _Paraphrases()
    size = compressed.seek(0, 2)
    compressed.seek(0)
    with gzip.open(compressed) as text:
        for lines in _blocks_of_lines(text):
            table.add(lines[1::_LINES_PER_ENTRY], lines[2::_LINES_PER_ENTRY])
            if progress is not None:
                progress(compressed.tell(), size)
    return table


def _blocks_of_lines(text: gzip.GzipFile) -> Iterator[list[bytes]]:
    """Lists of lines, each of whole entries."""
    rest: list[bytes] = []
    tail = b""
    while block := text.read(_BLOCK_BYTES):
        *lines, tail = (tail + block).split(b"\n")
        lines = rest + lines
        whole = len(lines) - len(lines) % _LINES_PER_ENTRY
        rest = lines[whole:]
        yield lines[:whole]
    if rest or tail:
        raise ValueError("the paraphrase table ends in the middle of an entry")


def _paraphrase_arrays(table: _Paraphrases) -> dict[str, NDArray[Any]]:
    left_words = [[table.words[word] for word in left.split(b" ")] for left in table.lefts]
    words = sorted(table.words)
    if len(words) > 1 << 16:
        raise ValueError(f"{len(words):,} words in the paraphrase table do not fit 16 bits")
    new_number = np.zeros(len(words), dtype=np.uint16)
    new_number[[table.words[word] for word in words]] = np.arange(len(words), dtype=np.uint16)
    renumbered = new_number.tolist()
    keys = [tuple(renumbered[word] for word in phrase) for phrase in left_words]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    entry_counts = np.frombuffer(table.entry_counts, dtype=np.uint32)
    entry_ends = np.cumsum(entry_counts, dtype=np.uint64)
    entry_starts = entry_ends - entry_counts
    lengths = np.frombuffer(table.right_lengths, dtype=np.uint8)
    word_ends = np.zeros(len(lengths) + 1, dtype=np.uint32)
    np.cumsum(lengths, dtype=np.uint32, out=word_ends[1:])
    left_starts = np.zeros(len(keys) + 1, dtype=np.uint32)
    np.cumsum([len(keys[left]) - 1 for left in order], out=left_starts[1:])
    first = np.array([keys[left][0] for left in order], dtype=np.int64)
    text, starts = pack_words(words)
    return {
        "table_text": text,
        "table_starts": starts,
        "table_slots": hash_slots(words),
        "first_words": np.searchsorted(first, np.arange(len(words) + 1)).astype(np.uint32),
        "left_starts": left_starts,
        "left_words": np.array([w for left in order for w in keys[left][1:]], dtype=np.uint16),
        "entry_starts": entry_starts[order].astype(np.uint32),
        "entry_counts": entry_counts[order],
        "right_starts": word_ends[entry_starts[order]],
        "right_lengths": lengths,
        "right_words": new_number[np.frombuffer(table.right_words, dtype=np.uint16)],
    }


def _synonym_arrays(synsets: bytes, exceptions: bytes) -> dict[str, NDArray[Any]]:
    sets_of = {
        word: sorted({int(offset) for offset in offsets.split()})
        for word, offsets in _pairs_of_lines(synsets)
    }
    words = sorted(sets_of)
    number_of = {word: number for number, word in enumerate(words)}
    bases_of: dict[bytes, list[int]] = {}
    for base, forms in _pairs_of_lines(exceptions):
        for form in forms.split():
            bases_of.setdefault(form, []).append(number_of.get(base, NOT_THERE))
    forms_in_order = sorted(bases_of)
    word_text, word_starts = pack_words(words)
    form_text, form_starts = pack_words(forms_in_order)
    synset_starts, synset_values = _rows([sets_of[word] for word in words])
    base_starts, bases = _rows(
        [[base for base in bases_of[form] if base != NOT_THERE] for form in forms_in_order]
    )
    return {
        "synonym_text": word_text,
        "synonym_starts": word_starts,
        "synonym_slots": hash_slots(words),
        "synset_starts": synset_starts,
        "synsets": synset_values.astype(np.uint32),
        "form_text": form_text,
        "form_starts": form_starts,
        "form_slots": hash_slots(forms_in_order),
        "base_starts": base_starts,
        "bases": bases.astype(np.int32),
    }


def _pairs_of_lines(text: bytes) -> Iterator[tuple[bytes, bytes]]:
    lines = text.split(b"\n")
    if lines[-1:] == [b""]:
        lines.pop()
    return zip(lines[::2], lines[1::2], strict=True)


def _rows(rows: list[list[int]]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    starts = np.zeros(len(rows) + 1, dtype=np.uint32)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return starts, np.array([value for row in rows for value in row], dtype=np.int64)

"""Looks phrases up in the paraphrase table; the Python half of what the native kernel does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from vidmetrics.meteor_tables import NOT_THERE, Tables

Phrase = tuple[int, ...]


class PhraseTable:
    """Paraphrases of phrases, words numbered as in the table."""

    def __init__(self, tables: Tables) -> None:
        self._first_words = memoryview(tables.first_words)
        self._left_starts = memoryview(tables.left_starts)
        self._left_words = memoryview(tables.left_words)
        self._entry_starts = memoryview(tables.entry_starts)
        self._entry_counts = memoryview(tables.entry_counts)
        self._right_starts = memoryview(tables.right_starts)
        self._right_lengths = memoryview(tables.right_lengths)
        self._right_words = memoryview(tables.right_words)

    def lefts_at(self, words: Sequence[int], place: int) -> list[tuple[int, int]]:
        """Phrases of the table that begin at a place of a sentence: (length, number), rising."""
        first = words[place]
        if first == NOT_THERE:
            return []
        low, high = self._first_words[first], self._first_words[first + 1]
        found: list[tuple[int, int]] = []
        rest: Phrase = ()
        while low < high:
            # The phrase that is exactly what was read so far stands before all longer ones.
            if self._rest_of(low) == rest:
                found.append((len(rest) + 1, low))
            after = place + 1 + len(rest)
            if after >= len(words) or words[after] == NOT_THERE:
                break
            rest = (*rest, words[after])
            # Up to here all phrases in the range begin with the old rest.
            low = bisect_left(_Rests(self, low, high), rest) + low
            high = bisect_left(_Rests(self, low, high), (*rest[:-1], rest[-1] + 1)) + low
        return found

    def entries(self, left: int, words: frozenset[int]) -> list[Phrase]:
        """Paraphrases of a left phrase that consist of the given words only, in file order."""
        start = self._entry_starts[left]
        place = self._right_starts[left]
        found: list[Phrase] = []
        for length in self._right_lengths[start : start + self._entry_counts[left]]:
            phrase = self._right_words[place : place + length]
            place += length
            if phrase[0] in words and words.issuperset(phrase):
                found.append(tuple(phrase))
        return found

    def _rest_of(self, left: int) -> Phrase:
        return tuple(self._left_words[self._left_starts[left] : self._left_starts[left + 1]])


class _Rests(Sequence[Phrase]):
    """What the left phrases of a range have behind their first word, for `bisect`."""

    def __init__(self, table: PhraseTable, low: int, high: int) -> None:
        self._table, self._low, self._high = table, low, high

    def __len__(self) -> int:
        return self._high - self._low

    def __getitem__(self, index):  # type: ignore[no-untyped-def,override]
        return self._table._rest_of(self._low + index)

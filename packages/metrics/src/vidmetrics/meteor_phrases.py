"""Looks phrases up in the paraphrase table; the Python half of what the native kernel does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from vidmetrics.meteor_tables import NOT_THERE, Tables

Phrase = tuple[int, ...]


class PhraseTable:
    """Paraphrases of phrases, words numbered as in the table."""

    def __init__(self, tables: Tables) -> None:
        self._first_words = tables.first_words.data
        self._left_starts = tables.left_starts.data
        self._left_words = tables.left_words.data
        self._entry_starts = tables.entry_starts.data
        self._entry_counts = tables.entry_counts.data
        self._right_starts = tables.right_starts.data
        self._right_lengths = tables.right_lengths.data
        self._right_words = tables.right_words.data

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
            low += bisect_left(range(low, high), rest, key=self._rest_of)
            next_rest = (*rest[:-1], rest[-1] + 1)
            high = low + bisect_left(range(low, high), next_rest, key=self._rest_of)
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

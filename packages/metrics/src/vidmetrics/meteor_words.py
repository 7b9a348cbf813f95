"""What METEOR's matchers need to know of the words of some captions, as plain arrays.

The aligner (native or Python) sees numbers only: words, stems, synonym sets. Everything about
letters is decided here, once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidmetrics.meteor_lexicon import function_words
from vidmetrics.meteor_normalizer import normalize
from vidmetrics.meteor_tables import NOT_THERE, Tables, WordIndex
from vidmetrics.stemmer import stem

# Endings of nouns, verbs and adjectives, and what stands for them in the base form. The first that
# leads to a word of the dictionary counts.
_ENDINGS = (
    ("s", ""),
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("es", "e"),
    ("es", ""),
    ("ed", "e"),
    ("ed", ""),
    ("ing", "e"),
    ("ing", ""),
    ("er", ""),
    ("est", ""),
    ("er", "e"),
    ("est", "e"),
)


@dataclass(frozen=True, eq=False, slots=True)
class Sentences:
    """Normalized captions, and the words in them, numbered from 0.

    Attributes:
        starts: (sentences + 1,) int64; the words of sentence k are `words[starts[k]:starts[k+1]]`.
        words: int32, the number of each word.
        stems: (vocabulary,) int32, equal for words with the same stem.
        table_words: (vocabulary,) int32, the word's number in the paraphrase table, or -1.
        is_function: (vocabulary,) uint8.
        synset_starts, synsets: (vocabulary + 1,) int64 and int32: synonym sets of each, rising.
    """

    starts: NDArray[np.int64]
    words: NDArray[np.int32]
    stems: NDArray[np.int32]
    table_words: NDArray[np.int32]
    is_function: NDArray[np.uint8]
    synset_starts: NDArray[np.int64]
    synsets: NDArray[np.int32]


class Vocabulary:
    """Looks words up and remembers what it found."""

    def __init__(self, tables: Tables | None) -> None:
        """`tables` is None where there is neither a paraphrase table nor a synonym dictionary."""
        self._lexicon = None if tables is None else _Lexicon(tables)
        self._functions = function_words()
        self._known: dict[str, tuple[str, int, int, tuple[int, ...]]] = {}
        self._captions: dict[str, list[str]] = {}

    def sentences(self, captions: Sequence[str]) -> Sentences:
        """Normalize captions (as `vidmetrics.ptb.tokenize` gives them) and number their words."""
        numbers: dict[str, int] = {}
        rows = [
            [numbers.setdefault(word, len(numbers)) for word in self._normalized(caption)]
            for caption in captions
        ]
        facts = [self._facts(word) for word in numbers]
        stems: dict[str, int] = {}
        synset_starts = np.zeros(len(facts) + 1, dtype=np.int64)
        np.cumsum([len(synsets) for *_, synsets in facts], out=synset_starts[1:])
        starts = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=starts[1:])
        return Sentences(
            starts=starts,
            words=np.array([word for row in rows for word in row], dtype=np.int32),
            stems=np.array([stems.setdefault(fact[0], len(stems)) for fact in facts], np.int32),
            table_words=np.array([fact[1] for fact in facts], dtype=np.int32),
            is_function=np.array([fact[2] for fact in facts], dtype=np.uint8),
            synset_starts=synset_starts,
            synsets=np.array([value for fact in facts for value in fact[3]], dtype=np.int32),
        )

    def _normalized(self, caption: str) -> list[str]:
        words = self._captions.get(caption)
        if words is None:
            if len(self._captions) >= _REMEMBERED:
                self._captions.clear()
            words = self._captions[caption] = normalize(caption)
        return words

    def _facts(self, word: str) -> tuple[str, int, int, tuple[int, ...]]:
        """Stem, number in the paraphrase table, whether a function word, synonym sets."""
        facts = self._known.get(word)
        if facts is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            number = NOT_THERE
            synsets: tuple[int, ...] = ()
            if self._lexicon is not None:
                number, synsets = self._lexicon.table_word(word), self._lexicon.synsets(word)
            facts = self._known[word] = stem(word), number, int(word in self._functions), synsets
        return facts


_REMEMBERED = 1 << 17
"""Captions and words kept in memory; a longer run starts anew."""


class _Lexicon:
    """The words of the data file."""

    def __init__(self, tables: Tables) -> None:
        self._table = WordIndex(tables.table_text, tables.table_starts, tables.table_slots)
        self._synonyms = WordIndex(tables.synonym_text, tables.synonym_starts, tables.synonym_slots)
        self._forms = WordIndex(tables.form_text, tables.form_starts, tables.form_slots)
        self._synset_starts = tables.synset_starts.data
        self._synsets = tables.synsets.data
        self._base_starts = tables.base_starts.data
        self._bases = tables.bases.data

    def table_word(self, word: str) -> int:
        """The word's number in the paraphrase table, or `NOT_THERE`."""
        return self._table.find(word)

    def synsets(self, word: str) -> tuple[int, ...]:
        """The synonym sets of the word and of its base form, rising."""
        own = self._synonyms.find(word)
        numbers = [] if own == NOT_THERE else [own]
        numbers += self._base_forms(word)
        found: set[int] = set()
        for number in numbers:
            start, end = self._synset_starts[number], self._synset_starts[number + 1]
            found.update(self._synsets[start:end])
        return tuple(sorted(found))

    def _base_forms(self, word: str) -> list[int]:
        form = self._forms.find(word)
        if form != NOT_THERE:
            return self._bases[self._base_starts[form] : self._base_starts[form + 1]].tolist()
        if len(word) <= 2 or word.endswith("ss"):
            return []
        for ending, replacement in _ENDINGS:
            if word.endswith(ending):
                base = self._synonyms.find(word[: len(word) - len(ending)] + replacement)
                if base != NOT_THERE:
                    return [base]
        return []

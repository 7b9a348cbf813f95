"""N-gram counts of many captions at once, as sorted arrays.

Counting with Python dictionaries costs most of a second for a benchmark; sorting integers does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidmetrics.events import FloatArray, IntArray

MAX_ORDER = 4
_NGRAM_BITS = 36  # a key is caption << 36 | n-gram: room for 6e10 n-grams in 1e8 captions


@dataclass(frozen=True, eq=False, slots=True)
class NgramCounts:
    """The 1- to 4-grams of C captions, in E (caption, n-gram) entries sorted by caption, n-gram.

    Attributes:
        offsets: (C + 1,) entries of caption c are `offsets[c]:offsets[c + 1]`.
        ngrams: (E,) id of the n-gram; ids are shared by all captions.
        counts: (E,) how often the caption has it, as float64.
        order: (num_ngrams,) n of each id, 1 to 4.
        num_words: (C,) length of each caption.
    """

    offsets: IntArray
    ngrams: IntArray
    counts: FloatArray
    order: IntArray
    num_words: IntArray

    @property
    def num_ngrams(self) -> int:
        """How many different n-grams there are."""
        return len(self.order)

    def entries_of(self, captions: IntArray) -> tuple[IntArray, IntArray]:
        """All entries of the given captions, in their order.

        Args:
            captions: (k,) caption numbers, repeats allowed.

        Returns:
            For each entry its place in `captions`, and its index into `ngrams` and `counts`.
        """
        first, last = self.offsets[captions], self.offsets[captions + 1]
        sizes = last - first
        place = np.repeat(np.arange(len(captions), dtype=np.int64), sizes)
        before = np.cumsum(sizes) - sizes
        entry = np.arange(len(place), dtype=np.int64) - before[place] + first[place]
        return place, entry


def count_ngrams(captions: Sequence[str]) -> NgramCounts:
    """Count the n-grams of captions split at white space."""
    split = [caption.split() for caption in captions]
    num_words = np.array([len(words) for words in split], dtype=np.int64)
    caption_of_word = np.repeat(np.arange(len(split), dtype=np.int64), num_words)
    word_ids: dict[str, int] = {}
    words = np.array(
        [word_ids.setdefault(word, len(word_ids)) for caption in split for word in caption],
        dtype=np.int64,
    )
    starts = np.arange(len(words), dtype=np.int64)  # where the n-grams of this order begin
    grams = words
    keys: list[IntArray] = []
    orders: list[IntArray] = []
    num_ngrams = 0
    for n in range(1, MAX_ORDER + 1):
        if n > 1:
            inside = starts + n - 1 < len(words)
            inside[inside] = (
                caption_of_word[starts[inside]] == caption_of_word[starts[inside] + n - 1]
            )
            starts = starts[inside]
            # Ids are made dense again at every order, so this product cannot overflow.
            grams = grams[inside] * len(word_ids) + words[starts + n - 1]
        different, grams = np.unique(grams, return_inverse=True)
        keys.append((caption_of_word[starts] << _NGRAM_BITS) + grams + num_ngrams)
        orders.append(np.full(len(different), n, dtype=np.int64))
        num_ngrams += len(different)
    entries, counts = np.unique(np.concatenate(keys), return_counts=True)
    caption_of_entry = entries >> _NGRAM_BITS
    return NgramCounts(
        offsets=np.searchsorted(caption_of_entry, np.arange(len(split) + 1)).astype(np.int64),
        ngrams=entries & ((1 << _NGRAM_BITS) - 1),
        counts=counts.astype(np.float64),
        order=np.concatenate(orders),
        num_words=num_words,
    )

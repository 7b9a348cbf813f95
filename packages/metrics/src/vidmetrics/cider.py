"""CIDEr-D (n = 1..4, sigma 6, clipped), for many groups of caption pairs at once.

A group is what shares one document frequency: the pairs of one video at one IoU threshold in the
published dense-captioning protocol, or a whole corpus. The score follows Vedantam et al. 2015 in
the form every caption scorer computes it: `length` in the Gaussian penalty counts bigrams.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidmetrics.events import FloatArray, IntArray
from vidmetrics.ngrams import MAX_ORDER, NgramCounts, count_ngrams

SIGMA = 6.0


def cider_d(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> FloatArray:
    """CIDEr-D of each hypothesis against its references; one corpus, one document frequency.

    Args:
        hypotheses: tokens joined by white space.
        references: for each hypothesis one or more references, tokens joined likewise.

    Returns:
        (n,) float64 in [0, 10]; the corpus score is their mean. A corpus of one item scores 0
        whatever it says, because log 1 = 0 weighs every n-gram with nothing.

    Raises:
        ValueError: different lengths, or an item without a list of references (names it).

    Example:
        >>> cider_d(["cut the onion", "boil water"], [["cut the onion"], ["boil some water"]])
        array([7.5       , 2.01308685])
    """
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses but {len(references)} lists of references")
    for item, captions in enumerate(references):
        if isinstance(captions, str) or not captions:
            raise ValueError(f"item {item} needs a list of references, got {captions!r:.60}")
    num_references = np.array([len(captions) for captions in references], dtype=np.int64)
    item_of_pair = np.repeat(np.arange(len(hypotheses), dtype=np.int64), num_references)
    ngrams = count_ngrams([*hypotheses, *(text for captions in references for text in captions)])
    scores = pair_scores(
        ngrams,
        hypotheses=item_of_pair,
        references=np.arange(len(item_of_pair), dtype=np.int64) + len(hypotheses),
        groups=np.zeros(len(item_of_pair), dtype=np.int64),
        documents=item_of_pair,
        num_documents=np.array([len(hypotheses)], dtype=np.int64),
    )
    return _sums(item_of_pair, scores, len(hypotheses)) / num_references


def pair_scores(
    ngrams: NgramCounts,
    *,
    hypotheses: IntArray,
    references: IntArray,
    groups: IntArray,
    documents: IntArray,
    num_documents: IntArray,
) -> FloatArray:
    """CIDEr-D of each (hypothesis, reference) pair, in [0, 10].

    Args:
        ngrams: counts of every caption the next two arguments speak of.
        hypotheses: (p,) caption number of each pair's hypothesis.
        references: (p,) caption number of each pair's reference.
        groups: (p,) group of each pair; it decides the document frequency.
        documents: (p,) document of each pair; an n-gram counts once a document. Pairs of one
            document must be of one group.
        num_documents: (groups,) documents of each group, those without a pair here included.
    """
    num_pairs = len(hypotheses)
    log_documents = np.log(np.maximum(num_documents, 1).astype(np.float64))
    weights = _NgramWeights(ngrams, references, groups, documents, log_documents)

    pair, entry = ngrams.entries_of(hypotheses)
    count = ngrams.counts[entry]
    other = _counts_in(ngrams, references[pair], ngrams.ngrams[entry])
    shared = other > 0.0
    pair, entry, count, other = pair[shared], entry[shared], count[shared], other[shared]
    idf = weights.look_up(groups[pair], ngrams.ngrams[entry])
    place = pair * MAX_ORDER + ngrams.order[ngrams.ngrams[entry]] - 1
    # Both vectors carry the idf and it is not negative, so clipping acts on the counts.
    clipped = np.minimum(count, other) * other * idf * idf
    dot = _sums(place, clipped, num_pairs * MAX_ORDER).reshape(num_pairs, MAX_ORDER)

    norm = _norms(ngrams, weights, hypotheses, groups) * _norms(ngrams, weights, references, groups)
    similarity = np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0.0)
    # Number of bigrams, not of words: they differ for an empty caption only.
    length = np.maximum(ngrams.num_words - 1, 0)
    difference = (length[hypotheses] - length[references]).astype(np.float64)
    penalty = np.exp(-(difference**2) / (2.0 * SIGMA**2))
    mean: FloatArray = (similarity * penalty[:, None]).sum(axis=1) / MAX_ORDER * 10.0
    return mean


class _NgramWeights:
    """Inverse document frequency of each n-gram in each group."""

    def __init__(
        self,
        ngrams: NgramCounts,
        references: IntArray,
        groups: IntArray,
        documents: IntArray,
        log_documents: FloatArray,
    ) -> None:
        pair, entry = ngrams.entries_of(references)
        self._width = max(ngrams.num_ngrams, 1)
        key = groups[pair] * self._width + ngrams.ngrams[entry]
        if len(documents) > 1 and (np.diff(np.sort(documents)) == 0).any():
            # Several references of one document: each n-gram counts once.
            num_keys = len(log_documents) * self._width
            key = np.unique(documents[pair] * num_keys + key) % num_keys
        self._keys, frequency = np.unique(key, return_counts=True)
        self._log_documents = log_documents
        self._idf = log_documents[self._keys // self._width] - np.log(frequency)

    def look_up(self, groups: IntArray, ngrams: IntArray) -> FloatArray:
        """Idf of n-gram k in group k; one that no reference has counts as seen once."""
        if len(self._keys) == 0:
            return self._log_documents[groups]
        key = groups * self._width + ngrams
        at = np.minimum(np.searchsorted(self._keys, key), len(self._keys) - 1)
        idf: FloatArray = np.where(
            self._keys[at] == key, self._idf[at], self._log_documents[groups]
        )
        return idf


def _counts_in(ngrams: NgramCounts, captions: IntArray, wanted: IntArray) -> FloatArray:
    """How often caption k has n-gram k: (e,) float64."""
    width = max(ngrams.num_ngrams, 1)
    caption_of_entry = np.repeat(
        np.arange(len(ngrams.offsets) - 1, dtype=np.int64), np.diff(ngrams.offsets)
    )
    keys = caption_of_entry * width + ngrams.ngrams  # sorted, as the entries are
    if len(keys) == 0:
        return np.zeros(len(captions))
    key = captions * width + wanted
    at = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    counts: FloatArray = np.where(keys[at] == key, ngrams.counts[at], 0.0)
    return counts


def _norms(
    ngrams: NgramCounts, weights: _NgramWeights, captions: IntArray, groups: IntArray
) -> FloatArray:
    """Length of each caption's idf-weighted vector for n = 1..4: (p, 4)."""
    num_captions = len(ngrams.offsets) - 1
    different, inverse = np.unique(groups * num_captions + captions, return_inverse=True)
    group, caption = np.divmod(different, max(num_captions, 1))
    place, entry = ngrams.entries_of(caption)
    idf = weights.look_up(group[place], ngrams.ngrams[entry])
    slot = place * MAX_ORDER + ngrams.order[ngrams.ngrams[entry]] - 1
    squares = _sums(slot, (ngrams.counts[entry] * idf) ** 2, len(different) * MAX_ORDER)
    norms: FloatArray = np.sqrt(squares).reshape(-1, MAX_ORDER)[inverse]
    return norms


def _sums(place: IntArray, values: FloatArray, length: int) -> FloatArray:
    """Sum of the values at each place; float64 even where there is none."""
    return np.bincount(place, values, length).astype(np.float64, copy=False)

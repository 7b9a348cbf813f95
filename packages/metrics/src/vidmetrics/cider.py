"""CIDEr-D (n = 1..4, sigma 6, clipped), for many groups of caption pairs at once.

A group is what shares one document frequency: the pairs of one video at one IoU threshold in the
published dense-captioning protocol, or a whole corpus. The score follows Vedantam et al. 2015 in
the form every caption scorer computes it: `length` in the Gaussian penalty counts bigrams.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidmetrics.errors import InputError
from vidmetrics.events import FloatArray, IntArray, is_list
from vidmetrics.ngrams import MAX_ORDER, NgramCounts, count_ngrams

SIGMA = 6.0


def cider_d(references: Sequence[Sequence[str]], predictions: Sequence[str]) -> FloatArray:
    """CIDEr-D of each prediction against its references; one corpus, one document frequency.

    Args:
        references: for each prediction one or more references, tokens joined by white space.
        predictions: tokens joined likewise.

    Returns:
        (n,) float64 in [0, 10]; the corpus score is their mean. A corpus of one item scores 0
        whatever it says, because log 1 = 0 weighs every n-gram with nothing.

    Raises:
        InputError: different lengths, an item without a list of references, or one that is no text
            (names the item).

    Example:
        >>> cider_d([["cut the onion"], ["boil some water"]], ["cut the onion", "boil water"])
        array([7.5       , 2.01308685])
    """
    if len(predictions) != len(references):
        raise InputError(
            f"{len(references)} lists of references but {len(predictions)} predictions"
        )
    for item, (captions, prediction) in enumerate(zip(references, predictions, strict=True)):
        if not is_list(captions) or not captions:
            raise InputError(f"item {item} needs a list of references, got {captions!r:.60}")
        for text in (*captions, prediction):
            if not isinstance(text, str):
                raise InputError(f"item {item}: a caption must be text, got {text!r:.60}")
    num_references = np.array([len(captions) for captions in references], dtype=np.int64)
    item_of_pair = np.repeat(np.arange(len(predictions), dtype=np.int64), num_references)
    ngrams = count_ngrams([*predictions, *(text for captions in references for text in captions)])
    scores = pair_scores(
        ngrams,
        references=np.arange(len(item_of_pair), dtype=np.int64) + len(predictions),
        predictions=item_of_pair,
        groups=np.zeros(len(item_of_pair), dtype=np.int64),
        documents=item_of_pair,
        num_documents=np.array([len(predictions)], dtype=np.int64),
    )
    return _sums(item_of_pair, scores, len(predictions)) / num_references


def pair_scores(
    ngrams: NgramCounts,
    *,
    references: IntArray,
    predictions: IntArray,
    groups: IntArray,
    documents: IntArray,
    num_documents: IntArray,
) -> FloatArray:
    """CIDEr-D of each (reference, prediction) pair, in [0, 10].

    Args:
        ngrams: counts of every caption the next two arguments speak of.
        references: (p,) caption number of each pair's reference.
        predictions: (p,) caption number of each pair's prediction.
        groups: (p,) group of each pair; it decides the document frequency.
        documents: (p,) document of each pair; an n-gram counts once a document. Pairs of one
            document must be of one group.
        num_documents: (groups,) documents of each group, those without a pair here included.
    """
    num_pairs = len(predictions)
    log_documents = np.log(np.maximum(num_documents, 1).astype(np.float64))
    weights = _NgramWeights(ngrams, references, groups, documents, log_documents)

    pair, entry = ngrams.entries_of(predictions)
    count = ngrams.counts[entry]
    other = _counts_in(ngrams, references[pair], ngrams.ngrams[entry])
    shared = other > 0.0
    pair, entry, count, other = pair[shared], entry[shared], count[shared], other[shared]
    idf = weights.look_up(groups[pair], ngrams.ngrams[entry])
    place = pair * MAX_ORDER + ngrams.order[ngrams.ngrams[entry]] - 1
    # Both vectors carry the idf and it is not negative, so clipping acts on the counts.
    clipped = np.minimum(count, other) * other * idf * idf
    dot = _sums(place, clipped, num_pairs * MAX_ORDER).reshape(num_pairs, MAX_ORDER)

    norm = _norms(ngrams, weights, predictions, groups)
    norm *= _norms(ngrams, weights, references, groups)
    similarity = np.divide(dot, norm, out=np.zeros_like(dot), where=norm > 0.0)
    # In bigrams, as the original: counted in words, only an empty caption would be further off.
    length = np.maximum(ngrams.num_words - 1, 0)
    difference = (length[predictions] - length[references]).astype(np.float64)
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

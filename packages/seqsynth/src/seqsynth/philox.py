"""Philox4x32-10, the counter-based random generator of Salmon et al. (SC 2011), in NumPy.

A counter-based generator has no state: draw number j of example i is a pure function of
(seed, i, j). That is what lets any example be rebuilt alone, on any worker, in any order, and what
lets `seqnative` give the same bits. NumPy's own `Philox` is the 4x64 variant and hides its counter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_KEY_STEP_0 = 0x9E3779B9
_KEY_STEP_1 = 0xBB67AE85
_WORD_BITS = np.uint64(32)
_LOW_WORD = np.uint64(0xFFFFFFFF)
_NUM_ROUNDS = 10


def philox4x32(counters: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Four random 32-bit words for every counter.

    Args:
        counters: (n, 4) uint64, each word below 2**32.
        key: two words below 2**32.

    Returns:
        (n, 4) uint64, each word below 2**32.

    Example:
        >>> words = philox4x32(np.zeros((1, 4), dtype=np.uint64), (0, 0))
        >>> [hex(word) for word in words[0]]
        ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    word_0, word_1, word_2, word_3 = (counters[:, column] for column in range(4))
    key_0, key_1 = key
    for _ in range(_NUM_ROUNDS):
        product_0 = word_0 * _MULTIPLIER_0
        product_1 = word_2 * _MULTIPLIER_1
        word_0 = (product_1 >> _WORD_BITS) ^ word_1 ^ np.uint64(key_0)
        word_1 = product_1 & _LOW_WORD
        word_2 = (product_0 >> _WORD_BITS) ^ word_3 ^ np.uint64(key_1)
        word_3 = product_0 & _LOW_WORD
        key_0 = (key_0 + _KEY_STEP_0) & 0xFFFFFFFF
        key_1 = (key_1 + _KEY_STEP_1) & 0xFFFFFFFF
    return np.stack([word_0, word_1, word_2, word_3], axis=1)


def random_words(seed: int, index: int, stream: int, count: int) -> NDArray[np.uint64]:
    """The first `count` 32-bit draws of one stream of one example.

    Args:
        seed: the key, in [0, 2**64).
        index: the example, in [0, 2**63); the low half of the counter.
        stream: separates draws for different purposes, in [0, 2**32).
        count: how many; the draws of a longer call begin with those of a shorter one.

    Returns:
        (count,) uint64, each below 2**32.
    """
    num_blocks = (count + 3) // 4
    counters = np.empty((num_blocks, 4), dtype=np.uint64)
    counters[:, 0] = index & 0xFFFFFFFF
    counters[:, 1] = index >> 32
    counters[:, 2] = np.arange(num_blocks, dtype=np.uint64)
    counters[:, 3] = stream
    return philox4x32(counters, (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1)[:count]


def scale_words(words: NDArray[np.uint64], limits: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers in [0, limit) from 32-bit words, by multiply and shift.

    Rejection would make the number of draws depend on their values; the bias of this is below
    limit / 2**32.

    Args:
        words: (n,) uint64, each below 2**32.
        limits: (n,) int64, each in [1, 2**32); 0 gives 0.

    Returns:
        (n,) int64.
    """
    return ((words * limits.astype(np.uint64)) >> _WORD_BITS).astype(np.int64)

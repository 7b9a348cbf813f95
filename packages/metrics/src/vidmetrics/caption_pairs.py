"""Which caption is compared with which, and METEOR of each such pair, once.

Captions are numbered: equal token strings share a number, so nothing is scored twice however often
a model repeats itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from vidmetrics.events import FloatArray, IntArray
from vidmetrics.meteor import Meteor, score_statistics


class CaptionTable:
    """Token strings of all captions under one number each.

    Captions are registered as raw text and tokenized a run at a time, because a tokenizer call
    costs more than a caption.
    """

    def __init__(self, *, ascii_only: bool) -> None:
        """`ascii_only` replaces every other character by a space before tokenizing."""
        self._ascii_only = ascii_only
        self._runs: list[dict[str, int]] = []
        self._token_numbers: IntArray | None = None
        self.tokens: list[str] = []

    def add_run(self, lists: Iterable[Iterable[str]]) -> list[IntArray]:
        """Register the captions of one side, a list for each video.

        Behind a last full stop the tokenizer looks at the next caption. The originals tokenize
        each side in a run of its own, so a caption's neighbour here is one of the same side.

        Returns:
            Raw numbers of each list, to be passed to `numbers_of` once all runs are added.
        """
        first = sum(map(len, self._runs))
        numbers: dict[str, int] = {}
        self._runs.append(numbers)
        return [
            np.array(
                [numbers.setdefault(text, first + len(numbers)) for text in captions],
                dtype=np.int64,
            )
            for captions in lists
        ]

    def tokenize(self) -> None:
        """Tokenize what was added; token string 0 is a word that no caption holds."""
        from vidmetrics.ptb import tokenize

        tokenized: list[str] = []
        for run in self._runs:
            tokenized += tokenize([_ascii(text) for text in run] if self._ascii_only else list(run))
        numbers: dict[str, int] = {_word_outside(tokenized): 0}
        self._token_numbers = np.array(
            [numbers.setdefault(tokens, len(numbers)) for tokens in tokenized], dtype=np.int64
        )
        self.tokens = list(numbers)

    def numbers_of(self, raw: IntArray) -> IntArray:
        """Numbers of the token strings (indices of `tokens`) of captions added before."""
        if self._token_numbers is None:
            raise RuntimeError("tokenize() first")
        return self._token_numbers[raw]


NOTHING = 0
"""Number of the word that no caption holds: what an unmatched prediction is compared with."""


@dataclass(frozen=True, eq=False, slots=True)
class MeteorTable:
    """METEOR of many pairs of token strings.

    Attributes:
        statistics: (u, 23) int64, one row a different pair.
        scores: (u,) float64 in [0, 1].
    """

    statistics: IntArray
    scores: FloatArray
    _keys: IntArray
    _width: int

    def rows_of(self, references: IntArray, predictions: IntArray) -> IntArray:
        """Row of each pair; it must have been among those the table was made from."""
        return np.searchsorted(self._keys, predictions * self._width + references).astype(np.int64)


def score_pairs(
    meteor: Meteor, tokens: list[str], references: IntArray, predictions: IntArray
) -> MeteorTable:
    """METEOR of each pair of numbers into `tokens`; repeats cost nothing.

    The names are METEOR's roles: a protocol may swap them, see `Protocol.soda_roles`.
    """
    # Sorted by prediction, because an aligner keeps what it knows of one for the next pair.
    keys = np.unique(predictions * len(tokens) + references)
    prediction, reference = np.divmod(keys, len(tokens))
    statistics = meteor.pair_statistics(
        [tokens[number] for number in reference.tolist()],
        [tokens[number] for number in prediction.tolist()],
    )
    return MeteorTable(statistics, score_statistics(statistics), keys, len(tokens))


def sums_by_group(values: IntArray, groups: IntArray, num_groups: int) -> IntArray:
    """Sum the rows of each group: (n, k) int64 and sorted (n,) groups -> (num_groups, k)."""
    sums = np.zeros((num_groups, values.shape[1]), dtype=np.int64)
    if len(groups):
        starts = np.flatnonzero(np.diff(groups, prepend=-1))
        sums[groups[starts]] = np.add.reduceat(values, starts, axis=0)
    return sums


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    return "".join(character if ord(character) < 128 else " " for character in text)


def _word_outside(captions: list[str]) -> str:
    """A word that no caption contains, so that it matches nothing."""
    word = "zqxjkvbzqxjkvbz"
    while any(word in caption for caption in captions):
        word += "q"
    return word

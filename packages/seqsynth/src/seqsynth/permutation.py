"""A seeded shuffle of any length that is computed per index: no list, no state.

Place k of a shuffled stream is one number computed from (seed, length, k) in microseconds, so any
worker, rank or node finds its own part without talking to the others, and a run that resumes at k
needs to know k only. The construction is a Feistel network over pairs (row, column) of a grid that
holds all indices: each round adds a keyed hash of one coordinate to the other, which can be undone,
so the whole is a permutation of the grid. A result beyond the last index is put through again until
it falls inside ("cycle walking"), which leaves a permutation of exactly `length` indices.
"""

import math
from dataclasses import dataclass, field

from seqsynth.philox import random_words

_NUM_ROUNDS = 8
_STREAM = 16  # apart from the streams of sampler.py
_MASK = 2**64 - 1
MAX_LENGTH = 2**62


@dataclass(frozen=True, slots=True)
class Permutation:
    """A permutation of 0 .. length - 1.

    Attributes:
        length: how many indices, 1 to 2**62.
        seed: in [0, 2**64); each seed gives another order.
        stream: separates the orders that one seed has to give, in [0, 2**63).

    Example:
        >>> order = Permutation(6, seed=1)
        >>> sorted(order[k] for k in range(6))
        [0, 1, 2, 3, 4, 5]
        >>> order.place_of(order[4])
        4
    """

    length: int
    seed: int
    stream: int = field(default=0, kw_only=True)
    _keys: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _grid: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the sizes and draw the round keys."""
        if not 1 <= self.length <= MAX_LENGTH:
            raise ValueError(f"length must be in [1, 2**62], got {self.length}")
        if not 0 <= self.seed < 2**64:
            raise ValueError(f"seed must be in [0, 2**64), got {self.seed}")
        if not 0 <= self.stream < 2**63:
            raise ValueError(f"stream must be in [0, 2**63), got {self.stream}")
        words = random_words(self.seed, self.stream, _STREAM, 2 * _NUM_ROUNDS).tolist()
        keys = tuple(low | high << 32 for low, high in zip(words[::2], words[1::2], strict=True))
        rows = math.isqrt(self.length - 1) + 1
        object.__setattr__(self, "_keys", keys)
        object.__setattr__(self, "_grid", (rows, -(-self.length // rows)))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: int) -> int:
        """The index that stands at a place.

        Raises:
            IndexError: not in 0 .. length - 1.
        """
        index = self._checked(place)
        while True:
            index = self._forth(index)
            if index < self.length:
                return index

    def place_of(self, index: int) -> int:
        """The place where an index stands: the inverse of `[]`.

        Raises:
            IndexError: not in 0 .. length - 1.
        """
        place = self._checked(index)
        while True:
            place = self._back(place)
            if place < self.length:
                return place

    def _checked(self, number: int) -> int:
        if not 0 <= number < self.length:
            raise IndexError(f"{number} is not in a permutation of 0 .. {self.length - 1}")
        return number

    def _forth(self, cell: int) -> int:
        num_rows, num_columns = self._grid
        row, column = divmod(cell, num_columns)
        for number, key in enumerate(self._keys):
            if number % 2:
                column = (column + _mixed(row ^ key)) % num_columns
            else:
                row = (row + _mixed(column ^ key)) % num_rows
        return row * num_columns + column

    def _back(self, cell: int) -> int:
        num_rows, num_columns = self._grid
        row, column = divmod(cell, num_columns)
        for number in reversed(range(_NUM_ROUNDS)):
            key = self._keys[number]
            if number % 2:
                column = (column - _mixed(row ^ key)) % num_columns
            else:
                row = (row - _mixed(column ^ key)) % num_rows
        return row * num_columns + column


def _mixed(value: int) -> int:
    """A 64-bit number in which every bit of the value counts (finalizer of SplitMix64)."""
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
    return value ^ value >> 31

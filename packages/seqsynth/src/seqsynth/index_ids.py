"""Tells ids that were seen before, of millions, in the memory of one number each."""

from __future__ import annotations

import hashlib
from array import array

_FIRST_SIZE = 1 << 12


class SeenIds:
    """A set of 64-bit digests with open addressing.

    A set of Python strings takes over 100 bytes an id; this takes 8 to 24. Of four million ids two
    share a digest with a probability of one in two million.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * _FIRST_SIZE))
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item_id: str) -> bool:
        """Adds an id; False where it was there already."""
        digest = hashlib.blake2b(item_id.encode(), digest_size=8).digest()
        number = int.from_bytes(digest, "little") or 1  # 0 marks a free slot
        if not _insert(self._slots, number):
            return False
        self._count += 1
        if self._count * 5 > len(self._slots) * 3:
            self._grow()
        return True

    def _grow(self) -> None:
        larger = array("Q", bytes(16 * len(self._slots)))
        for number in self._slots:
            if number:
                _insert(larger, number)
        self._slots = larger


def _insert(slots: array[int], number: int) -> bool:
    mask = len(slots) - 1
    place = number & mask
    while slots[place]:
        if slots[place] == number:
            return False
        place = (place + 1) & mask
    slots[place] = number
    return True

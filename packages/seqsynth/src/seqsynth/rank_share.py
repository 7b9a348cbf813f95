"""The part of a stream that one of several processes reads."""

from collections.abc import Collection, Iterator
from typing import Protocol

from seqsynth.records import Example


class ExampleStream(Protocol):
    """Examples with random access; `SequenceDataset` and `MixtureDataset` are such."""

    fingerprint: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Example: ...

    def replacement(self, index: int, attempt: int) -> Example:
        """What stands in for an example that cannot be shown; attempts count from 1."""

    def mended(self, index: int, bad_paths: Collection[str]) -> Example | None:
        """The example with other images for unreadable ones; None where that cannot be."""


class RankShare:
    """Every num_ranks-th example, from `start + rank` on: all shares together are the stream.

    Step k of all ranks, in the order of the ranks, is the stream itself, so the examples of a
    global batch do not depend on how many ranks share it. A run that has used the first k examples
    goes on with `start=k`, on any number of ranks.

    Args:
        stream: what is divided.
        rank: which share, from 0.
        num_ranks: how many shares.
        start: examples of the stream that are used already.

    Raises:
        ValueError: a rank or a start out of range.
    """

    def __init__(self, stream: ExampleStream, rank: int, num_ranks: int, *, start: int = 0) -> None:
        if not 0 <= rank < num_ranks:
            raise ValueError(f"rank must be in [0, {num_ranks}), got {rank}")
        if not 0 <= start <= len(stream):
            raise ValueError(f"start must be in [0, {len(stream)}], got {start}")
        self.stream = stream
        self._indices = range(start + rank, len(stream), num_ranks)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Example]:
        return (self.stream[index] for index in self._indices)

    def __getitem__(self, step: int) -> Example:
        """The example of one step.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        if not 0 <= step < len(self):
            raise IndexError(f"example {step} of {len(self)}")
        return self.stream[self._indices[step]]

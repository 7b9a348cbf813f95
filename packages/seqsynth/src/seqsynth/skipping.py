"""The one way past a file that cannot be shown: counted, replaced by a fixed rule, and bounded.

An example whose media cannot be read gives way to `stream.replacement(index, attempt)`, a pure
function too, so the run stays reproducible; the swap and its reason go to a log; and a run of
which too large a share had to be swapped stops, because it no longer trains on what its recipe
says. Nothing is ever replaced in silence.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqsynth.dataset import MAX_REPLACEMENTS
from seqsynth.frames import MediaError
from seqsynth.rank_share import ExampleStream
from seqsynth.records import Example, FrameRef

LOG_NAME = "skipped.jsonl"
DEFAULT_MAX_SHARE = 0.05

_GRACE = 20  # the share is that of at least so many examples: the first one may be a bad one
_MAX_REASONS = 5
_MAX_KIND_LENGTH = 80

Load = Callable[[Sequence[FrameRef]], NDArray[np.uint8]]


class TooManySkippedError(RuntimeError):
    """More examples had to be replaced than the run allows; the message is a summary."""


class SkipLog:
    """Counts what was read and what had to be replaced, and writes the latter down.

    Args:
        path: gets one JSON line for each file that failed: `index`, `id`, `attempt`, `replaced_by`,
            `reason`. Lines are appended whole, so several processes may share it. None: only
            counted.
        max_share: largest share of examples that may be replaced, in [0, 1].
    """

    def __init__(self, path: Path | None, *, max_share: float = DEFAULT_MAX_SHARE) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f"max_share must be in [0, 1], got {max_share}")
        self.path = path
        self.max_share = max_share
        self.num_read = 0
        self.num_replaced = 0
        self.reasons: Counter[str] = Counter()

    def add_read(self) -> None:
        """Counts one example that was read, replaced or not."""
        self.num_read += 1

    def add_skipped(
        self, index: int, example_id: str, attempt: int, replaced_by: str, reason: str
    ) -> None:
        """Counts and writes down one failure.

        Raises:
            TooManySkippedError: this one is more than `max_share` allows.
        """
        self.reasons[_kind_of(reason)] += 1
        if attempt == 0:
            self.num_replaced += 1
        if self.path is not None:
            record = {
                "index": index,
                "id": example_id,
                "attempt": attempt,
                "replaced_by": replaced_by,
                "reason": reason,
            }
            self.path.parent.mkdir(parents=True, exist_ok=True)
            line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
            try:
                os.write(descriptor, line.encode())  # in one piece: lines of others do not mix in
            finally:
                os.close(descriptor)
        if self.num_replaced > self.max_share * max(self.num_read + 1, _GRACE):
            raise TooManySkippedError(
                f"{self.summary()}; at most {self.max_share:.1%} are allowed, so the run stops"
            )

    def summary(self) -> str:
        """One line: how many of how many, and the most frequent reasons."""
        count = f"{self.num_replaced} of {self.num_read} examples replaced"
        if not self.reasons:
            return count
        most = self.reasons.most_common(_MAX_REASONS)
        where = f", see {self.path}" if self.path else ""
        return f"{count} ({'; '.join(f'{number} x {kind}' for kind, number in most)}{where})"


def read_frames(
    stream: ExampleStream,
    index: int,
    load: Load,
    log: SkipLog,
    *,
    example: Example | None = None,
) -> tuple[Example, NDArray[np.uint8]]:
    """An example and its pictures; where they cannot be read, what stands in for it.

    Args:
        stream: a dataset.
        index: the place in the stream.
        load: gets the frame plan and returns the pictures; raises `MediaError`.
        log: counts the example and its failures.
        example: `stream[index]`, where the caller has it already.

    Raises:
        TooManySkippedError: more failures than the log allows, or no replacement works out.
    """
    if example is None:
        example = stream[index]
    for attempt in range(MAX_REPLACEMENTS):
        try:
            frames = load(example.frames)
        except MediaError as error:
            stand_in = stream.replacement(index, attempt + 1)
            log.add_skipped(index, example.id, attempt, stand_in.id, str(error))
            example = stand_in
        else:
            log.add_read()
            return example, frames
    raise TooManySkippedError(
        f"example {index} and {MAX_REPLACEMENTS} replacements cannot be read; {log.summary()}"
    )


def _kind_of(reason: str) -> str:
    """A reason without the names and numbers that make every one different."""
    last = reason.rpartition(": ")[2][:_MAX_KIND_LENGTH]
    return re.sub(r"[0-9]+", "N", re.sub(r"\S*[/\\]\S*", "FILE", last))

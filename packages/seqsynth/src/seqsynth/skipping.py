"""The one way past a file that cannot be shown: counted, replaced by a fixed rule, and bounded.

Of a sequence of images the unreadable ones alone give way to others: `stream.mended(index, files)`
is a pure function of which files are bad, whenever that was found out. Any other example whose
media cannot be read gives way to `stream.replacement(index, attempt)`, a pure function too, so the
run stays reproducible; the swap and its reason go to a log; and a run of which too large a share
had to be swapped stops, because it no longer trains on what its recipe says. Nothing is ever
replaced in silence.
"""

import errno
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqsynth.dataset import MAX_REPLACEMENTS
from seqsynth.example_files import naming
from seqsynth.frames import MediaError
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.rank_share import ExampleStream
from seqsynth.records import Example, FrameRef

LOG_NAME = "skipped.jsonl"
DEFAULT_MAX_SHARE = 0.05

GRACE = 20
"""A share is that of at least so many examples: the first one may be a bad one."""

_LEAST_JUDGED = 1000  # of fewer, the first ones may by chance have more bad ones than the whole
_MAX_REASONS = 5
_MAX_KIND_LENGTH = 80

Load = Callable[[Sequence[FrameRef]], NDArray[np.uint8]]


class TooManySkippedError(RuntimeError):
    """More examples had to be replaced than the run allows; the message is a summary."""


def least_judged(num_planned: int) -> int:
    """The share of what had to be left out is that of at least so many: not of the first few.

    Args:
        num_planned: examples, or whatever is counted, of the whole work.
    """
    return max(min(num_planned, _LEAST_JUDGED), GRACE)


class SkipLog:
    """Counts what was read and what had to be replaced, and writes the latter down.

    Args:
        path: gets one JSON line for each file that failed: `index`, `id`, `attempt`, `replaced_by`,
            `reason`, and where single images were exchanged `exchanged`. Lines are appended whole,
            so several processes may share it. None: only counted.
        max_share: largest share of examples that may be replaced, in [0, 1]; one of which n of L
            images were exchanged counts as n / L.
        least_read: the share is that of at least so many examples; of a part of a larger work,
            those of the whole.

    Attributes:
        num_read: examples that were read, replaced or not.
        num_replaced: of them others stand in for; each counts once, also where its text was the
            first reason and the media of its stand-in the second.
        num_exchanged: images that were exchanged in the rest.
        exchanged_examples: the sum of the shares of their examples that they are.
        reasons: why, by kind.
    """

    def __init__(
        self,
        path: str | Path | None,
        *,
        max_share: float = DEFAULT_MAX_SHARE,
        least_read: int = GRACE,
    ) -> None:
        if not 0 <= max_share <= 1:
            raise ValueError(f"max_share must be in [0, 1], got {max_share}")
        self.path = None if path is None else Path(path)
        self.max_share = max_share
        self._least_read = max(least_read, GRACE)
        self.num_read = 0
        self.num_replaced = 0
        self.num_exchanged = 0
        self.exchanged_examples = 0.0
        self.reasons: Counter[str] = Counter()
        self._is_replaced = False  # the example that is being read

    def add_read(self) -> None:
        """Counts one example that was read, replaced or not."""
        self.num_read += 1
        self._is_replaced = False

    def add_skipped(
        self, index: int, example_id: str, *, attempt: int, replaced_by: str, reason: str
    ) -> None:
        """Counts and writes down one failure.

        Args:
            index: the place in the stream.
            example_id: what could not be shown there, "" where it has no name.
            attempt: 0 for the example itself, k for the k-th that stood in for it.
            replaced_by: id of what stands in for it now, "" for nothing.
            reason: why.

        Raises:
            TooManySkippedError: this one is more than `max_share` allows.
        """
        self.reasons[_kind_of(reason)] += 1
        if attempt == 0 and not self._is_replaced:
            self.num_replaced += 1
            self._is_replaced = True
        self._write(index, example_id, attempt, replaced_by, reason)
        self._check()

    def add_exchanged(
        self, index: int, before: Example, after: Example, reasons: Sequence[str]
    ) -> None:
        """Counts and writes down images that gave way to others; one reason for each.

        Raises:
            TooManySkippedError: this is more than `max_share` allows.
        """
        self.reasons.update(map(_kind_of, reasons))
        self.num_exchanged += len(reasons)
        self.exchanged_examples += len(reasons) / len(before.frames)
        pairs = zip(before.frames, after.frames, strict=True)
        exchanged = [
            [number, old.path, new.path]
            for number, (old, new) in enumerate(pairs, start=1)
            if old != new
        ]
        self._write(index, before.id, 0, after.id, "; ".join(reasons), exchanged=exchanged)
        self._check()

    def _write(
        self,
        index: int,
        example_id: str,
        attempt: int,
        replaced_by: str,
        reason: str,
        **more: object,
    ) -> None:
        if self.path is None:
            return
        record = {
            "index": index,
            "id": example_id,
            "attempt": attempt,
            "replaced_by": replaced_by,
            "reason": reason,
            **more,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"
        # Names of files need not be UTF-8; escaped like this they are JSON all the same.
        content = line.encode(errors="backslashreplace")
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            with naming(self.path):
                # In one piece: lines of others do not mix in. A full disk may take a part of it.
                if os.write(descriptor, content) < len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)

    def _check(self) -> None:
        num_read = self.num_read + 1  # with the one that is being read
        share_of = max(num_read, self._least_read)
        if self.num_replaced + self.exchanged_examples > self.max_share * share_of:
            raise TooManySkippedError(
                f"{self._summary(num_read)}; at most {self.max_share:.1%} are allowed, so the run "
                "stops"
            )

    def summary(self) -> str:
        """One line: how many of how many, and the most frequent reasons."""
        return self._summary(self.num_read)

    def _summary(self, num_read: int) -> str:
        count = f"{self.num_replaced} of {num_read} examples replaced"
        if self.num_exchanged:
            count += f" and {self.num_exchanged} images of others exchanged"
        if not self.reasons:
            return count
        most = self.reasons.most_common(_MAX_REASONS)
        where = f", see {self.path}" if self.path else ""
        return f"{count} ({'; '.join(f'{number} x {kind}' for kind, number in most)}{where})"


def read_frames(
    stream: ExampleStream,
    index: int,
    load: Load,
    *,
    log: SkipLog,
    example: Example | None = None,
) -> tuple[Example, NDArray[np.uint8]]:
    """An example and its pictures; where they cannot be read, what stands in for it.

    Args:
        stream: a dataset.
        index: the place in the stream.
        load: gets the frame plan and returns the pictures; raises `MediaError`. Of an image
            sequence that fails it is asked for each picture alone.
        log: counts the example and its failures.
        example: `stream[index]`, where the caller has it already.

    Raises:
        TooManySkippedError: more failures than the log allows, or no replacement works out.
    """
    if example is None:
        example = stream[index]
    original, attempt = example, 0
    while attempt < MAX_REPLACEMENTS:
        try:
            frames = load(example.frames)
        except MediaError as error:
            mended = _mended(stream, index, load, log, example) if example is original else None
            if mended is None:
                attempt += 1
                stand_in = stream.replacement(index, attempt)
                log.add_skipped(
                    index,
                    example.id,
                    attempt=attempt - 1,
                    replaced_by=stand_in.id,
                    reason=str(error),
                )
            example = mended or stand_in
        else:
            log.add_read()
            return example, frames
    raise TooManySkippedError(
        f"example {index} and {MAX_REPLACEMENTS} replacements cannot be read; {log.summary()}"
    )


def _mended(
    stream: ExampleStream, index: int, load: Load, log: SkipLog, example: Example
) -> Example | None:
    """The example with other images for those that cannot be read, None where none fit."""
    if example.task not in IMAGE_TASKS:
        return None
    reasons: dict[str, str] = {}
    looked_at: set[str] = set()
    mended: Example | None = example
    while mended is not None:
        new = [ref for ref in mended.frames if ref.path not in looked_at]
        bad = {ref.path: reason for ref in new if (reason := _fault(load, ref))}
        if not bad:
            break
        looked_at.update(ref.path for ref in new)
        reasons |= bad
        mended = stream.mended(index, reasons.keys())
    if mended is None or not reasons:
        return None
    log.add_exchanged(
        index, example, mended, [reasons[ref.path] for ref in example.frames if ref.path in reasons]
    )
    return mended


def _fault(load: Load, ref: FrameRef) -> str:
    """Why a picture cannot be read, "" where it can."""
    try:
        load([ref])
    except MediaError as error:
        return str(error)
    return ""


def _kind_of(reason: str) -> str:
    """A reason without the names and numbers that make every one different."""
    last = reason.rpartition(": ")[2][:_MAX_KIND_LENGTH]
    return re.sub(r"[0-9]+", "N", re.sub(r"\S*[/\\]\S*", "FILE", last))

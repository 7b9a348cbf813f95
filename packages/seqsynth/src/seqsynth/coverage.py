"""Counts what of a corpus is there: present, missing and unreadable, by part and by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from seqsynth.index_checks import Checks
from seqsynth.index_survey import Absent, Outcome, Present, Status

FORMAT_VERSION = 1

_MAX_EXAMPLES = 5


@dataclass(slots=True)
class Counts:
    """How many rows of a source, or of a part of it, are what.

    Attributes:
        present: can be used; of these so many images, clips and videos, and so long.
        missing: the file is not there.
        unreadable: the row, or its file, cannot be read.
    """

    present: int = 0
    missing: int = 0
    unreadable: int = 0
    images: int = 0
    clips: int = 0
    videos: int = 0
    duration_seconds: float = 0.0

    @property
    def listed(self) -> int:
        """All rows."""
        return self.present + self.missing + self.unreadable

    @property
    def share(self) -> float:
        """Present of listed rows, in [0, 1]; 0 of none."""
        return self.present / self.listed if self.listed else 0.0

    def add(self, outcome: Outcome) -> None:
        """Counts one row."""
        if isinstance(outcome, Absent):
            if outcome.status == "missing":
                self.missing += 1
            else:
                self.unreadable += 1
            return
        self.present += 1
        self.images += outcome.row.kind == "image"
        self.clips += outcome.row.kind == "clip"
        self.videos += outcome.row.kind == "video"
        self.duration_seconds += outcome.row.duration_seconds or 0.0

    def to_record(self) -> dict[str, Any]:
        """The counts with their sum."""
        return {"listed": self.listed, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Reason:
    """A kind of fault of some rows."""

    part: str
    status: Status
    reason: str


@dataclass(slots=True)
class CoverageReport:
    """What of one source is there.

    Attributes:
        source: name of the source.
        root: the folder that was looked through.
        annotations: the files that were read; empty: those with the usual names.
        checks: how closely files were looked at.
        parts: by part of the source.
        reasons: how many rows are absent for what reason.
        examples: the first few rows of each reason.
        flaws: what was left out of present rows or corrected in them, and how often.
    """

    source: str
    root: str
    annotations: tuple[str, ...]
    checks: Checks
    parts: dict[str, Counts] = field(default_factory=dict)
    reasons: Counter[Reason] = field(default_factory=Counter)
    examples: dict[Reason, list[Absent]] = field(default_factory=dict)
    flaws: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome) -> None:
        """Counts one row."""
        part = outcome.row.part if isinstance(outcome, Present) else outcome.part
        if part not in self.parts:
            self.parts[part] = Counts()
        self.parts[part].add(outcome)
        if isinstance(outcome, Present):
            if outcome.flaws:
                self.flaws.update(outcome.flaws)
            return
        reason = Reason(part, outcome.status, outcome.reason)
        self.reasons[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _MAX_EXAMPLES:
            examples.append(outcome)

    @property
    def totals(self) -> Counts:
        """Of all rows."""
        names = [one.name for one in fields(Counts)]
        parts = self.parts.values()
        return Counts(**{name: sum(getattr(part, name) for part in parts) for name in names})

    def to_record(self) -> dict[str, Any]:
        """Everything as JSON values, the most frequent reasons first."""
        return {
            "format_version": FORMAT_VERSION,
            "source": self.source,
            "root": self.root,
            "annotations": list(self.annotations),
            "checks": asdict(self.checks),
            "totals": self.totals.to_record(),
            "parts": {part: counts.to_record() for part, counts in sorted(self.parts.items())},
            "reasons": [
                {
                    **asdict(reason),
                    "count": count,
                    "examples": [_example(absent) for absent in self.examples[reason]],
                }
                for reason, count in self.reasons.most_common()
            ],
            "flaws": dict(self.flaws.most_common()),
        }


def _example(absent: Absent) -> Mapping[str, str]:
    names = ("origin", "id", "path", "detail")
    return {name: getattr(absent, name) for name in names if getattr(absent, name)}

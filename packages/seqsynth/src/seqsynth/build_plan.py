"""What a build writes: which part of a stream, in which form, and what came of each shard."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from seqsynth.frame_tar import JPEG_QUALITY
from seqsynth.frames.geometry import Fit, Geometry
from seqsynth.naming import known_name
from seqsynth.skipping import DEFAULT_MAX_SHARE

Container = Literal["tar", "parquet"]
CONTAINERS: tuple[Container, ...] = ("tar", "parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """How pictures are written.

    Attributes:
        size: edge of the square, pixels.
        geometry: see `load_frames`.
        quality: of the JPEGs, 1 to 95.
        container: what they are written to, see frame_tar.py and frame_parquet.py.
    """

    size: int
    geometry: Geometry = "stretch"
    quality: int = JPEG_QUALITY
    container: Container = "tar"

    def __post_init__(self) -> None:
        known_name("container", self.container, CONTAINERS)
        if not 1 <= self.quality <= 95:  # above 95 files grow and nothing is gained
            raise ValueError(f"quality must be in [1, 95], got {self.quality}")
        Fit(self.size, self.geometry)  # checks both


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What is built.

    Attributes:
        start: first example of the stream.
        count: how many.
        shard_size: examples of a shard, the unit of work that an interruption can cost.
        pictures: None: text and frame plans alone, and no file is opened.
        max_skipped: largest share of examples that others may stand in for, because their media
            cannot be read or their text cannot be written.
    """

    start: int = 0
    count: int
    shard_size: int = 1000
    pictures: PictureFormat | None = None
    max_skipped: float = DEFAULT_MAX_SHARE

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"start must not be negative, got {self.start}")
        for name in ("count", "shard_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.max_skipped <= 1:
            raise ValueError(f"max_skipped must be in [0, 1], got {self.max_skipped}")

    @property
    def shards(self) -> list[range]:
        """The examples of each shard."""
        stop = self.start + self.count
        return [
            range(first, min(first + self.shard_size, stop))
            for first in range(self.start, stop, self.shard_size)
        ]


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What one shard came to.

    Attributes:
        num_examples: written.
        num_replaced: of them stand in for others.
        num_exchanged: images that were exchanged for others in the rest.
        exchanged_examples: the sum of the shares of their examples that they are.
        reasons: why, by kind.
        cuts: what the text budget took and what could not be written, by rule and reason.
    """

    num_examples: int = 0
    num_replaced: int = 0
    num_exchanged: int = 0
    exchanged_examples: float = 0.0
    reasons: Mapping[str, int] = field(default_factory=dict)
    cuts: Mapping[str, int] = field(default_factory=dict)

    @property
    def losses(self) -> str:
        """One line: what had to be replaced and why."""
        reasons = "; ".join(f"{count} x {kind}" for kind, count in self.reasons.items())
        return (
            f"{self.num_replaced} of {self.num_examples} examples replaced, {self.num_exchanged} "
            f"images of others exchanged ({reasons})"
        )


def sum_of(reports: Iterable[ShardReport]) -> ShardReport:
    """The counts of several shards together."""
    reports = list(reports)
    reasons: Counter[str] = Counter()
    cuts: Counter[str] = Counter()
    for report in reports:
        reasons.update(report.reasons)
        cuts.update(report.cuts)
    return ShardReport(
        num_examples=sum(report.num_examples for report in reports),
        num_replaced=sum(report.num_replaced for report in reports),
        num_exchanged=sum(report.num_exchanged for report in reports),
        # Exact, so that the order in which shards came does not show.
        exchanged_examples=math.fsum(report.exchanged_examples for report in reports),
        reasons=dict(sorted(reasons.items())),
        cuts=dict(sorted(cuts.items())),
    )

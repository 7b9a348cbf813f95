"""How closely the files of a corpus are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from seqsynth.naming import known_name

ProbeDepth = Literal["none", "header", "pts"]
PROBE_DEPTHS: tuple[ProbeDepth, ...] = ("none", "header", "pts")

Engine = Literal["local", "ray"]
ENGINES: tuple[Engine, ...] = ("local", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """How closely files are looked at.

    Attributes:
        probe: of clips and videos read nothing, the header, or all packets.
        decode_images: decode every picture.
        num_workers: files that are looked at at the same time.
        engine: "local": in threads of this process; "ray": in processes of a Ray cluster, all of
            which see the root at the same path. The outcomes are the same.
    """

    probe: ProbeDepth = "header"
    decode_images: bool = False
    num_workers: int = 1
    engine: Engine = "local"

    def __post_init__(self) -> None:
        known_name("probe", self.probe, PROBE_DEPTHS)
        known_name("engine", self.engine, ENGINES)
        if self.num_workers < 1:
            raise ValueError(f"num_workers must be at least 1, got {self.num_workers}")

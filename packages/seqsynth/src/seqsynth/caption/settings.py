"""Everything that decides what a caption says, apart from the clip."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from seqsynth.caption.prompts import CaptionPrompt
from seqsynth.frames import Geometry

_MAX_SEED = 2**31  # what every backend takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """How a model writes.

    Attributes:
        max_new_tokens: where it is cut off.
        temperature: 0: the most likely token each time; else it is drawn.
        top_p: share of the probability that is drawn from.
        seed: with the id of a clip, decides what is drawn for it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, got {self.max_new_tokens}")
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(f"temperature must be 0 or more, got {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must be in (0, 1], got {self.top_p}")
        if not 0 <= self.seed < _MAX_SEED:
            raise ValueError(f"seed must be in [0, {_MAX_SEED}), got {self.seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionSettings:
    """What is asked, of whom, about how many frames.

    Attributes:
        backend: who answers, a key of `BACKENDS`.
        model: its name or folder, as the backend knows it.
        revision: of the model; "": the one that the backend finds, where it can tell.
        prompt: what is asked.
        num_frames: frames that are shown of a clip, spread evenly; of a shorter one, all.
        frame_size: edge of the square, pixels.
        geometry: see `load_frames`.
        generation: how the model writes.
    """

    backend: str
    model: str
    revision: str = ""
    prompt: CaptionPrompt
    num_frames: int = 16
    frame_size: int = 384
    geometry: Geometry = "pad"
    generation: Generation = field(default_factory=Generation)

    def __post_init__(self) -> None:
        for name in ("num_frames", "frame_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def to_record(self) -> dict[str, Any]:
        """Everything as JSON values; captions of equal records belong together."""
        record = asdict(self)
        del record["revision"]  # stands in every row, as the backend found it
        return record

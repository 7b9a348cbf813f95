"""Pictures read when they are asked for: corpora too large to keep features of, and single videos.

The eye runs in the process that makes the batch, so workers share its work.

Shape suffixes: F frames, C features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from seqsynth import FrameRef, load_frames
from vidllm.adapters.base import Eye
from vidllm.batching import Collator
from vidllm.config import ModelConfig
from vidllm.features import FeatureStore
from vidllm.mixture_data import Drawn, Pictures

CHUNK = 64  # frames that are decoded before the eye looks at them


def eye_features(eye: Eye, pictures: Pictures) -> Tensor:
    """(F, C): what the eye gives of frames in each picture size, side by side."""
    return torch.cat([eye.features(torch.from_numpy(shown)) for shown in pictures], dim=1)


def read_features(
    config: ModelConfig,
    eye: Eye,
    frames: Sequence[FrameRef],
    progress: Callable[[int, int], None] | None = None,
) -> FeatureStore:
    """Features of frames that no cache has: decoded and looked at once, kept in memory.

    Raises:
        MediaError: a file cannot be read (names it).
    """
    kept = sorted(set(frames), key=lambda frame: (frame.path, frame.frame_index))
    parts = []
    for start in range(0, len(kept), CHUNK):
        chunk = kept[start : start + CHUNK]
        parts.append(eye_features(eye, tuple(load_frames(chunk, s) for s in config.image_sizes)))
        if progress is not None:
            progress(start + len(chunk), len(kept))
    row_of = {(frame.path, frame.frame_index): row for row, frame in enumerate(kept)}
    return FeatureStore(torch.cat(parts), row_of)


@dataclass(frozen=True, slots=True)
class RunCollator:
    """Makes the batches of a run: those of the model's collator, with the source of each example.

    Attributes:
        collator: the model's.
        sources: the names that a batch's numbers stand for.
        eye: looks at pictures that came with the examples; None where features are kept.
    """

    collator: Any
    sources: tuple[str, ...]
    eye: Eye | None = None

    def __call__(self, examples: Sequence[Drawn]) -> dict[str, Tensor]:
        """A batch; `sources` (B,) are numbers of `sources`."""
        collator = self.collator
        if self.eye is not None and isinstance(collator, Collator):
            collator = replace(collator, features=_features_of(self.eye, examples), offsets=None)
        batch: dict[str, Tensor] = collator(examples)
        batch["sources"] = torch.tensor([self.sources.index(e.source) for e in examples])
        return batch


def _features_of(eye: Eye, examples: Sequence[Drawn]) -> FeatureStore:
    """A store of what the examples show."""
    rows, row_of = [], {}
    for example in examples:
        features_FC = eye_features(eye, example.pictures)
        for frame, row_C in zip(example.frames, features_FC, strict=True):
            row_of[frame.path, frame.frame_index] = len(rows)
            rows.append(row_C)
    return FeatureStore(torch.stack(rows), row_of)

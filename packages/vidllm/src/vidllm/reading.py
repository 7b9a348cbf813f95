"""Frames read when they are asked for: corpora too large to keep features of, and single videos.

It runs in the processes that make batches, so workers share the work.

Shape suffixes: N frames, C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seqsynth import MediaError, load_frames
from vidllm.adapters import InPassAdapter, PooledAdapter
from vidllm.adapters.base import Adapter, Eye, FrameSource, Shown
from vidllm.config import ModelConfig
from vidllm.data import TrainingData
from vidllm.mixture_data import Drawn

CHUNK = 64  # frames that are decoded before the eye looks at them


@dataclass(frozen=True, slots=True)
class ReadFeatures:
    """A frame source that decodes frames and looks at them each time.

    Attributes:
        eye: of the base.
        image_sizes: pixels a side; features of several sizes stand side by side.
        width: features a frame.
    """

    eye: Eye
    image_sizes: tuple[int, ...]
    width: int

    def inputs(self, shown: Sequence[Shown]) -> dict[str, Tensor]:
        """What `VideoLLM` takes of these sequences' frames: their features, (N, C).

        Raises:
            MediaError: a file cannot be read (names it).
        """
        frames = [frame for one in shown for frame in one.frames]
        kept = sorted(set(frames), key=lambda frame: (frame.path, frame.frame_index))
        parts = []
        for start in range(0, len(kept), CHUNK):
            chunk = kept[start : start + CHUNK]
            seen = [
                self.eye.features(torch.from_numpy(load_frames(chunk, size)))
                for size in self.image_sizes
            ]
            parts.append(torch.cat(seen, dim=1))
        if not parts:
            return {"features": torch.zeros(0, self.width)}
        features_NC = torch.cat(parts)
        row_of = {frame: row for row, frame in enumerate(kept)}
        rows_N = torch.tensor([row_of[frame] for frame in frames], dtype=torch.long)
        return {"features": features_NC[rows_N]}


def reader(adapter: Adapter, config: ModelConfig, cache_dir: Path | None) -> FrameSource:
    """What makes tensors of frames that no cache has.

    Raises:
        FileNotFoundError: the eye's weights have not been fetched; the message says how.
    """
    if isinstance(adapter, InPassAdapter):
        return adapter.open_frames(config, cache_dir)
    assert isinstance(adapter, PooledAdapter)
    width = adapter.describe(config).feature_width * len(config.image_sizes)
    return ReadFeatures(adapter.load_eye(config, cache_dir), config.image_sizes, width)


@dataclass(frozen=True, slots=True)
class RunCollator:
    """Makes the batches of a run: those of the model's collator, with the source of each example.

    Attributes:
        collator: the model's.
        data: knows what stands in for an example whose files cannot be read.
        frames: what the collator takes frames from.
    """

    collator: Any
    data: TrainingData
    frames: FrameSource

    @property
    def sources(self) -> tuple[str, ...]:
        """The names that a batch's numbers stand for."""
        return self.data.sources

    def __call__(self, examples: Sequence[Drawn]) -> dict[str, Tensor]:
        """A batch; `sources` (B,) are numbers of `sources`.

        Raises:
            TooManySkippedError: too many files of a mixture cannot be read.
        """
        try:
            batch: dict[str, Tensor] = self.collator(examples)
        except MediaError:
            examples = [self.data.readable(example, self.frames) for example in examples]
            batch = self.collator(examples)
        batch["sources"] = torch.tensor([self.sources.index(e.source) for e in examples])
        return batch

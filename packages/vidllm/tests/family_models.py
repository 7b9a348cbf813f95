"""Tiny random models of the real classes of today's VLMs, opened as a run opens them."""

import pytest
import torch

from seqsynth import Corpus
from vidllm.adapters.vlm import FramePixels
from vidllm.assembly import Assembly, assemble, load_features
from vidllm.batching import Collator
from vidllm.config import TrainConfig
from vidllm.families import FAMILIES
from vidllm.prompting import Encoded

QWEN = ("qwen3_vl", "qwen2_5_vl")

every_family = pytest.mark.parametrize("family", FAMILIES)


def opened(config: TrainConfig, corpus: Corpus) -> tuple[Assembly, FramePixels]:
    source = load_features(config, corpus, [])
    assert isinstance(source, FramePixels)
    return assemble(config, source.width), source


def batch_of(source: FramePixels, *examples: Encoded) -> dict[str, torch.Tensor]:
    batch = Collator(source, 0)(examples)
    return {name: batch[name] for name in batch if name not in ("tasks", "num_tokens")}


def shake(parts: Assembly) -> None:
    """Moves all that learns, as training would."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in parts.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))

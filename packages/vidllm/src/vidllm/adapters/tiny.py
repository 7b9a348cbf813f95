"""`tiny`: EfficientNet-Lite0 and SmolLM2-135M-Instruct, small enough to train on two CPU cores.

Both come from the embedded default of seqsynth (`seqsynth fetch default`). The language model is
what its 4-bit file holds, dequantised to float32: report it so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidllm.adapters.base import Description, Language, count_llm_parameters, truncate_layers
from vidllm.config import ModelConfig
from vidllm.model.efficientnet_lite import (
    FEATURE_WIDTH,
    NUM_CLASSES,
    EfficientNetLite,
    fold_norms,
    load_efficientnet_lite,
)

EYE_NAME = "efficientnet_lite0"
EYE_BATCH = 8  # what fits the caches of a core
# The configuration inside the released GGUF file, so that sizes are known before the download.
SMOLLM2_135M: dict[str, Any] = {
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class EfficientNetEye:
    """The network as an `Eye`."""

    network: EfficientNetLite
    with_logits: bool

    @torch.inference_mode()
    def features(self, frames_FHWC: Tensor) -> Tensor:
        """(F, H, W, 3) uint8 -> (F, width) float32."""
        parts = []
        for chunk_FHWC in torch.split(frames_FHWC, EYE_BATCH):
            pooled_FC = self.network(chunk_FHWC)
            if self.with_logits:
                pooled_FC = torch.cat([pooled_FC, self.network.classifier(pooled_FC)], dim=1)
            parts.append(pooled_FC)
        return torch.cat(parts)


class TinyAdapter:
    """See the module."""

    def describe(self, config: ModelConfig) -> Description:
        """Sizes, from the architecture alone."""
        from transformers import LlamaConfig

        self._check(config)
        llm, lora = count_llm_parameters(LlamaConfig(**SMOLLM2_135M), config)
        with torch.device("meta"):
            eye = EfficientNetLite(EYE_NAME)
        with_logits = config.eye_features == "pooled_logits"
        return Description(
            eye_parameters=sum(p.numel() for p in eye.parameters()),
            llm_parameters=llm,
            lora_parameters=lora,
            hidden_size=SMOLLM2_135M["hidden_size"],
            feature_width=FEATURE_WIDTH + NUM_CLASSES * with_logits,
            feature_key=f"{EYE_NAME}-imagenet" + ("-logits" if with_logits else ""),
            provenance={
                "eye": "EfficientNet-Lite0, ImageNet-1k weights (Apache-2.0), frozen",
                "llm": "SmolLM2-135M-Instruct dequantised from Q4_1 (Apache-2.0)",
            },
        )

    def load_eye(self, config: ModelConfig, cache_dir: Path | None) -> EfficientNetEye:
        """The eye with the released weights."""
        from seqsynth import default_models

        self._check(config)
        network = fold_norms(load_efficientnet_lite(default_models(cache_dir).eye_path, EYE_NAME))
        return EfficientNetEye(network, config.eye_features == "pooled_logits")

    def load_language(self, config: ModelConfig, cache_dir: Path | None) -> Language:
        """The language model from its GGUF file or the copy beside it."""
        from seqsynth import default_models
        from vidllm.model.gguf_cache import load_gguf_llm

        llm, tokenizer = load_gguf_llm(default_models(cache_dir).llm_path)
        truncate_layers(llm, config.num_layers)
        return Language(llm, tokenizer)

    def _check(self, config: ModelConfig) -> None:
        if config.eye != EYE_NAME:
            raise ValueError(f"model.eye is {config.eye!r}: the tiny adapter has {EYE_NAME} only")

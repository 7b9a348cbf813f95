"""What a base model has to bring: a frozen eye, a language model, a tokenizer.

An adapter is one module with one object in `ADAPTERS`; it knows where the weights of its base lie
and nothing about training. Bases whose vision runs inside the forward pass (TimeChat's Q-Formers,
today's VLMs) will bring an eye that returns frames unpooled and a model of their own beside
`VideoLLM`; prompting, data, trainer, checkpoints and prediction are the same for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from vidllm.config import ModelConfig


class Eye(Protocol):
    """A frozen image network."""

    def features(self, frames_FHWC: Tensor) -> Tensor:
        """(F, H, W, 3) uint8 RGB -> (F, width) float32."""


@dataclass(frozen=True)
class Language:
    """A language model with its tokenizer, before time tokens and LoRA are added.

    Its attention has to take masks of booleans: "sdpa", the library's default, does; "eager" adds
    them as numbers without a word.
    """

    llm: nn.Module
    tokenizer: PreTrainedTokenizerBase


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known about a base before anything is loaded.

    Attributes:
        eye_parameters: of the frozen eye.
        llm_parameters: of the language model as it will be used (see model.num_layers).
        lora_parameters: what LoRA will add.
        hidden_size: width of the language model's embeddings.
        feature_width: features that the eye gives of a frame in one size.
        feature_key: names the eye and its kind of features in the feature cache.
        provenance: what the parts are and under which licence, for the manifest.
    """

    eye_parameters: int
    llm_parameters: int
    lora_parameters: int
    hidden_size: int
    feature_width: int
    feature_key: str
    provenance: Mapping[str, str] = field(default_factory=dict)


class Adapter(Protocol):
    """One base model."""

    def describe(self, config: ModelConfig) -> Description:
        """Sizes from the configuration alone; loads no weights.

        Raises:
            ValueError: a setting that this base does not have.
        """

    def load_eye(self, config: ModelConfig, cache_dir: Path | None) -> Eye:
        """The eye.

        Raises:
            FileNotFoundError: its weights have not been fetched; the message says how.
        """

    def load_language(self, config: ModelConfig, cache_dir: Path | None) -> Language:
        """The language model, cut to model.num_layers, and its tokenizer."""


def count_llm_parameters(llm_config: Any, config: ModelConfig) -> tuple[int, int]:
    """Parameters of a LLaMA-shaped model and of the LoRA factors on it, without allocating them.

    Args:
        llm_config: a transformers configuration.
        config: says which layers are kept and where LoRA goes.

    Raises:
        ValueError: a LoRA target that no layer has.
    """
    import torch
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM
    with torch.device("meta"):
        model = build.from_config(llm_config)
    truncate_layers(model, config.num_layers)
    lora = 0
    for target in config.lora_targets:
        hits = [m for name, m in model.named_modules() if name.rpartition(".")[2] == target]
        if not hits:
            linears = {n.rpartition(".")[2] for n, m in model.named_modules() if _is_linear(m)}
            raise ValueError(
                f"model.lora_targets names {target!r}: choose from {', '.join(sorted(linears))}"
            )
        lora += sum(config.lora_rank * sum(module.weight.shape) for module in hits)
    return sum(p.numel() for p in model.parameters()), lora


def truncate_layers(llm: Any, num_layers: int) -> None:
    """Keeps the first `num_layers` layers of a decoder in place; 0 keeps all.

    Raises:
        ValueError: more layers asked for than there are.
    """
    if num_layers == 0:
        return
    decoder = llm.get_decoder()
    if num_layers > len(decoder.layers):
        raise ValueError(
            f"model.num_layers is {num_layers}, but the base has {len(decoder.layers)} layers"
        )
    decoder.layers = decoder.layers[:num_layers]
    llm.config.num_hidden_layers = num_layers
    if getattr(llm.config, "layer_types", None):
        llm.config.layer_types = llm.config.layer_types[:num_layers]


def _is_linear(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear)

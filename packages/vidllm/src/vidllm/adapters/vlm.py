"""`vlm`: any base of `vidllm.families`, by its folder or its name on the hub (model.base).

Frames are prepared by the base's own image processor, in its Pillow form, which needs nothing but
Pillow and gives the same pixels on every machine; the tests compare token counts and wrapping with
what the processors of transformers write.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from seqsynth import load_frames
from vidllm.adapters.base import Base, Description, FrameSource, Shown, count_lora_parameters
from vidllm.config import ModelConfig
from vidllm.families import FAMILIES, Family
from vidllm.families.known_bases import known_config
from vidllm.model.token_rows import is_tied
from vidllm.model.vision_llm import VisionLLM
from vidllm.prompt_script import VISUAL_TOKEN, Script
from vidllm.prompting import grouped

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FramePixels:
    """Frames as a VLM takes them, decoded and normalised when they are asked for.

    Attributes:
        processor: the base's image processor.
        base_config: the base's configuration.
        family: its architecture.
        config: size and route.
    """

    processor: Any
    base_config: Any
    family: Family
    config: ModelConfig

    @property
    def width(self) -> int:
        """The model looks at pixels itself."""
        return 0

    def inputs(self, shown: Sequence[Shown]) -> dict[str, Tensor]:
        """What `VisionLLM.forward` takes of these sequences' frames; {} where there are none.

        Raises:
            MediaError: a file cannot be read.
        """
        from PIL import Image

        frames = [frame for one in shown for frame in one.frames]
        if not frames:
            return {}
        groups: list[tuple[int, ...]] = []
        offset = 0
        for one in shown:  # frames of two sequences share nothing
            places = grouped(one.frames, self.family.pictured(self.config))
            groups += [tuple(offset + place for place in group) for group in places]
            offset += len(one.frames)
        frames_FHWC = load_frames(frames, self.config.image_sizes[0])
        pictures = [Image.fromarray(frame_HWC) for frame_HWC in frames_FHWC]
        return self.family.inputs(self.processor, pictures, groups, self.base_config, self.config)


class VlmAdapter:
    """See the module."""

    def describe(self, config: ModelConfig) -> Description:
        """Sizes from the base's configuration alone."""
        return _described(config, known_config(config.base) or _config_of(config))

    def open_frames(self, config: ModelConfig, cache_dir: Path | None) -> FrameSource:
        """The base's own image processor; loads no weights."""
        from transformers import AutoImageProcessor

        base_config = _config_of(config)
        family = family_of(base_config, config)
        load: Any = AutoImageProcessor
        processor = _found(config, lambda: load.from_pretrained(config.base, backend="pil"))
        return FramePixels(processor, base_config, family, config)

    def load_base(self, config: ModelConfig, cache_dir: Path | None) -> Base:
        """The model with its weights, and its tokenizer."""
        from transformers import AutoTokenizer

        if config.num_layers:
            raise ValueError("model.num_layers cannot be set for a vlm: it keeps all its layers")
        auto: Any = AutoTokenizer
        tokenizer = _found(config, lambda: auto.from_pretrained(config.base))
        model = _found(
            config,
            lambda: _auto_model().from_pretrained(
                config.base,
                dtype=getattr(torch, config.weights),
                # Questions that stand apart need masks of booleans, which "eager" adds as numbers.
                attn_implementation="sdpa",
            ),
        )
        family = family_of(model.config, config)
        return Base(
            llm=model,
            tokenizer=tokenizer,
            script=script_of(family, tokenizer, model.config, config),
            model_of=lambda llm: VisionLLM(llm, family),
            lora_scope=family.decoder,
            learned_modules=_learned_modules(model, family) if config.connector_learns else (),
        )


def _described(config: ModelConfig, base_config: Any) -> Description:
    """Counts the parameters of a model that takes no memory."""
    family = family_of(base_config, config)
    with torch.device("meta"):
        model = _auto_model().from_config(base_config)
    decoder = model.get_submodule(family.decoder)
    connectors = [model.get_submodule(name) for name in family.connectors]
    connector = sum(_count(module) for module in connectors)
    llm = _count(decoder)
    if not is_tied(model):
        llm += _count(model.get_output_embeddings())
    num_tokens = family.num_tokens(base_config, config)
    around = sum(len(tokens) for tokens in family.around)
    return Description(
        eye_parameters=sum(p.numel() for p in model.parameters()) - llm - connector,
        llm_parameters=llm + (0 if config.connector_learns else connector),
        lora_parameters=count_lora_parameters(decoder, config),
        hidden_size=int(model.config.get_text_config().hidden_size),
        connector_parameters=connector if config.connector_learns else 0,
        visual_tokens_per_frame=(num_tokens + around) / family.pictured(config),
        token_matrices=1 if is_tied(model) else 2,
        frozen_bytes=getattr(torch, config.weights).itemsize,
        provenance={
            "eye": f"vision tower of {config.base}, frozen",
            "llm": f"{config.base} ({family.model_type})",
        },
    )


def family_of(base_config: Any, config: ModelConfig) -> Family:
    """The family of a base.

    Raises:
        ValueError: none of ours, or settings that it does not have.
    """
    if base_config.model_type not in FAMILIES:
        raise ValueError(
            f"model.base {config.base!r} is a {base_config.model_type!r}: "
            f"the vlm adapter has {', '.join(FAMILIES)}; another family is one record in "
            "vidllm.families.FAMILIES, or take the data to your own loop (examples/own_model.py)"
        )
    family = FAMILIES[base_config.model_type]
    family.check(config)
    return family


def script_of(family: Family, tokenizer: Any, base_config: Any, config: ModelConfig) -> Script:
    """How the base writes pictures and turns.

    Raises:
        ValueError: the tokenizer lacks a token that stands around pictures.
    """
    before, after = (
        tuple(_token_id(tokenizer, token, config) for token in tokens) for tokens in family.around
    )
    places = (VISUAL_TOKEN,) * family.num_tokens(base_config, config)
    return Script(
        picture=(*before, *places, *after),
        frames_per_picture=family.pictured(config),
        chat=family.chat,
    )


def _learned_modules(model: Any, family: Family) -> tuple[str, ...]:
    """The connectors by name, those in lists one by one: PEFT takes no list as a whole."""
    names: list[str] = []
    for name in family.connectors:
        module = model.get_submodule(name)
        is_list = isinstance(module, nn.ModuleList)
        names += [f"{name}.{number}" for number in range(len(module))] if is_list else [name]
    return tuple(names)


def _token_id(tokenizer: Any, token: str, config: ModelConfig) -> int:
    vocabulary = tokenizer.get_vocab()
    if token not in vocabulary:
        raise ValueError(
            f"the tokenizer of model.base {config.base!r} has no token {token!r}: "
            "is it the tokenizer that the base was released with?"
        )
    return int(vocabulary[token])


def _config_of(config: ModelConfig) -> Any:
    """The base's configuration."""
    from transformers import AutoConfig

    if not config.base:
        raise ValueError(
            "model.base is empty: name a folder or a model of the hub, "
            "such as Qwen/Qwen3-VL-2B-Instruct"
        )
    load: Any = AutoConfig
    return _found(config, lambda: load.from_pretrained(config.base))


def _found(config: ModelConfig, load: Callable[[], T]) -> T:
    """What `load` returns.

    Raises:
        FileNotFoundError: the base is not there and cannot be fetched.
    """
    try:
        return load()
    except OSError as error:
        reason = str(error).strip().partition("\n")[0]
        raise FileNotFoundError(
            f"model.base {config.base!r} is neither a folder with a model here "
            f"nor can it be fetched: {reason}"
        ) from None


def _auto_model() -> Any:
    from transformers import AutoModelForImageTextToText

    return AutoModelForImageTextToText


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())

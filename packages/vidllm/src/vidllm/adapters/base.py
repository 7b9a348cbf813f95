"""The seam between base models and everything else: what a base has to bring.

An adapter is one module with one object in `ADAPTERS`; it knows where the weights of its base lie
and nothing about training. There are two kinds:

- `PooledAdapter`: a frozen eye whose features of a frame are computed once and kept, and a language
  model. `vidllm.assembly` puts a projector between them (`tiny`).
- `InPassAdapter`: vision runs inside the forward pass. The adapter brings a `FrameSource`, which
  makes tensors of frames, and a `Base`, which makes a `SequenceModel` (TimeChat's Q-Formers,
  today's VLMs).

Data, prompts, trainer, checkpoints and prediction know `FrameSource`, `SequenceModel` and the
`Script` of `vidllm.prompt_script`, and are the same for all. What flows, for a batch:

    Example -> Prompter(script) -> Encoded: ids with VISUAL_TOKEN for each visual token; frames
    [Encoded] -> Collator: padded ids, labels, positions; and **frame_source.inputs([Encoded])
    batch -> SequenceModel.forward -> loss

and for prediction: prefixes of one length -> `begin` (the frames are encoded once) -> `go_on`, a
few tokens of every question at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from seqsynth import FrameRef
from vidllm.config import ModelConfig
from vidllm.prompt_script import Script


class Shown(Protocol):
    """A sequence as a model sees it: an `Encoded`, a `Prefix`."""

    @property
    def frames(self) -> tuple[FrameRef, ...]:
        """In the order of their visual tokens."""

    @property
    def codes(self) -> tuple[str, ...]:
        """The text of each frame's place, "" where it has none."""


class FrameSource(Protocol):
    """Makes tensors of frames."""

    @property
    def width(self) -> int:
        """Features a frame; 0 where the model looks at pixels itself."""

    def inputs(self, shown: Sequence[Shown]) -> dict[str, Tensor]:
        """What the model takes of these sequences' frames, by the names of its `forward`.

        It runs in the processes that prepare batches, so it must not touch the model.

        Raises:
            MediaError: a file cannot be read.
        """


class SequenceModel(Protocol):
    """A model that can be trained and asked.

    Attributes:
        llm: a `peft.PeftModel`; a checkpoint keeps its adapter, time tokens included.
        parts: modules that a checkpoint keeps whole beside it, NAME.safetensors each.
        device: where inputs go.
        accepts_loss_kwargs: True: the trainer passes the labels of the whole global batch.
    """

    accepts_loss_kwargs: bool
    llm: Any

    @property
    def parts(self) -> Mapping[str, nn.Module]: ...  # noqa: D102

    @property
    def device(self) -> torch.device: ...  # noqa: D102

    def eval(self) -> Any: ...  # noqa: D102

    def to(self, device: Any) -> Any: ...  # noqa: D102

    def __call__(self, **batch: Any) -> dict[str, Tensor]:
        """The training loss, as `vidllm.model.labelled_loss` gives it.

        It takes input_ids and labels (B, T), position_ids and attention_mask where turns stand
        apart, num_items_in_batch, and what the frame source gives. Padding is on the right.
        """

    def begin(self, input_ids_ST: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Any, Tensor]:
        """Keys and values of whole sequences, and the position (S,) of what follows each.

        Args:
            input_ids_ST: prompts of one length, VISUAL_TOKEN where a visual token goes.
            inputs: what the frame source gives for them.

        Returns:
            A transformers cache (its rows are selected and repeated), positions (S,).
        """

    def go_on(
        self, input_ids_RT: Tensor, *, mask_RT: Tensor, positions_RT: Tensor, cache: Any
    ) -> Tensor:
        """Scores (R, K) of what follows text after the sequences; the cache grows by the text.

        Args:
            input_ids_RT: text only, filled up on the left.
            mask_RT: 1 for what is seen, the cached tokens included.
            positions_RT: of the new tokens, counted on from what `begin` returned.
            cache: one row for each row of text.
        """

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What learns, by the learning rate it has: projector, lora, tokens."""


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
class Base:
    """A base model whose vision runs in the forward pass, before time tokens and LoRA are added.

    Attributes:
        llm: a transformers model that has input and output embeddings: time tokens are added to it
            (`timetokens.add_to`) and LoRA goes on it.
        tokenizer: of the prompts.
        script: how the base writes frames and turns.
        model_of: the `peft.PeftModel` around `llm` to the whole.
        lora_scope: dotted name, inside `llm`, of the module that LoRA goes on; "" is all of it. The
            vision towers of VLMs have layers of the same names.
        learned_modules: dotted names, inside `llm`, of modules that learn whole.
    """

    llm: nn.Module
    tokenizer: PreTrainedTokenizerBase
    script: Script
    model_of: Callable[[Any], SequenceModel]
    lora_scope: str = ""
    learned_modules: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Description:
    """What is known about a base before anything is loaded.

    Attributes:
        eye_parameters: of the frozen eye, or whatever sees and does not learn.
        llm_parameters: of the language model as it will be used (see model.num_layers).
        lora_parameters: what LoRA will add.
        hidden_size: width of the language model's embeddings.
        feature_width: features that the eye gives of a frame in one size; 0 where vision runs in
            the forward pass.
        feature_key: names the eye and its kind of features in the feature cache.
        connector_parameters: between vision and language, where the base brings them and they
            learn; a pooled base gets vidllm's own projector, which is not counted here.
        visual_tokens_per_frame: input embeddings of a frame; 0: model.num_visual_tokens.
        token_matrices: 2 where rows of time tokens learn in input and output embeddings each.
        frozen_bytes: of a parameter that does not learn.
        provenance: what the parts are and under which licence, for the manifest.
    """

    eye_parameters: int
    llm_parameters: int
    lora_parameters: int
    hidden_size: int
    feature_width: int = 0
    feature_key: str = ""
    connector_parameters: int = 0
    visual_tokens_per_frame: float = 0
    token_matrices: int = 1
    frozen_bytes: int = 4
    provenance: Mapping[str, str] = field(default_factory=dict)


class Adapter(Protocol):
    """What every adapter has."""

    def describe(self, config: ModelConfig) -> Description:
        """Sizes from the configuration alone; loads no weights.

        Raises:
            ValueError: a setting that this base does not have.
        """


@runtime_checkable
class PooledAdapter(Adapter, Protocol):
    """A base of a frozen eye, whose features are kept, and a language model."""

    def load_eye(self, config: ModelConfig, cache_dir: Path | None) -> Eye:
        """The eye.

        Raises:
            FileNotFoundError: its weights have not been fetched; the message says how.
        """

    def load_language(self, config: ModelConfig, cache_dir: Path | None) -> Language:
        """The language model, cut to model.num_layers, and its tokenizer."""


@runtime_checkable
class InPassAdapter(Adapter, Protocol):
    """A base whose vision runs in the forward pass."""

    def open_frames(self, config: ModelConfig, cache_dir: Path | None) -> FrameSource:
        """What makes tensors of frames; loads no weights."""

    def load_base(self, config: ModelConfig, cache_dir: Path | None) -> Base:
        """The model with its weights, and its tokenizer.

        Raises:
            FileNotFoundError: its weights have not been fetched; the message says how.
        """


def count_llm_parameters(llm_config: Any, config: ModelConfig) -> tuple[int, int]:
    """Parameters of a LLaMA-shaped model and of the LoRA factors on it, without allocating them.

    Args:
        llm_config: a transformers configuration.
        config: says which layers are kept and where LoRA goes.

    Raises:
        ValueError: a LoRA target that no layer has.
    """
    from transformers import AutoModelForCausalLM

    build: Any = AutoModelForCausalLM
    with torch.device("meta"):
        model = build.from_config(llm_config)
    truncate_layers(model, config.num_layers)
    return sum(p.numel() for p in model.parameters()), count_lora_parameters(model, config)


def count_lora_parameters(llm: nn.Module, config: ModelConfig) -> int:
    """Parameters of the LoRA factors on a language model that has none yet.

    Raises:
        ValueError: a LoRA target that no layer has.
    """
    named = [(name.rpartition(".")[2], module) for name, module in llm.named_modules()]
    total = 0
    for target in config.lora_targets:
        hits: list[Any] = [module for name, module in named if name == target]
        if not hits:
            linears = {name for name, module in named if isinstance(module, nn.Linear)}
            raise ValueError(
                f"model.lora_targets names {target!r}: choose from {', '.join(sorted(linears))}"
            )
        total += sum(config.lora_rank * sum(module.weight.shape) for module in hits)
    return total


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

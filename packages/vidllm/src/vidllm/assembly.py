"""Puts a run's parts together: corpus, features, tokenizer, language model, projector.

The one place that knows in which order this happens; training and prediction both start here.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

import timetokens as tt
from seqsynth import (
    ClipItem,
    Corpus,
    FrameRef,
    ImageItem,
    default_cache_dir,
    default_corpus,
)
from vidllm.adapters import ADAPTERS, Adapter, Base, FrameSource, InPassAdapter, SequenceModel
from vidllm.adapters.base import PooledAdapter
from vidllm.config import DataConfig, ModelConfig, TrainConfig
from vidllm.cpu_memory import keep_freed_memory
from vidllm.features import FeatureStore, build_features, side_by_side
from vidllm.mixture_data import manifest_corpus
from vidllm.model.alignment import align_projector
from vidllm.model.projector import Projector
from vidllm.model.token_rows import is_tied
from vidllm.model.video_llm import VideoLLM
from vidllm.prompt_script import VISUAL_TOKEN, Script
from vidllm.prompting import Prompter
from vidllm.shapes import shapes_corpus

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Assembly:
    """A model that can be trained or asked."""

    model: SequenceModel
    prompter: Prompter
    tokenizer: PreTrainedTokenizerBase


def adapter_of(config: ModelConfig) -> Adapter:
    """The adapter that model.adapter names.

    Raises:
        ValueError: there is none of that name.
    """
    if config.adapter not in ADAPTERS:
        raise ValueError(
            f"model.adapter is {config.adapter!r}: choose one of {', '.join(ADAPTERS)}"
        )
    return ADAPTERS[config.adapter]


def cache_dir_of(config: DataConfig) -> Path | None:
    """Where downloads lie; None: where seqsynth keeps them."""
    return Path(config.cache_dir).expanduser() if config.cache_dir else None


def load_corpus(config: DataConfig) -> Corpus:
    """What data.root lists, else the pictures and clips of data.corpus.

    Raises:
        FileNotFoundError: not fetched yet, or no manifest (says what to run).
    """
    if config.root:
        return manifest_corpus(config)
    if config.corpus == "shapes":
        return shapes_corpus((cache_dir_of(config) or default_cache_dir()) / "shapes")
    return default_corpus(cache_dir_of(config))


def load_features(
    config: TrainConfig,
    corpus: Corpus,
    frames: Sequence[FrameRef],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> FrameSource:
    """What the model takes of the frames: their features, from the cache beside the corpus.

    Where vision runs in the forward pass nothing is computed ahead.
    """
    adapter, cache_dir = adapter_of(config.model), cache_dir_of(config.data)
    if isinstance(adapter, InPassAdapter):
        return adapter.open_frames(config.model, cache_dir)
    assert isinstance(adapter, PooledAdapter)
    keep_freed_memory()  # the eye's pages are cleared anew otherwise: twice the time
    description = adapter.describe(config.model)
    stores = [
        build_features(
            frames,
            lambda: adapter.load_eye(config.model, cache_dir),
            key=description.feature_key,
            image_size=image_size,
            cache_dir=_features_dir(config.data, corpus),
            clip_frame_step=config.data.clip_frame_step,
            progress=progress,
        )
        for image_size in config.model.image_sizes
    ]
    return side_by_side(stores, frames)


def _features_dir(config: DataConfig, corpus: Corpus) -> Path:
    """Beside the corpus; a folder of somebody's data is left as it is."""
    if config.root:
        return (cache_dir_of(config) or default_cache_dir()) / "features"
    return Path(corpus.root) / "features"


def assemble(config: TrainConfig, feature_width: int) -> Assembly:
    """The model at its random start: LoRA and projector drawn from the configuration's seed.

    Raises:
        ValueError: a setting that the base model does not have.
    """
    from transformers import set_seed

    keep_freed_memory()
    adapter = adapter_of(config.model)
    if isinstance(adapter, InPassAdapter):
        return _assemble_base(config, adapter.load_base(config.model, cache_dir_of(config.data)))
    assert isinstance(adapter, PooledAdapter)
    language = adapter.load_language(config.model, cache_dir_of(config.data))
    llm: Any = language.llm
    # Before rows are added: a matrix grows to a round number of rows, the spare ones at random, and
    # they stand in every softmax. After it again, so that what follows does not depend on the base.
    set_seed(config.seed)
    code_ids = tt.add_to(language.tokenizer, llm, codec=config.model.codec)
    set_seed(config.seed)
    projector = Projector(config.model, feature_width, llm.config.hidden_size)
    model = VideoLLM(with_lora(llm, config.model, code_ids), projector)
    script = Script(picture=(VISUAL_TOKEN,) * config.model.num_visual_tokens)
    prompter = Prompter(language.tokenizer, config.prompt, script, code_token_ids=code_ids)
    return Assembly(model, prompter, language.tokenizer)


def _assemble_base(config: TrainConfig, base: Base) -> Assembly:
    """The same for a base that sees by itself."""
    from transformers import set_seed

    set_seed(config.seed)
    code_ids = tt.add_to(base.tokenizer, base.llm, codec=config.model.codec)
    set_seed(config.seed)
    base.llm.requires_grad_(False)
    llm = with_lora(
        base.llm,
        config.model,
        code_ids,
        scope=base.lora_scope,
        learned_modules=base.learned_modules,
    )
    prompter = Prompter(base.tokenizer, config.prompt, base.script, code_token_ids=code_ids)
    return Assembly(base.model_of(llm), prompter, base.tokenizer)


def start_projector(
    assembly: Assembly, config: TrainConfig, corpus: Corpus, features: FrameSource
) -> FeatureStore | None:
    """Standardises the projector on the training stills and, if asked, aligns it.

    A base that sees by itself has its own, which stays as it was trained.

    Returns:
        What is added to the visual tokens of training frames, or None.
    """
    if not (isinstance(assembly.model, VideoLLM) and isinstance(features, FeatureStore)):
        return None
    images, projector = corpus.train_images, assembly.model.projector
    features_NC = features.lookup([FrameRef(image.path, 0) for image in images])
    projector.fit_scale(features_NC)
    if config.model.projector_init != "aligned":
        return None
    captions = [tt.escape(image.caption) for image in images]
    offsets = align_projector(
        assembly.model,
        assembly.prompter,
        features_NC,
        captions,
        config=config.model.align,
        cache_dir=_features_dir(config.data, corpus),
    )
    items: list[ImageItem | ClipItem] = [*images, *corpus.train_clips]
    shown = features.captions({item.path: tt.escape(item.caption) for item in items})
    return features.like(offsets.of(projector, features.features_NC, shown))


def with_lora(
    llm: Any,
    config: ModelConfig,
    code_ids: list[int],
    *,
    scope: str = "",
    learned_modules: tuple[str, ...] = (),
) -> Any:
    """A model under LoRA, with the rows of the time tokens learning at both ends.

    Args:
        llm: a transformers model.
        config: rank, targets.
        code_ids: the time tokens.
        scope: dotted name of the module that LoRA goes on; "": all of the model.
        learned_modules: dotted names of modules that learn whole.
    """
    from peft import LoraConfig, get_peft_model

    rows = None
    if code_ids:
        # On tied models one set of rows serves both ends; PEFT follows the tie by itself.
        rows = {_name_of(llm, llm.get_input_embeddings()): code_ids}
        if not is_tied(llm):
            rows[_name_of(llm, llm.get_output_embeddings())] = code_ids
    targets: list[str] | str = list(config.lora_targets)
    if scope:
        names = "|".join(re.escape(target) for target in config.lora_targets)
        targets = rf"{re.escape(scope)}\..*\.({names})"
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
        trainable_token_indices=rows,
        modules_to_save=list(learned_modules) or None,
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(llm, lora)
    for parameter in model.parameters():  # steps of AdamW are lost on rows in bfloat16
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model


def _name_of(llm: Any, wanted: torch.nn.Module) -> str:
    """The last part of a module's name, as PEFT matches it."""
    return next(
        str(name).rpartition(".")[2] for name, module in llm.named_modules() if module is wanted
    )

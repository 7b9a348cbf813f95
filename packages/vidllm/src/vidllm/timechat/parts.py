"""The parts of TimeChat, each a stock module of transformers with the original's settings.

The Q-Formers are InstructBLIP's; one that never reads text loses the modules that only text would
use, as the original deletes them. What the stock classes get otherwise than they would by default:
the norm after the vision transformer has an epsilon of 1e-5, where transformers takes 1e-6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import (
    InstructBlipQFormerConfig,
    InstructBlipQFormerModel,
    InstructBlipVisionConfig,
    InstructBlipVisionModel,
    LlamaConfig,
    LlamaForCausalLM,
)

from vidllm.timechat.config import LlamaSizes, QFormerSizes, TimeChatConfig, VisionSizes

POST_NORM_EPSILON = 1e-5
BOS_ID, EOS_ID, PAD_ID = 1, 2, 0  # LLaMA-2's


def vision_model(sizes: VisionSizes) -> InstructBlipVisionModel:
    """EVA-ViT with random weights, frozen; it has no dropout."""
    config = InstructBlipVisionConfig(
        image_size=sizes.image_size,
        patch_size=sizes.patch_size,
        hidden_size=sizes.width,
        num_hidden_layers=sizes.num_layers,
        num_attention_heads=sizes.num_heads,
        intermediate_size=sizes.mlp_width,
        hidden_act="gelu",
        layer_norm_eps=1e-6,
        qkv_bias=True,
    )
    model = InstructBlipVisionModel(config)
    model.post_layernorm.eps = POST_NORM_EPSILON
    model.requires_grad_(False)
    return model


def frame_qformer(config: TimeChatConfig) -> InstructBlipQFormerModel:
    """The Q-Former that turns one frame's patches, and its time, into a few queries."""
    sizes = config.qformer
    model = InstructBlipQFormerModel(
        _qformer_config(
            sizes, sizes.num_frame_layers, sizes.frame_cross_attention_every, config.vision.width
        )
    )
    if config.has_frame_text:
        # The original resized this table, after which its row for padding learns like any other.
        model.embeddings.word_embeddings.padding_idx = None
    else:
        drop_text_branch(model)
    model.requires_grad_(config.trains_frame_qformer)
    return model


def video_qformer(sizes: QFormerSizes) -> InstructBlipQFormerModel:
    """The Q-Former that turns the frames of a window into a few queries."""
    model = InstructBlipQFormerModel(_qformer_config(sizes, sizes.num_video_layers, 1, sizes.width))
    drop_text_branch(model)
    return model


def drop_text_branch(model: InstructBlipQFormerModel) -> None:
    """Takes the modules away that only text goes through: they would never get a gradient."""
    branch: Any = model
    branch.embeddings.word_embeddings = None
    branch.embeddings.position_embeddings = None
    for layer in branch.encoder.layer:
        layer.intermediate = None
        layer.output = None


def llama(sizes: LlamaSizes, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    """A language model with random weights; its rotary frequencies are float32 in any case."""
    config = LlamaConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.hidden_size,
        intermediate_size=sizes.intermediate_size,
        num_hidden_layers=sizes.num_hidden_layers,
        num_attention_heads=sizes.num_attention_heads,
        num_key_value_heads=sizes.num_key_value_heads,
        max_position_embeddings=sizes.max_position_embeddings,
        rms_norm_eps=sizes.rms_norm_eps,
        tie_word_embeddings=False,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )
    build: Any = LlamaForCausalLM
    model: LlamaForCausalLM = build._from_config(config, dtype=dtype)
    return model


def cast_parameters(module: nn.Module, dtype: torch.dtype) -> None:
    """Gives a module's floating-point parameters another type, in place, and its buffers not.

    `module.to(bfloat16)` would round the frequencies of the rotary embeddings too: the logits of a
    small LLaMA move by a hundredth then.
    """
    for parameter in module.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _qformer_config(
    sizes: QFormerSizes, num_layers: int, cross_attention_every: int, encoder_width: int
) -> InstructBlipQFormerConfig:
    return InstructBlipQFormerConfig(
        vocab_size=sizes.vocab_size,
        hidden_size=sizes.width,
        num_hidden_layers=num_layers,
        num_attention_heads=sizes.num_heads,
        intermediate_size=sizes.mlp_width,
        hidden_act="gelu",
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=sizes.dropout,
        max_position_embeddings=sizes.num_positions,
        layer_norm_eps=1e-12,
        pad_token_id=0,
        cross_attention_frequency=cross_attention_every,
        encoder_hidden_size=encoder_width,
    )

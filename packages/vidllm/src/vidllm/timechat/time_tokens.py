"""LoRA on the language model, and the rows of the time tokens that learn with it.

The ten tokens get a row at LLaMA's input and one at its output; LoRA on the projections alone could
never write them. Under LoRA everything else in these matrices stays as it is. The frame Q-Former
learns as a whole, so there new rows in its table are enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from transformers import PreTrainedTokenizerBase

import timetokens as tt
from vidllm.timechat.config import TimeChatConfig


def with_lora(llm: nn.Module, config: TimeChatConfig, code_ids: Sequence[int]) -> nn.Module:
    """The language model under LoRA, with rows of these tokens that learn; as it is at rank 0.

    Args:
        llm: the time tokens already added (`timetokens.add_to`).
        config: rank, targets and so on.
        code_ids: of the time tokens; none where places are written in plain text.

    Raises:
        ValueError: tokens whose rows nothing would train.
    """
    from peft import LoraConfig, get_peft_model

    if not config.lora_rank:
        if code_ids:
            raise ValueError(
                "lora_rank is 0, so the rows of the time tokens would never learn: give a rank, or "
                "write places without new tokens"
            )
        return llm.requires_grad_(False)
    rows = None
    if code_ids:
        rows = {"embed_tokens": list(code_ids), "lm_head": list(code_ids)}
    lora = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_targets),
        trainable_token_indices=rows,
        task_type="CAUSAL_LM",
    )
    wrapped: Any = get_peft_model
    peft_model: nn.Module = wrapped(llm, lora)
    return peft_model


def add_to_frame_text(
    tokenizer: PreTrainedTokenizerBase, frame_qformer: Any, codec: str = "rpt"
) -> list[int]:
    """Adds a codec's tokens to the frame Q-Former's tokenizer and word table; their ids.

    Args:
        tokenizer: BERT's, or any other whose ids the table has rows for.
        frame_qformer: of a model with time text.
        codec: a key of timetokens.CODECS.

    Raises:
        ValueError: a Q-Former that reads no text.
    """
    if frame_qformer.get_input_embeddings() is None:
        raise ValueError("this frame Q-Former reads no text: it has no word table to add rows to")
    return tt.add_to(tokenizer, frame_qformer, codec=codec)

"""`random`: a two-layer LLaMA and a fixed random eye, for trials and tests without downloads.

Everything is drawn from constant seeds, so two processes get the same weights. The eye is a random
projection of a coarse thumbnail: enough to tell drawn shapes apart by colour and place.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedTokenizerBase

from vidllm.adapters.base import Description, Language, count_llm_parameters, truncate_layers
from vidllm.config import ModelConfig

FEATURE_WIDTH = 64
THUMBNAIL = 8
EYE_SEED, LLM_SEED = 1, 2
RANDOM_LLAMA: dict[str, Any] = {
    "vocab_size": 259,  # 256 bytes and three special tokens
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


@dataclass(frozen=True)
class ThumbnailEye:
    """A random linear map of an 8 x 8 thumbnail."""

    weight: Tensor

    @torch.inference_mode()
    def features(self, frames_FHWC: Tensor) -> Tensor:
        """(F, H, W, 3) uint8 -> (F, 64) float32."""
        x_FCHW = frames_FHWC.permute(0, 3, 1, 2).float() / 255.0 - 0.5
        small = functional.adaptive_avg_pool2d(x_FCHW, THUMBNAIL)
        return small.flatten(1) @ self.weight


class RandomAdapter:
    """See the module."""

    def describe(self, config: ModelConfig) -> Description:
        """Sizes, from the architecture alone."""
        from transformers import LlamaConfig

        llm, lora = count_llm_parameters(LlamaConfig(**RANDOM_LLAMA), config)
        return Description(
            eye_parameters=3 * THUMBNAIL**2 * FEATURE_WIDTH,
            llm_parameters=llm,
            lora_parameters=lora,
            hidden_size=RANDOM_LLAMA["hidden_size"],
            feature_width=FEATURE_WIDTH,
            feature_key=f"random-thumbnail-{EYE_SEED}",
            provenance={"eye": "random", "llm": "random two-layer LLaMA"},
        )

    def load_eye(self, config: ModelConfig, cache_dir: Path | None) -> ThumbnailEye:
        """The eye; nothing is read from disk."""
        generator = torch.Generator().manual_seed(EYE_SEED)
        inputs = 3 * THUMBNAIL**2
        weight = torch.randn(inputs, FEATURE_WIDTH, generator=generator) / inputs**0.5
        return ThumbnailEye(weight)

    def load_language(self, config: ModelConfig, cache_dir: Path | None) -> Language:
        """The model; nothing is read from disk."""
        from transformers import LlamaConfig, LlamaForCausalLM

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(LLM_SEED)
            llm = LlamaForCausalLM(LlamaConfig(**RANDOM_LLAMA))
        truncate_layers(llm, config.num_layers)
        return Language(llm, byte_tokenizer())


def byte_tokenizer(
    special: tuple[str, str, str] = SPECIAL_TOKENS, *, begins_texts: bool = False
) -> PreTrainedTokenizerBase:
    """A tokenizer whose tokens are the 256 bytes, after three special tokens.

    Args:
        special: for what is unknown, for the beginning, and for the end and for filling up.
        begins_texts: the second stands before every text, as LLaMA's does.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {text: index for index, text in enumerate((*special, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    unknown, begin, end = special
    if begins_texts:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, vocabulary[begin])]
        )
    wrap: Any = PreTrainedTokenizerFast
    wrapped: PreTrainedTokenizerBase = wrap(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token=end,
        pad_token=end,
        unk_token=unknown,
        clean_up_tokenization_spaces=False,
    )
    return wrapped

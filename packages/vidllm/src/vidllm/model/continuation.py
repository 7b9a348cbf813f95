"""The decoder's three calls, which all models of ours share: whole examples, sequences, text after.

A model makes the input embeddings; what happens to them from there on is the same for all.

Shape suffixes: B examples, S sequences, R rows of text, T tokens, D width, K vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from vidllm.model.token_rows import embed_tokens, output_logits


def unwrapped(llm: Any) -> Any:
    """The transformers model inside PEFT's wrapper, or the model itself."""
    unwrap = getattr(llm, "get_base_model", None)
    return llm if unwrap is None else unwrap()


def hidden_states(
    decoder: Any,
    embeds_BTD: Tensor,
    *,
    position_ids_BT: Tensor | None = None,
    attention_mask: Tensor | None = None,
) -> Tensor:
    """Last hidden states (B, T, D) of whole examples; right padding only."""
    hidden_BTD: Tensor = decoder(
        inputs_embeds=embeds_BTD,
        position_ids=position_ids_BT,
        attention_mask=attention_mask,
        use_cache=False,
    ).last_hidden_state
    return hidden_BTD


def keys_and_values(decoder: Any, embeds_STD: Tensor) -> tuple[Any, Tensor]:
    """The cache of whole sequences, and the position (S,) of what follows each."""
    shown = decoder(inputs_embeds=embeds_STD, use_cache=True)
    num_sequences, length = embeds_STD.shape[:2]
    next_S = embeds_STD.new_full((num_sequences,), length, dtype=torch.long)
    return shown.past_key_values, next_S


def scores_after(
    lm: Any,
    decoder: Any,
    input_ids_RT: Tensor,
    *,
    mask_RT: Tensor,
    positions: Tensor,
    cache: Any,
) -> Tensor:
    """Scores (R, K) of what follows text after cached sequences; the cache grows by the text.

    Args:
        lm: has the input and output embeddings.
        decoder: of it.
        input_ids_RT: text only, filled up on the left.
        mask_RT: 1 for what is seen, the cached tokens included.
        positions: of the new tokens, (R, T) or as the decoder takes them.
        cache: one row for each row of text.
    """
    hidden_RTD = decoder(
        inputs_embeds=embed_tokens(lm.get_input_embeddings(), input_ids_RT),
        attention_mask=mask_RT,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    return output_logits(lm.get_output_embeddings(), hidden_RTD[:, -1])

"""The video LLM: visual tokens scattered into a language model's input embeddings.

Frozen features -> projector -> input embeddings -> decoder with LoRA -> logits at the labelled
positions (`vidllm.model.labelled_loss`).

Shape suffixes: B examples, T tokens, N frames of the whole batch, V visual tokens a frame,
C features, D width, L labelled positions, K vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vidllm.model.continuation import hidden_states, keys_and_values, scores_after, unwrapped
from vidllm.model.labelled_loss import labelled_loss
from vidllm.model.projector import Projector
from vidllm.model.token_rows import (
    adapter_groups,
    embed_tokens,
    output_logits,
    with_gradients_of,
)
from vidllm.prompt_script import VISUAL_TOKEN


class VideoLLM(nn.Module):
    """A language model under LoRA, a projector, and nothing else.

    Args:
        llm: a `peft.PeftModel` of a causal language model.
        projector: features to input embeddings.
    """

    # The trainer passes the number of labels in the whole global batch: exact accumulation.
    accepts_loss_kwargs = True

    def __init__(self, llm: nn.Module, projector: Projector):
        super().__init__()
        self.llm = llm
        self.projector = projector

    @property
    def causal_lm(self) -> Any:
        """The transformers model inside PEFT's wrapper."""
        return unwrapped(self.llm)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What a checkpoint keeps beside the adapter."""
        return {"projector": self.projector}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self.projector.mean.device

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        features: Tensor,
        offsets: Tensor | None = None,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The training loss.

        Examples are padded on the right, so a causal mask alone keeps padding out of sight.

        Args:
            input_ids: (B, T) ids, VISUAL_TOKEN where a visual token goes.
            labels: (B, T), IGNORED where there is nothing to learn.
            features: (N, C), of all frames in the order of their tokens.
            offsets: (N, D), added to the visual tokens (vidllm.model.alignment.FoldOffsets).
            position_ids: (B, T); default in order.
            attention_mask: (B, 1, T, T), True where row sees column; default causal.
            num_items_in_batch: labels of the whole global batch; default those given here.

        Returns:
            loss: cross entropy summed over the labels, divided by num_items_in_batch.
            example_losses: (B,) its sum over each example's labels, undivided.
            example_labels: (B,) how many labels each example has.

        Raises:
            ValueError: frames and visual tokens do not match.
        """
        hidden_BTD = self.decode(
            self.embed(input_ids, features, offsets), position_ids, attention_mask
        )
        return labelled_loss(self.logits, hidden_BTD, labels, num_items_in_batch=num_items_in_batch)

    def embed(
        self, input_ids_BT: Tensor, features_NC: Tensor, offsets_ND: Tensor | None = None
    ) -> Tensor:
        """Input embeddings (B, T, D), the projected frames in their places."""
        visual_BT = input_ids_BT == VISUAL_TOKEN
        embedding = self.causal_lm.get_input_embeddings()
        embeds_BTD = embed_tokens(embedding, input_ids_BT.masked_fill(visual_BT, 0))
        num_places, per_frame = int(visual_BT.sum()), self.projector.num_visual_tokens
        if num_places != len(features_NC) * per_frame:
            raise ValueError(
                f"{num_places} visual tokens in the text, but {len(features_NC)} frames "
                f"of {per_frame} tokens each"
            )
        if not num_places:
            return with_gradients_of(self.projector.parameters(), embeds_BTD)
        visual_NVD = self.projector(features_NC)
        if offsets_ND is not None:
            visual_NVD = visual_NVD + offsets_ND[:, None]
        visual_NVD = visual_NVD.to(embeds_BTD)
        return embeds_BTD.masked_scatter(visual_BT[..., None], visual_NVD)

    def decode(
        self,
        embeds_BTD: Tensor,
        position_ids_BT: Tensor | None = None,
        attention_mask_B1TT: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states (B, T, D); right padding only."""
        decoder = self.causal_lm.get_decoder()
        return hidden_states(
            decoder, embeds_BTD, position_ids_BT=position_ids_BT, attention_mask=attention_mask_B1TT
        )

    def logits(self, hidden_LD: Tensor) -> Tensor:
        """Scores of the next token: (L, K)."""
        return output_logits(self.causal_lm.get_output_embeddings(), hidden_LD)

    def begin(self, input_ids_ST: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Any, Tensor]:
        """Keys and values of whole sequences, and the position (S,) of what follows each."""
        embeds_STD = self.embed(input_ids_ST, inputs["features"])
        return keys_and_values(self.causal_lm.get_decoder(), embeds_STD)

    def go_on(
        self, input_ids_RT: Tensor, *, mask_RT: Tensor, positions_RT: Tensor, cache: Any
    ) -> Tensor:
        """Scores (R, K) of what follows text after the sequences; the cache grows by it."""
        lm = self.causal_lm
        return scores_after(
            lm,
            lm.get_decoder(),
            input_ids_RT,
            mask_RT=mask_RT,
            positions=positions_RT,
            cache=cache,
        )

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What learns, by the learning rate it has: projector, lora, tokens."""
        projector = [p for p in self.projector.parameters() if p.requires_grad]
        return {**adapter_groups(self.llm), "projector": projector}

"""A VLM of transformers under LoRA, its frames seen in the forward pass.

What the library's own forward does, step by step, so that four things hold for every family: rows
of time tokens without copies of the embedding matrix, the output layer at labelled positions alone,
questions that do not see each other, and frames encoded once for all questions. The tests compare
the numbers with those of the library.

Shape suffixes: B examples, T tokens, M visual tokens of the batch, D width, L labelled positions,
K vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from vidllm.families import Family, Visual
from vidllm.model.continuation import scores_after, unwrapped
from vidllm.model.labelled_loss import labelled_loss
from vidllm.model.mrope import mrope_positions
from vidllm.model.token_rows import (
    adapter_groups,
    embed_tokens,
    output_logits,
    with_gradients_of,
)
from vidllm.prompt_script import VISUAL_TOKEN


@dataclass(frozen=True, slots=True)
class _Embedded:
    """A batch as the decoder takes it."""

    embeds: Tensor  # (B, T, D)
    is_visual: Tensor  # (B, T)
    deep: tuple[Tensor, ...]  # (M, D) each, for the first layers


class VisionLLM(nn.Module):
    """See the module.

    Args:
        llm: a `peft.PeftModel` of a model for conditional generation.
        family: its architecture.
    """

    # The trainer passes the number of labels in the whole global batch: exact accumulation.
    accepts_loss_kwargs = True

    def __init__(self, llm: nn.Module, family: Family):
        super().__init__()
        self.llm = llm
        self.family = family
        learning = [name for name, p in llm.named_parameters() if p.requires_grad]
        self.connector_learns = any("modules_to_save" in name for name in learning)

    @property
    def vlm(self) -> Any:
        """The transformers model inside PEFT's wrapper."""
        return unwrapped(self.llm)

    @property
    def decoder(self) -> Any:
        """The language model without its output layer."""
        return self.vlm.get_submodule(self.family.decoder)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """Nothing stands beside the adapter: it keeps a connector that learns."""
        return {}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        device: torch.device = self.vlm.get_input_embeddings().weight.device
        return device

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """The training loss; see `vidllm.model.video_llm.VideoLLM.forward`.

        Args:
            input_ids: (B, T) ids, VISUAL_TOKEN where a visual token goes; padding on the right.
            labels: (B, T), IGNORED where there is nothing to learn.
            position_ids: (B, T), every token counting one; default in order.
            attention_mask: (B, 1, T, T), True where row sees column; default causal.
            num_items_in_batch: labels of the whole global batch; default those given here.
            inputs: what the family's `inputs` made of the frames.

        Raises:
            ValueError: pictures and visual tokens do not match.
        """
        embedded = self._embed(input_ids, inputs)
        if position_ids is None:
            position_ids = _in_order(input_ids)
        hidden_BTD = self._decode(
            embedded, self._positions(position_ids, embedded, inputs), attention_mask
        ).last_hidden_state
        return labelled_loss(self.logits, hidden_BTD, labels, num_items_in_batch=num_items_in_batch)

    def begin(self, input_ids_ST: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Any, Tensor]:
        """Keys and values of whole sequences, and the position (S,) of what follows each."""
        embedded = self._embed(input_ids_ST, inputs)
        positions = self._positions(_in_order(input_ids_ST), embedded, inputs)
        shown = self._decode(embedded, positions, None, use_cache=True)
        # In all: a wide picture at the end reaches further than its last token.
        last_S = positions.amax((0, 2)) if positions.ndim == 3 else positions[:, -1]
        return shown.past_key_values, last_S + 1

    def go_on(
        self, input_ids_RT: Tensor, *, mask_RT: Tensor, positions_RT: Tensor, cache: Any
    ) -> Tensor:
        """Scores (R, K) of what follows text after the sequences; the cache grows by it."""
        if self.family.grids is not None:
            positions_RT = positions_RT.expand(3, -1, -1)
        return scores_after(
            self.vlm,
            self.decoder,
            input_ids_RT,
            mask_RT=mask_RT,
            positions=positions_RT,
            cache=cache,
        )

    def logits(self, hidden_LD: Tensor) -> Tensor:
        """Scores of the next token: (L, K)."""
        return output_logits(self.vlm.get_output_embeddings(), hidden_LD)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What learns, by the learning rate it has: projector, lora, tokens."""
        return adapter_groups(self.llm)

    def _embed(self, input_ids_BT: Tensor, inputs: Mapping[str, Tensor]) -> _Embedded:
        """Input embeddings with the pictures in their places."""
        visual_BT = input_ids_BT == VISUAL_TOKEN
        embedding = self.vlm.get_input_embeddings()
        embeds_BTD = embed_tokens(embedding, input_ids_BT.masked_fill(visual_BT, 0))
        num_places = int(visual_BT.sum())
        visual = self._see(inputs) if inputs else None
        num_seen = 0 if visual is None else len(visual.tokens)
        if num_places != num_seen:
            raise ValueError(
                f"{num_places} visual tokens in the text, but the pictures have {num_seen}"
            )
        if visual is None:
            connector = self.parameter_groups()["projector"]
            return _Embedded(with_gradients_of(connector, embeds_BTD), visual_BT, ())
        seen_MD = visual.tokens.to(embeds_BTD)
        return _Embedded(
            embeds_BTD.masked_scatter(visual_BT[..., None], seen_MD), visual_BT, visual.deep
        )

    def _see(self, inputs: Mapping[str, Tensor]) -> Visual:
        """Vision is frozen; gradients go no further than a connector that learns."""
        with (
            torch.set_grad_enabled(torch.is_grad_enabled() and self.connector_learns),
            self._mixed_types(),
        ):
            return self.family.visual(self.vlm, inputs)

    def _mixed_types(self) -> AbstractContextManager[Any]:
        """For a connector that learns in float32 beside a tower in bfloat16; else as it is around.

        An autocast that is not enabled would switch off the one of a training step in bfloat16.
        """
        if self.connector_learns and self.vlm.dtype == torch.bfloat16:
            return torch.autocast(self.device.type, torch.bfloat16)
        return nullcontext()

    def _positions(
        self, positions_BT: Tensor, embedded: _Embedded, inputs: Mapping[str, Tensor]
    ) -> Tensor:
        """(B, T), or (3, B, T) where pictures have positions of their own."""
        if self.family.grids is None:
            return positions_BT
        if not inputs:
            return positions_BT.expand(3, -1, -1)
        grids_P2 = self.family.grids(self.vlm.config, inputs)
        return mrope_positions(positions_BT, embedded.is_visual, grids_P2)

    def _decode(
        self,
        embedded: _Embedded,
        positions: Tensor,
        attention_mask: Tensor | None,
        use_cache: bool = False,
    ) -> Any:
        deep: dict[str, Any] = {}
        if embedded.deep:
            deep = {
                "visual_pos_masks": embedded.is_visual,
                "deepstack_visual_embeds": list(embedded.deep),
            }
        return self.decoder(
            inputs_embeds=embedded.embeds,
            position_ids=positions,
            attention_mask=attention_mask,
            use_cache=use_cache,
            **deep,
        )


def _in_order(input_ids_BT: Tensor) -> Tensor:
    """(B, T): 0, 1, 2, ..."""
    num_tokens = input_ids_BT.shape[1]
    return torch.arange(num_tokens, device=input_ids_BT.device).expand_as(input_ids_BT)

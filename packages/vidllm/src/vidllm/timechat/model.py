"""TimeChat: frames and their times to video tokens, video tokens into LLaMA's input embeddings.

Logits are computed at the labelled positions alone, as in `vidllm.model.video_llm`.

Shape suffixes: B videos or examples, N frames of all videos, C H W pixels, P patches, D width,
T tokens, S sequences, R rows, L labelled positions, K vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidllm.model.continuation import hidden_states, keys_and_values, scores_after, unwrapped
from vidllm.model.labelled_loss import labelled_loss
from vidllm.model.token_rows import adapter_groups, embed_tokens, output_logits
from vidllm.timechat.config import TimeChatConfig
from vidllm.timechat.connector import Connector
from vidllm.timechat.parts import EOS_ID, llama, vision_model
from vidllm.timechat.videos import Video, packed, unpacked

__all__ = ["TimeChat", "Video", "packed"]


class TimeChat(nn.Module):
    """The whole model; `from_parts` makes one.

    Args:
        config: sizes and switches.
        llm: a causal language model, under PEFT or not.
    """

    # The trainer passes the number of labels in the whole global batch: exact accumulation.
    accepts_loss_kwargs = True

    def __init__(self, config: TimeChatConfig, llm: nn.Module):
        super().__init__()
        self.settings = config  # the trainer takes an attribute `config` for transformers' own
        self.vision = vision_model(config.vision)
        self.llm = llm
        self.connector = Connector(config, self.causal_lm.config.hidden_size)

    @classmethod
    def from_parts(
        cls,
        config: TimeChatConfig,
        llm: nn.Module | None = None,
        *,
        code_ids: Sequence[int] = (),
    ) -> TimeChat:
        """The model with random Q-Formers around a language model that gets LoRA.

        Args:
            config: sizes and switches.
            llm: the language model, its time tokens added; None: a random one of config.llm.
            code_ids: the time tokens' ids, whose rows will learn at the input and at the output.

        Raises:
            ValueError: time tokens without LoRA, whose rows nothing would train.
        """
        from vidllm.timechat.time_tokens import with_lora

        base = llama(config.llm) if llm is None else llm
        return cls(config, with_lora(base, config, code_ids))

    @property
    def causal_lm(self) -> Any:
        """The transformers model inside PEFT's wrapper."""
        return unwrapped(self.llm)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What a checkpoint keeps beside the adapter."""
        return {"connector": self.connector}

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        return self.connector.projector.weight.device

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        position_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """The training loss.

        Examples are padded on the right, so a causal mask alone keeps padding out of sight.

        Args:
            input_ids: (B, T) ids, settings.image_token_id where a video token goes.
            labels: (B, T), IGNORED where there is nothing to learn.
            position_ids: (B, T); default in order.
            attention_mask: (B, T), or (B, 1, T, T), True where row sees column; default causal.
            num_items_in_batch: labels of the whole global batch; default those given here.
            inputs: one video for each row, as `packed` makes them.

        Returns:
            See `vidllm.model.labelled_loss`.

        Raises:
            ValueError: video tokens in the text that do not match the videos; too many frames.
        """
        embeds_BTD = self.embed(input_ids, self.encode(unpacked(inputs)))
        hidden_BTD = self.decode(embeds_BTD, position_ids, attention_mask)
        return labelled_loss(self.logits, hidden_BTD, labels, num_items_in_batch=num_items_in_batch)

    def encode(self, videos: Sequence[Video]) -> list[Tensor]:
        """Each video's tokens as input embeddings: (num_video_tokens, D) for each.

        Raises:
            ValueError: a video of no frames or too many; time text missing or not asked for.
        """
        counts = [len(video.frames_FCHW) for video in videos]
        for number, count in enumerate(counts):
            if not 1 <= count <= self.settings.max_frames:
                raise ValueError(
                    f"video {number} has {count} frames: give 1 to {self.settings.max_frames} "
                    "(max_frames)"
                )
        patches_NPD = self.see(torch.cat([video.frames_FCHW for video in videos]))
        tokens: list[Tensor] = self.connector(videos, patches_NPD)
        return tokens

    @torch.no_grad()
    def see(self, frames_NCHW: Tensor) -> Tensor:
        """(N, P, D): the frozen eye's embeddings of all patches and of CLS, in float32."""
        hidden_NPD = self.vision.embeddings(frames_NCHW)
        hidden_NPD = self.vision.encoder(inputs_embeds=hidden_NPD).last_hidden_state
        norm = self.vision.post_layernorm
        normed_NPD: Tensor = norm(hidden_NPD.to(norm.weight.dtype))
        return normed_NPD

    def embed(self, input_ids_BT: Tensor, tokens: Sequence[Tensor]) -> Tensor:
        """Input embeddings (B, T, D), each row's video tokens in their places.

        Raises:
            ValueError: a row has not as many places as its video has tokens, or not in one piece.
        """
        video_BT = input_ids_BT == self.settings.image_token_id
        places_B = video_BT.sum(1).tolist()
        for row, (num_places, own) in enumerate(zip(places_B, tokens, strict=True)):
            if num_places != len(own):
                raise ValueError(
                    f"example {row} has {num_places} places for video tokens in its text, but its "
                    f"video has {len(own)} tokens"
                )
        starts_BT = video_BT & ~functional.pad(video_BT[:, :-1], (1, 0))
        if bool((starts_BT.sum(1) > 1).any()):
            row = int((starts_BT.sum(1) > 1).nonzero()[0])
            raise ValueError(
                f"example {row} has its video tokens' places apart: keep them together"
            )
        embedding = self.causal_lm.get_input_embeddings()
        embeds_BTD = embed_tokens(embedding, input_ids_BT.masked_fill(video_BT, 0))
        return embeds_BTD.masked_scatter(
            video_BT[..., None], torch.cat(list(tokens)).to(embeds_BTD)
        )

    def decode(
        self,
        embeds_BTD: Tensor,
        position_ids_BT: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states (B, T, D); right padding only."""
        decoder = self.causal_lm.get_decoder()
        return hidden_states(
            decoder, embeds_BTD, position_ids_BT=position_ids_BT, attention_mask=attention_mask
        )

    def logits(self, hidden_LD: Tensor) -> Tensor:
        """Scores of the next token: (L, K)."""
        return output_logits(self.causal_lm.get_output_embeddings(), hidden_LD)

    def begin(self, input_ids_ST: Tensor, inputs: Mapping[str, Tensor]) -> tuple[Any, Tensor]:
        """Keys and values of whole sequences, and the position (S,) of what follows each."""
        embeds_STD = self.embed(input_ids_ST, self.encode(unpacked(inputs)))
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

    @torch.inference_mode()
    def generate(
        self,
        videos: Sequence[Video],
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int = 512,
        end_id: int = EOS_ID,
        generator_seed: int | None = None,
    ) -> list[list[int]]:
        """Answers as token ids, the end token not among them; greedy unless the switch says drawn.

        Args:
            videos: one for each prompt.
            prompts: token ids, settings.image_token_id where video tokens go.
            max_new_tokens: where an answer is cut off.
            end_id: the token that ends an answer.
            generator_seed: of drawn answers (`sampled_answers`); None: torch's own state.
        """
        tokens = self.encode(videos)
        rows = [
            self.embed(torch.tensor([list(ids)], device=own.device), [own])[0]
            for ids, own in zip(prompts, tokens, strict=True)
        ]
        widest = max(len(row) for row in rows)
        embeds_BTD = torch.stack([functional.pad(r, (0, 0, widest - len(r), 0)) for r in rows])
        mask = [[0] * (widest - len(row)) + [1] * len(row) for row in rows]
        drawn: dict[str, Any] = {"do_sample": False}
        if self.settings.differences.sampled_answers:
            drawn = {"do_sample": True, "top_p": 0.8, "temperature": 1.0, "top_k": 0}
        if generator_seed is not None:
            torch.manual_seed(generator_seed)
        llm: Any = self.llm
        written = llm.generate(
            inputs_embeds=embeds_BTD,
            attention_mask=torch.tensor(mask, device=embeds_BTD.device),
            max_new_tokens=max_new_tokens,
            eos_token_id=end_id,
            pad_token_id=end_id,
            **drawn,
        )
        return [_until(row, end_id) for row in written.tolist()]

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """What learns, by the learning rate it has: projector (all before LLaMA), lora, tokens."""
        learned = [p for p in self.connector.parameters() if p.requires_grad]
        return {**adapter_groups(self.llm), "projector": learned}

    def gradient_checkpointing_enable(self, **settings: Any) -> None:
        """Computes activations twice instead of keeping them; called by the trainer."""
        self.causal_lm.gradient_checkpointing_enable(**settings)


def _until(ids: list[int], end_id: int) -> list[int]:
    return ids[: ids.index(end_id)] if end_id in ids else ids

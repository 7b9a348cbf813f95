"""TimeChat: frames and their times to video tokens, video tokens into LLaMA's input embeddings.

    frames -> vision transformer -> frame Q-Former (reads the frame's time) -> + frame position
    -> windows of 32 frames -> video Q-Former -> projector -> LLaMA with LoRA

A video is its own frames, whatever it is batched with: vision and frame Q-Former take all frames of
a batch together, the video Q-Former all windows of the same length. Logits are computed at the
labelled positions alone, as in `vidllm.model.video_llm`.

Shape suffixes: B videos, F frames of one video, N frames of all videos, C H W pixels, P patches,
S tokens of the time text, Q queries, X queries and time text together, D width, T tokens,
L labelled positions, K vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vidllm.model.labelled_loss import labelled_loss
from vidllm.model.token_rows import embed_tokens, output_logits
from vidllm.timechat import parts
from vidllm.timechat.config import TimeChatConfig

INIT_STD = 0.02


@dataclass(frozen=True)
class Video:
    """What the model is shown of one video.

    Attributes:
        frames_FCHW: float, normalised (vidllm.timechat.frames).
        text_ids_FS: the time text of each frame, filled up with 0; None without time text.
        text_mask_FS: 1 where there is text, 0 where there is filling.
    """

    frames_FCHW: Tensor  # noqa: N815 a shape suffix
    text_ids_FS: Tensor | None = None  # noqa: N815
    text_mask_FS: Tensor | None = None  # noqa: N815


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
        self.config = config
        width, sizes = config.qformer.width, config.qformer
        self.vision = parts.vision_model(config.vision)
        self.frame_queries = nn.Parameter(torch.zeros(1, sizes.num_frame_queries, width))
        self.frame_queries.requires_grad_(config.trains_frame_qformer)
        self.frame_qformer = parts.frame_qformer(config)
        self.frame_positions = nn.Embedding(config.max_frames, width)
        self.video_queries = nn.Parameter(torch.zeros(1, sizes.num_video_queries, width))
        self.video_qformer = parts.video_qformer(sizes)
        self.llm = llm
        self.projector = nn.Linear(width, self.causal_lm.config.hidden_size)
        for queries in (self.frame_queries, self.video_queries):
            nn.init.normal_(queries, std=INIT_STD)

    @classmethod
    def from_parts(
        cls,
        config: TimeChatConfig,
        llm: nn.Module | None = None,
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

        base = parts.llama(config.llm) if llm is None else llm
        return cls(config, with_lora(base, config, code_ids))

    @property
    def causal_lm(self) -> Any:
        """The transformers model inside PEFT's wrapper."""
        unwrap = getattr(self.llm, "get_base_model", None)
        return self.llm if unwrap is None else unwrap()

    def forward(
        self,
        videos: Sequence[Video],
        input_ids: Tensor,
        labels: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The training loss.

        Examples are padded on the right, so a causal mask alone keeps padding out of sight.

        Args:
            videos: one for each row.
            input_ids: (B, T) ids, config.image_token_id where a video token goes.
            labels: (B, T), IGNORED where there is nothing to learn.
            attention_mask: (B, T), or (B, 1, T, T), True where row sees column; default causal.
            position_ids: (B, T); default in order.
            num_items_in_batch: labels of the whole global batch; default those given here.

        Returns:
            loss: cross entropy summed over the labels, divided by num_items_in_batch.
            example_losses: (B,) its sum over each example's labels, undivided.
            example_labels: (B,) how many labels each example has.

        Raises:
            ValueError: video tokens in the text that do not match the videos; too many frames.
        """
        embeds_BTD = self.embed(input_ids, self.encode(videos))
        hidden_BTD = self.decode(embeds_BTD, attention_mask, position_ids)
        return labelled_loss(self.logits, hidden_BTD, labels, num_items_in_batch)

    def encode(self, videos: Sequence[Video]) -> list[Tensor]:
        """Each video's tokens as input embeddings: (num_video_tokens, D) for each.

        Raises:
            ValueError: a video of no frames or too many; time text missing or not asked for.
        """
        counts = [len(video.frames_FCHW) for video in videos]
        for number, count in enumerate(counts):
            if not 1 <= count <= self.config.max_frames:
                raise ValueError(
                    f"video {number} has {count} frames: give 1 to {self.config.max_frames} "
                    "(max_frames)"
                )
        patches_NPD = self.see(torch.cat([video.frames_FCHW for video in videos]))
        encoded = self._frames(videos, patches_NPD)
        return self._watch(encoded)

    @torch.no_grad()
    def see(self, frames_NCHW: Tensor) -> Tensor:
        """(N, P, D): the frozen eye's embeddings of all patches and of CLS, in float32."""
        hidden_NPD = self.vision.embeddings(frames_NCHW)
        hidden_NPD = self.vision.encoder(inputs_embeds=hidden_NPD).last_hidden_state
        norm = self.vision.post_layernorm
        normed_NPD: Tensor = norm(hidden_NPD.to(norm.weight.dtype))
        return normed_NPD

    def _frames(self, videos: Sequence[Video], patches_NPD: Tensor) -> list[Tensor]:
        """(F, X, D) of each video: its frames' queries, in the original also their time text."""
        num_queries = self.config.qformer.num_frame_queries
        queries_NQD = self.frame_queries.expand(len(patches_NPD), -1, -1)
        ids_NS, mask_NX, widths = self._frame_text(videos, queries_NQD.device)
        hidden_NXD = self.frame_qformer(
            input_ids=ids_NS,
            attention_mask=mask_NX,
            query_embeds=queries_NQD,
            encoder_hidden_states=patches_NPD.to(queries_NQD.dtype),
        ).last_hidden_state
        kept = [num_queries] * len(videos)
        if self.config.differences.text_outputs_reach_video:
            kept = [num_queries + width for width in widths]
        counts = [len(video.frames_FCHW) for video in videos]
        return [
            hidden_FXD[:, :length] + self.frame_positions.weight[: len(hidden_FXD), None]
            for hidden_FXD, length in zip(torch.split(hidden_NXD, counts), kept, strict=True)
        ]

    def _frame_text(
        self, videos: Sequence[Video], device: torch.device
    ) -> tuple[Tensor | None, Tensor | None, list[int]]:
        """Ids (N, S) and mask (N, Q + S) of all frames' text, and each video's own width."""
        if not self.config.has_frame_text:
            return None, None, [0] * len(videos)
        rows: list[Tensor] = []
        masks: list[Tensor] = []
        for number, video in enumerate(videos):
            if video.text_ids_FS is None or video.text_mask_FS is None:
                raise ValueError(f"video {number} has no time text, which this model reads")
            if len(video.text_ids_FS) != len(video.frames_FCHW):
                raise ValueError(
                    f"video {number} has {len(video.frames_FCHW)} frames, but the time text of "
                    f"{len(video.text_ids_FS)}"
                )
            rows.append(video.text_ids_FS)
            masks.append(video.text_mask_FS)
        widths = [row.shape[1] for row in rows]
        widest = max(widths)

        def filled(texts: list[Tensor]) -> Tensor:
            return torch.cat([functional.pad(t, (0, widest - t.shape[1])) for t in texts])

        mask_NS = filled(masks).to(device)
        queries_NQ = mask_NS.new_ones(len(mask_NS), self.config.qformer.num_frame_queries)
        return filled(rows).to(device), torch.cat([queries_NQ, mask_NS], dim=1), widths

    def _watch(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Each video's tokens: its windows through the video Q-Former and the projector."""
        windows: dict[tuple[int, int], Tensor] = {}
        for video, hidden_FXD in enumerate(encoded):
            bounds = self.config.window_bounds(len(hidden_FXD))
            for number, (start, end) in enumerate(bounds):
                windows[video, number] = hidden_FXD[start:end].flatten(0, 1)
        by_length: dict[int, list[tuple[int, int]]] = {}
        for key, seen in windows.items():
            by_length.setdefault(len(seen), []).append(key)
        tokens: dict[tuple[int, int], Tensor] = {}
        for keys in by_length.values():
            queries = self.video_queries.expand(len(keys), -1, -1)
            hidden = self.video_qformer(
                input_ids=None,
                query_embeds=queries,
                encoder_hidden_states=torch.stack([windows[key] for key in keys]),
            ).last_hidden_state
            tokens.update(zip(keys, self.projector(hidden), strict=True))
        return [
            torch.cat([tokens[key] for key in windows if key[0] == video])
            for video in range(len(encoded))
        ]

    def embed(self, input_ids_BT: Tensor, tokens: Sequence[Tensor]) -> Tensor:
        """Input embeddings (B, T, D), each row's video tokens in their places.

        Raises:
            ValueError: a row has not as many places as its video has tokens, or not in one piece.
        """
        video_BT = input_ids_BT == self.config.image_token_id
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
        if not any(places_B):
            return embeds_BTD
        return embeds_BTD.masked_scatter(
            video_BT[..., None], torch.cat(list(tokens)).to(embeds_BTD)
        )

    def decode(
        self,
        embeds_BTD: Tensor,
        attention_mask: Tensor | None = None,
        position_ids_BT: Tensor | None = None,
    ) -> Tensor:
        """Last hidden states (B, T, D); right padding only."""
        hidden_BTD: Tensor = self.causal_lm.get_decoder()(
            inputs_embeds=embeds_BTD,
            attention_mask=attention_mask,
            position_ids=position_ids_BT,
            use_cache=False,
        ).last_hidden_state
        return hidden_BTD

    def logits(self, hidden_LD: Tensor) -> Tensor:
        """Scores of the next token: (L, K)."""
        return output_logits(self.causal_lm.get_output_embeddings(), hidden_LD)

    @torch.inference_mode()
    def generate(
        self,
        videos: Sequence[Video],
        prompts: Sequence[Sequence[int]],
        *,
        max_new_tokens: int = 512,
        end_id: int = parts.EOS_ID,
        generator_seed: int | None = None,
    ) -> list[list[int]]:
        """Answers as token ids, the end token not among them; greedy unless the switch says drawn.

        Args:
            videos: one for each prompt.
            prompts: token ids, config.image_token_id where video tokens go.
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
        if self.config.differences.sampled_answers:
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
        groups: dict[str, list[nn.Parameter]] = {"projector": [], "lora": [], "tokens": []}
        for name, parameter in self.named_parameters():
            if not parameter.requires_grad:
                continue
            kind = "projector"
            if name.startswith("llm."):
                kind = "tokens" if "trainable_tokens_delta" in name else "lora"
            groups[kind].append(parameter)
        return groups


def _until(ids: list[int], end_id: int) -> list[int]:
    return ids[: ids.index(end_id)] if end_id in ids else ids

"""Between vision and language: frames with their times to the tokens that stand for a video.

    patches -> frame Q-Former (reads the frame's time) -> + frame position -> windows of 32 frames
    -> video Q-Former -> projector

A video is its own frames, whatever it is batched with: the frame Q-Former takes all frames of a
batch together, the video Q-Former all windows of the same length.

Shape suffixes: F frames of one video, N frames of all videos, P patches, S tokens of the time text,
Q queries, X queries and time text together, D width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vidllm.timechat import parts
from vidllm.timechat.config import TimeChatConfig
from vidllm.timechat.videos import Video, packed_text

INIT_STD = 0.02


class Connector(nn.Module):
    """Both Q-Formers, their queries, the frames' positions and the projector.

    Args:
        config: sizes and switches.
        hidden_size: width of the language model.
    """

    def __init__(self, config: TimeChatConfig, hidden_size: int):
        super().__init__()
        self.settings = config
        width, sizes = config.qformer.width, config.qformer
        self.frame_queries = nn.Parameter(torch.zeros(1, sizes.num_frame_queries, width))
        self.frame_queries.requires_grad_(config.trains_frame_qformer)
        self.frame_qformer = parts.frame_qformer(config)
        self.frame_positions = nn.Embedding(config.max_frames, width)
        self.video_queries = nn.Parameter(torch.zeros(1, sizes.num_video_queries, width))
        self.video_qformer = parts.video_qformer(sizes)
        self.projector = nn.Linear(width, hidden_size)
        for queries in (self.frame_queries, self.video_queries):
            nn.init.normal_(queries, std=INIT_STD)

    def forward(self, videos: Sequence[Video], patches_NPD: Tensor) -> list[Tensor]:
        """Each video's tokens as input embeddings: (num_video_tokens, D) for each.

        Args:
            videos: their frames are in `patches_NPD`, one after another.
            patches_NPD: what the eye sees.

        Raises:
            ValueError: time text missing, or not of as many frames.
        """
        return self._watch(self._frames(videos, patches_NPD))

    def _frames(self, videos: Sequence[Video], patches_NPD: Tensor) -> list[Tensor]:
        """(F, X, D) of each video: its frames' queries, in the original also their time text."""
        num_queries = self.settings.qformer.num_frame_queries
        queries_NQD = self.frame_queries.expand(len(patches_NPD), -1, -1)
        ids_NS, mask_NX, widths = self._frame_text(videos, queries_NQD.device)
        hidden_NXD = self.frame_qformer(
            input_ids=ids_NS,
            attention_mask=mask_NX,
            query_embeds=queries_NQD,
            encoder_hidden_states=patches_NPD.to(queries_NQD.dtype),
        ).last_hidden_state
        kept = [num_queries] * len(videos)
        if self.settings.differences.text_outputs_reach_video:
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
        if not self.settings.has_frame_text:
            return None, None, [0] * len(videos)
        for number, video in enumerate(videos):
            if video.text_ids_FS is None or video.text_mask_FS is None:
                raise ValueError(f"video {number} has no time text, which this model reads")
            if len(video.text_ids_FS) != len(video.frames_FCHW):
                raise ValueError(
                    f"video {number} has {len(video.frames_FCHW)} frames, but the time text of "
                    f"{len(video.text_ids_FS)}"
                )
        text = packed_text(videos)
        mask_NS = text["text_mask"].to(device)
        queries_NQ = mask_NS.new_ones(len(mask_NS), self.settings.qformer.num_frame_queries)
        mask_NX = torch.cat([queries_NQ, mask_NS], dim=1)
        return text["text_ids"].to(device), mask_NX, text["text_widths"].tolist()

    def _watch(self, encoded: Sequence[Tensor]) -> list[Tensor]:
        """Each video's tokens: its windows through the video Q-Former and the projector."""
        windows: dict[tuple[int, int], Tensor] = {}
        for video, hidden_FXD in enumerate(encoded):
            bounds = self.settings.window_bounds(len(hidden_FXD))
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

"""Videos as a model is shown them, and as the tensors of a batch.

Apart from the network: the adapters import this for every base, and need no module of the network.

Shape suffixes: B videos, F frames of one video, N frames of all videos, C H W pixels, S tokens of
the time text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


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


def packed(videos: Sequence[Video]) -> dict[str, Tensor]:
    """Videos as the tensors that `TimeChat.forward` takes.

    Returns:
        frames (N, C, H, W), num_frames (B,), and where there is time text text_ids (N, S),
        text_mask (N, S) and text_widths (B,): how wide each video's own text is, filling included.
    """
    return {
        "frames": torch.cat([video.frames_FCHW for video in videos]),
        "num_frames": torch.tensor([len(video.frames_FCHW) for video in videos]),
        **packed_text(videos),
    }


def packed_text(videos: Sequence[Video]) -> dict[str, Tensor]:
    """The time text of all videos as `packed` has it; {} where there is none."""
    ids = [video.text_ids_FS for video in videos if video.text_ids_FS is not None]
    masks = [video.text_mask_FS for video in videos if video.text_mask_FS is not None]
    if not ids:
        return {}
    widths = [own.shape[1] for own in ids]

    def filled(texts: Sequence[Tensor]) -> Tensor:
        return torch.cat([functional.pad(t, (0, max(widths) - t.shape[1])) for t in texts])

    return {
        "text_ids": filled(ids),
        "text_mask": filled(masks),
        "text_widths": torch.tensor(widths),
    }


def unpacked(batch: Mapping[str, Tensor]) -> list[Video]:
    """What `packed` was given."""
    counts = batch["num_frames"].tolist()
    frames = torch.split(batch["frames"], counts)
    if "text_ids" not in batch:
        return [Video(own) for own in frames]
    texts = [torch.split(batch[name], counts) for name in ("text_ids", "text_mask")]
    return [
        Video(own, ids[:, :width], mask[:, :width])
        for own, ids, mask, width in zip(frames, *texts, batch["text_widths"].tolist(), strict=True)
    ]

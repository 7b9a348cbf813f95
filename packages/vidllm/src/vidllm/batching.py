"""Examples to batches: padding on the right for training, on the left for generation.

Shape suffixes: B examples, T tokens, N frames of the whole batch, C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seqsynth.records import TASKS as SEQUENCE_TASKS
from seqsynth.video_tasks import CAPTION, READY
from vidllm.adapters.base import FrameSource
from vidllm.features import FeatureStore
from vidllm.prompt_script import IGNORED
from vidllm.prompting import Encoded

TASKS = (*SEQUENCE_TASKS, CAPTION, READY)
"""What metrics.jsonl may list a loss for."""


@dataclass(frozen=True, slots=True)
class Collator:
    """Makes training batches.

    Attributes:
        features: of the frames, or whatever else gives what the model takes of them.
        pad_id: fills up shorter examples; its value is never looked at.
        offsets: what is added to the visual tokens of training pictures, or None.
    """

    features: FrameSource
    pad_id: int
    offsets: FeatureStore | None = None

    def __call__(self, examples: Sequence[Encoded]) -> dict[str, Tensor]:
        """A batch.

        Returns:
            input_ids (B, T), labels (B, T), tasks (B,) as numbers of TASKS, num_tokens (B,)
            without padding, and what the frame source gives, such as features (N, C); with
            `offsets` also these, (N, D); where turns stand apart also position_ids (B, T) and
            attention_mask (B, 1, T, T), True where row sees column.
        """
        ids = [example.input_ids for example in examples]
        labels = [example.labels for example in examples]
        batch = {
            "input_ids": pad_right(ids, self.pad_id),
            "labels": pad_right(labels, IGNORED),
            **self.features.inputs(examples),
            "tasks": torch.tensor([TASKS.index(example.task) for example in examples]),
            "num_tokens": torch.tensor([len(row) for row in ids]),
        }
        if self.offsets is not None:
            frames = [frame for example in examples for frame in example.frames]
            batch["offsets"] = self.offsets.lookup(frames)
        if any(example.turns[-1:] > (0,) for example in examples):
            turns_BT = pad_right([example.turns for example in examples], 0)
            batch["position_ids"] = pad_right([positions(example.turns) for example in examples], 0)
            batch["attention_mask"] = sight(turns_BT)
        return batch


def positions(turns: Sequence[int]) -> list[int]:
    """Each token's position when every turn follows the sequence directly."""
    length = sum(turn == 0 for turn in turns)
    counts: dict[int, int] = {0: 0}
    placed = []
    for turn in turns:
        position = counts.get(turn, length)
        placed.append(position)
        counts[turn] = position + 1
    return placed


def sight(turns_BT: Tensor) -> Tensor:
    """(B, 1, T, T), True where a token (row) sees another (column): causal, turns apart."""
    causal_TT = torch.ones(turns_BT.shape[1], turns_BT.shape[1], dtype=torch.bool).tril()
    own_BTT = turns_BT[:, None, :] == turns_BT[:, :, None]
    return (causal_TT & (own_BTT | (turns_BT == 0)[:, None, :]))[:, None]


def pad_right(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """(B, T) of the rows, filled up at the end."""
    width = max(len(row) for row in rows)
    return torch.tensor([[*row, *[fill] * (width - len(row))] for row in rows])


def pad_left(rows: Sequence[Sequence[int]], fill: int) -> tuple[Tensor, Tensor]:
    """(B, T) of the rows, filled up at the start, and the (B, T) mask of what is not filling."""
    width = max(len(row) for row in rows)
    padded = [[*[fill] * (width - len(row)), *row] for row in rows]
    mask = [[*[0] * (width - len(row)), *[1] * len(row)] for row in rows]
    return torch.tensor(padded), torch.tensor(mask)

"""Positions of Qwen-VL's rotary embedding: time, row and column of every token.

A picture's tokens lie on a grid and take up as many positions as its longer side has tokens; text
counts on after it, the same in all three.

Shape suffixes: B examples, T tokens, P pictures, M visual tokens of the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor


def mrope_positions(positions_BT: Tensor, visual_BT: Tensor, grids_P2: Tensor) -> Tensor:
    """(3, B, T) positions.

    Args:
        positions_BT: where every token counts one; questions that stand apart may share positions.
        visual_BT: True at visual tokens; all of an example come before its questions.
        grids_P2: height and width of the pictures, in tokens, in their order.

    Raises:
        ValueError: pictures and visual tokens do not match.
    """
    counts_P = grids_P2.prod(1)
    num_visual = int(visual_BT.sum())
    if int(counts_P.sum()) != num_visual:
        raise ValueError(
            f"{num_visual} visual tokens in the text, but the pictures have {int(counts_P.sum())}"
        )
    if not num_visual:
        return positions_BT.expand(3, -1, -1)
    device = positions_BT.device
    grids_P2, counts_P = grids_P2.to(device), counts_P.to(device)
    picture_M = torch.arange(len(counts_P), device=device).repeat_interleave(counts_P)
    first_P = counts_P.cumsum(0) - counts_P
    within_M = torch.arange(num_visual, device=device) - first_P[picture_M]
    width_M = grids_P2[picture_M, 1]
    # What text after a picture falls back by, noted at the picture's last token.
    saved_P = counts_P - grids_P2.max(1).values
    is_last_M = within_M == counts_P[picture_M] - 1
    saved_BT = torch.zeros_like(positions_BT)
    saved_BT[visual_BT] = torch.where(is_last_M, saved_P[picture_M], 0).to(saved_BT)
    before_BT = saved_BT.cumsum(1) - saved_BT
    start_BT = positions_BT - before_BT
    found = start_BT.expand(3, -1, -1).clone()
    start_M = start_BT[visual_BT] - within_M.to(start_BT)
    found[0, visual_BT] = start_M
    found[1, visual_BT] = start_M + within_M // width_M
    found[2, visual_BT] = start_M + within_M % width_M
    return found

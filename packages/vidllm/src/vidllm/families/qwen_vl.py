"""Qwen2.5-VL and Qwen3-VL: pictures of any size, two frames in a temporal patch, M-RoPE.

A still is repeated to fill its temporal patch, so the route `images` gives every item of a sequence
a picture of its own: handed to the video processor in a row, neighbours would be fused and half the
places lost. The route `video` puts two neighbouring frames of one file into a patch, which halves
the tokens of clips; frames of two files never share one (`vidllm.prompting.grouped`).

Either way each picture is one grid of one time step, with text between: Qwen3-VL writes videos so
itself, and Qwen2.5-VL, which counts time in rotary positions inside a contiguous video, then gets
its times from the text alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vidllm.config import ModelConfig
from vidllm.families.base import Family, Groups, Visual
from vidllm.prompt_script import Chat

TEMPORAL_PATCH = 2


def side_pixels(base_config: Any, config: ModelConfig) -> int:
    """The edge to which the processor brings a square frame: whole tokens, within our bounds."""
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    factor, size = _factor(base_config), config.image_sizes[0]
    bounds = _bounds(base_config, config)
    side: int = smart_resize(size, size, factor, bounds["shortest_edge"], bounds["longest_edge"])[0]
    return side


def num_tokens(base_config: Any, config: ModelConfig) -> int:
    """Visual tokens of a square frame."""
    return int((side_pixels(base_config, config) // _factor(base_config)) ** 2)


def inputs(
    processor: Any, frames: Sequence[Image], groups: Groups, base_config: Any, config: ModelConfig
) -> dict[str, Tensor]:
    """pixel_values (patches, values) and image_grid_thw (P, 3)."""
    # Bounds are always given: what a processor does by itself changes with its release.
    made = processor(list(frames), size=_bounds(base_config, config), return_tensors="pt")
    grids, pixels = made["image_grid_thw"], made["pixel_values"]
    firsts, lasts = [group[0] for group in groups], [group[-1] for group in groups]
    if firsts != lasts:
        vision = base_config.vision_config
        slots = pixels.view(
            len(frames), -1, vision.in_channels, TEMPORAL_PATCH, vision.patch_size**2
        )
        both = [slots[firsts][:, :, :, 0], slots[lasts][:, :, :, 1]]
        pixels = torch.stack(both, dim=3).reshape(-1, pixels.shape[1])
        grids = grids[firsts]
    return {"pixel_values": pixels, "image_grid_thw": grids}


def visual(model: Any, inputs: Mapping[str, Tensor]) -> Visual:
    """The merged patches of each picture."""
    seen = model.model.get_image_features(
        inputs["pixel_values"], inputs["image_grid_thw"], return_dict=True
    )
    deep = getattr(seen, "deepstack_features", None) or ()
    return Visual(torch.cat(seen.pooler_output), tuple(torch.cat(layer) for layer in deep))


def grids(base_config: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """(P, 2): height and width in tokens."""
    merged: Tensor = inputs["image_grid_thw"][:, 1:] // base_config.vision_config.spatial_merge_size
    return merged


def _factor(base_config: Any) -> int:
    """Pixels of a token's side."""
    vision = base_config.vision_config
    return int(vision.patch_size * vision.spatial_merge_size)


def _bounds(base_config: Any, config: ModelConfig) -> dict[str, int]:
    """The least and the most pixels of a picture: ours, else none but a token and the frame's own.

    Half a token more on each side lets the processor round the side up.
    """
    factor, size = _factor(base_config), config.image_sizes[0]
    return {
        "shortest_edge": config.min_pixels or factor**2,
        "longest_edge": config.max_pixels or (size + factor) ** 2,
    }


_AROUND = (("<|vision_start|>",), ("<|vision_end|>",))

QWEN3_VL = Family(
    model_type="qwen3_vl",
    connectors=("model.visual.merger", "model.visual.deepstack_merger_list"),
    routes=("images", "video"),
    frames_per_picture=TEMPORAL_PATCH,
    around=_AROUND,
    num_tokens=num_tokens,
    inputs=inputs,
    visual=visual,
    grids=grids,
)

QWEN2_5_VL = Family(
    model_type="qwen2_5_vl",
    connectors=("model.visual.merger",),
    routes=("images", "video"),
    frames_per_picture=TEMPORAL_PATCH,
    chat=Chat(
        opening="<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    ),
    around=_AROUND,
    num_tokens=num_tokens,
    inputs=inputs,
    visual=visual,
    grids=grids,
)

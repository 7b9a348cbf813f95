"""LLaVA-OneVision (HF format): frames without tiles, whole or pooled to a quarter.

The route `images` gives a frame all patches of the tower (729 and a line break), as several images
in one prompt get; `video` pools them two by two, as its videos are (196 and a line break), each
frame a video of its own, so that text can stand between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from vidllm.config import ModelConfig
from vidllm.families.base import Family, Groups, Visual


def num_tokens(base_config: Any, config: ModelConfig) -> int:
    """Visual tokens of a frame, the line break after it included."""
    vision = base_config.vision_config
    side = vision.image_size // vision.patch_size
    if config.visual_route == "video":
        side = math.ceil(side / 2)
    without_class_token = base_config.vision_feature_select_strategy == "default"
    return int(side**2 + 1 - without_class_token)


def inputs(
    processor: Any, frames: Sequence[Image], groups: Groups, base_config: Any, config: ModelConfig
) -> dict[str, Tensor]:
    """pixel_values (P, 3, H, W), pooled () and image_sizes (P, 2)."""
    side = base_config.vision_config.image_size
    # A list inside a list is several images of one prompt: no tiles. Two at least, or it is one.
    shown = [*frames, frames[0]] if len(frames) == 1 else list(frames)
    made = processor([shown], size={"height": side, "width": side}, return_tensors="pt")
    pixels = made["pixel_values"]
    return {
        "pixel_values": pixels[: len(frames), 0],
        "image_sizes": made["image_sizes"][: len(frames)],
        "pooled": torch.tensor(config.visual_route == "video"),
    }


def visual(model: Any, inputs: Mapping[str, Tensor]) -> Visual:
    """The patches of each frame, a line break after them."""
    pixels, inner = inputs["pixel_values"], model.model
    if bool(inputs["pooled"]):
        seen = inner.get_video_features(pixels[:, None], return_dict=True)
        return Visual(seen.pooler_output.flatten(0, 1))
    # More than one image in a prompt: none is cut into tiles, also where there is only one.
    several = torch.tensor([max(2, len(pixels))])
    seen = inner.get_image_features(
        pixels[:, None], inputs["image_sizes"], batch_num_images=several, return_dict=True
    )
    return Visual(torch.cat(list(seen.pooler_output)))


LLAVA_ONEVISION = Family(
    model_type="llava_onevision",
    connectors=("model.multi_modal_projector",),
    routes=("images", "video"),
    num_tokens=num_tokens,
    inputs=inputs,
    visual=visual,
)

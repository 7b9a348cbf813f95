"""InternVL3 and 3.5 (HF format): one tile of 448 pixels, 256 tokens a frame, no tiles.

Its processor cuts a still into as many as twelve tiles; for the frames of a video it does what is
done here. It pads on the left where it makes batches itself: ours are padded in `vidllm.batching`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PIL.Image import Image
from torch import Tensor

from vidllm.config import ModelConfig
from vidllm.families.base import Family, Groups, Visual


def num_tokens(base_config: Any, config: ModelConfig) -> int:
    """Visual tokens of a frame."""
    vision = base_config.vision_config
    rows, columns = (
        int(size // patch * base_config.downsample_ratio)
        for size, patch in zip(vision.image_size, vision.patch_size, strict=True)
    )
    return rows * columns


def inputs(
    processor: Any, frames: Sequence[Image], groups: Groups, base_config: Any, config: ModelConfig
) -> dict[str, Tensor]:
    """pixel_values (P, 3, H, W)."""
    height, width = base_config.vision_config.image_size
    made = processor(
        list(frames),
        crop_to_patches=False,
        size={"height": height, "width": width},
        return_tensors="pt",
    )
    return {"pixel_values": made["pixel_values"]}


def visual(model: Any, inputs: Mapping[str, Tensor]) -> Visual:
    """The shuffled patches of each frame."""
    # By their names: passed by hand they skip the defaults that the configuration holds.
    seen = model.model.get_image_features(pixel_values=inputs["pixel_values"], return_dict=True)
    return Visual(seen.pooler_output.flatten(0, 1))


INTERNVL = Family(
    model_type="internvl",
    connectors=("model.multi_modal_projector",),
    around=(("<img>",), ("</img>",)),
    num_tokens=num_tokens,
    inputs=inputs,
    visual=visual,
)

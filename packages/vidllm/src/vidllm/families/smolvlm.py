"""SmolVLM2: every frame at the tower's one size, 64 tokens, no tiles.

Its processor cuts a still into as many as sixteen tiles of 64 tokens each, which is not for
sequences; for the frames of a video it does what is done here.
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


def num_tokens(base_config: Any, config: ModelConfig) -> int:
    """Visual tokens of a frame: patches, shuffled scale_factor x scale_factor into one."""
    vision = base_config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    return int(patches // base_config.scale_factor**2)


def inputs(
    processor: Any, frames: Sequence[Image], groups: Groups, base_config: Any, config: ModelConfig
) -> dict[str, Tensor]:
    """pixel_values (1, P, 3, H, W) and pixel_attention_mask (1, P, H, W)."""
    side = {"longest_edge": base_config.vision_config.image_size}
    made = processor(
        [list(frames)],
        do_image_splitting=False,
        size=side,
        max_image_size=side,
        return_tensors="pt",
    )
    return {name: made[name] for name in ("pixel_values", "pixel_attention_mask")}


def visual(model: Any, inputs: Mapping[str, Tensor]) -> Visual:
    """The shuffled patches of each frame."""
    seen = model.model.get_image_features(
        inputs["pixel_values"], inputs["pixel_attention_mask"].bool(), return_dict=True
    )
    return Visual(torch.cat(list(seen.pooler_output)))


SMOLVLM = Family(
    model_type="smolvlm",
    decoder="model.text_model",
    connectors=("model.connector",),
    chat=Chat(
        opening="<|im_start|>User:",
        again="User: ",
        asked="<end_of_utterance>\nAssistant:",
        end="<end_of_utterance>",
        spaced_answers=True,
    ),
    around=(("<fake_token_around_image>", "<global-img>"), ("<fake_token_around_image>",)),
    num_tokens=num_tokens,
    inputs=inputs,
    visual=visual,
)

"""How pictures become TimeChat's input; seqsynth chooses the frames (`seqsynth.uniform_frames`).

Shape suffixes: F frames, H W pixels, C channels.
"""

from __future__ import annotations

import math
import random

import torch
from torch import Tensor
from torch.nn import functional

from seqsynth import pack_normalize, pixel_table
from vidllm.timechat.config import Differences

# CLIP's, over pixels from 0 to 1.
PIXEL_MEAN = (0.48145466, 0.4578275, 0.40821073)
PIXEL_STD = (0.26862954, 0.26130258, 0.27577711)
CROP_AREA = (0.5, 1.0)
CROP_ASPECT = (3 / 4, 4 / 3)
CROP_ATTEMPTS = 10


def normalised(frames_FHWC: Tensor) -> Tensor:
    """(F, H, W, 3) uint8 RGB -> (F, 3, H, W) float32, as the vision transformer expects it.

    The frames are on the CPU; the bits are those of `(x / 255 - mean) / std` in torch.
    """
    num_frames, height, width, channels = frames_FHWC.shape
    x_FCHW = torch.empty((num_frames, channels, height, width))
    pack_normalize([frames_FHWC.numpy()], pixel_table(PIXEL_MEAN, PIXEL_STD), x_FCHW.numpy())
    return x_FCHW


def cropped(
    frames_FHWC: Tensor,
    rng: random.Random,
    size: int,
    *,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> Tensor:
    """The same random box of every frame, as (F, size, size, 3) uint8: the original's augmentation.

    `vidllm train` does without, so that what an example shows is a function of the example alone.

    Args:
        frames_FHWC: uint8.
        rng: draws the box, of half the picture or more.
        size: pixels a side.
        differences: `crop_wraps_around`.
    """
    top, left, height, width = crop_box(frames_FHWC.shape[1], frames_FHWC.shape[2], rng)
    box_FCHW = frames_FHWC[:, top : top + height, left : left + width].permute(0, 3, 1, 2)
    resized = functional.interpolate(
        box_FCHW.float(), size=(size, size), mode="bicubic", align_corners=False
    )
    # Towards zero, as a cast to uint8 does; the filter overshoots at edges.
    whole = resized.long()
    whole = whole % 256 if differences.crop_wraps_around else whole.clamp(0, 255)
    return whole.to(torch.uint8).permute(0, 2, 3, 1)


def crop_box(height: int, width: int, rng: random.Random) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random box; the largest fitting one if none was found."""
    low, high = (math.log(aspect) for aspect in CROP_ASPECT)
    for _ in range(CROP_ATTEMPTS):
        area = height * width * rng.uniform(*CROP_AREA)
        aspect = math.exp(rng.uniform(low, high))
        box_width, box_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < box_width <= width and 0 < box_height <= height:
            top, left = rng.randint(0, height - box_height), rng.randint(0, width - box_width)
            return top, left, box_height, box_width
    aspect = min(max(width / height, CROP_ASPECT[0]), CROP_ASPECT[1])
    box_width, box_height = min(width, round(height * aspect)), min(height, round(width / aspect))
    return (height - box_height) // 2, (width - box_width) // 2, box_height, box_width

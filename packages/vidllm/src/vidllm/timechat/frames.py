"""Which frames of a video TimeChat looks at, and how pictures become its input.

Shape suffixes: F frames, H W pixels, C channels.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
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


def uniform_frames(num_video_frames: int, num_frames: int) -> list[int]:
    """Frame indices at even distances from the first one on; all when there are fewer.

    Args:
        num_video_frames: how many the video has.
        num_frames: how many to take.

    Raises:
        ValueError: none to take, or none there.
    """
    count = _count(num_video_frames, num_frames)
    # The grid in floats is the original's: a quotient of integers differs for some lengths.
    grid = np.arange(0, num_video_frames, num_video_frames / count)[:count]
    return [int(index) for index in grid]


def random_frames(
    num_video_frames: int,
    num_frames: int,
    rng: random.Random,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> list[int]:
    """Frame indices in order, one drawn from each of `num_frames` intervals of equal length.

    Args:
        num_video_frames: how many the video has.
        num_frames: how many to take; all when there are fewer.
        rng: draws.
        differences: `last_frame_never_drawn`.

    Raises:
        ValueError: none to take, or none there.
    """
    count = _count(num_video_frames, num_frames)
    bounds = [int(bound) for bound in np.linspace(0, num_video_frames, count + 1)]
    left_out = int(differences.last_frame_never_drawn)
    intervals = [range(a, b - left_out) for a, b in pairwise(bounds)]
    if any(len(interval) == 0 for interval in intervals):
        return sorted(rng.sample(range(num_video_frames), count))
    return [rng.choice(interval) for interval in intervals]


def seconds_of(frame_indices: Sequence[int], fps: float) -> list[float]:
    """When frames are shown, to a tenth of a second."""
    return [round(index / fps, 1) for index in frame_indices]


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
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> Tensor:
    """The same random box of every frame, as (F, size, size, 3) uint8: training's augmentation.

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


def _count(num_video_frames: int, num_frames: int) -> int:
    if num_video_frames < 1 or num_frames < 1:
        raise ValueError(
            f"{num_frames} frames of a video of {num_video_frames}: both have to be at least 1"
        )
    return min(num_video_frames, num_frames)

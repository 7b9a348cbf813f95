"""From the eye's features to the language model's input embeddings.

Shape suffixes: N frames, C features, V visual tokens a frame, D embedding width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidllm.config import ModelConfig

SCALE_FLOOR = 1e-3


class Projector(nn.Module):
    """Standardises features and maps each frame's to `num_visual_tokens` embeddings.

    Mean and spread are buffers: they are part of the checkpoint, so a prediction needs no
    training data. Both are (C,). `mlp` adds a hidden layer to the linear map; its output starts
    at zero, so both kinds begin the same.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, config: ModelConfig, feature_width: int, hidden_size: int):
        super().__init__()
        self.num_visual_tokens = config.num_visual_tokens
        self.hidden_size = hidden_size
        outputs = config.num_visual_tokens * hidden_size
        self.register_buffer("mean", torch.zeros(feature_width))
        self.register_buffer("scale", torch.ones(feature_width))
        self.linear = nn.Linear(feature_width, outputs)
        self.residual: nn.Module | None = None
        if config.projector == "mlp":
            last = nn.Linear(config.projector_hidden, outputs)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.residual = nn.Sequential(
                nn.Linear(feature_width, config.projector_hidden), nn.GELU(), last
            )

    def forward(self, features_NC: Tensor) -> Tensor:
        """(N, C) -> (N, V, D)."""
        x_NC = self.standardised(features_NC)
        y: Tensor = self.linear(x_NC)
        if self.residual is not None:
            y = y + self.residual(x_NC)
        return y.view(-1, self.num_visual_tokens, self.hidden_size)

    def standardised(self, features_NC: Tensor) -> Tensor:
        """Features with the training set's mean taken off, in units of its spread."""
        return (features_NC - self.mean) / self.scale

    @torch.no_grad()
    def fit_scale(self, features_NC: Tensor) -> None:
        """Sets mean and spread from the training set's features.

        Raises:
            ValueError: fewer than two pictures, which have no spread.
        """
        if len(features_NC) < 2:
            raise ValueError(
                f"the projector starts on the training stills, and there is {len(features_NC)}: "
                "give it two at least"
            )
        self.mean.copy_(features_NC.mean(0))
        self.scale.copy_(features_NC.std(0) + SCALE_FLOOR)

    @torch.no_grad()
    def set_map(self, map_CD: Tensor, bias_D: Tensor) -> None:
        """Makes the linear map this one, the same for every visual token."""
        self.linear.weight.copy_(map_CD.T.repeat(self.num_visual_tokens, 1))
        self.linear.bias.copy_(bias_D.repeat(self.num_visual_tokens))

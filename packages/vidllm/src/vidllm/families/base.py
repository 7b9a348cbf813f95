"""What tells the families of today's VLMs apart, as far as frames and text between them go.

All of them are: a vision tower, a connector, a decoder whose input embeddings are replaced by
visual ones at placeholder tokens. `vidllm.model.vision_llm.VisionLLM` does that for all; a `Family`
says how pixels are prepared, how many tokens a picture has, what stands around them, and which
rotary positions they take.

Shape suffixes: F frames, P pictures, M visual tokens of a batch, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL.Image import Image
from torch import Tensor

from vidllm.config import ModelConfig
from vidllm.prompt_script import Chat

Groups = Sequence[tuple[int, ...]]
"""For each picture the numbers of the frames it shows."""


@dataclass(frozen=True, slots=True)
class Visual:
    """What a vision tower and its connector make of a batch's pictures.

    Attributes:
        tokens: (M, D) input embeddings, in the order of the placeholders.
        deep: (M, D) each: added to the first layers' outputs at the same places (DeepStack).
    """

    tokens: Tensor
    deep: tuple[Tensor, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One architecture of transformers.

    Attributes:
        model_type: of its configurations.
        decoder: dotted name of the language model, inside the model for conditional generation.
        connectors: dotted names of what lies between vision and language.
        routes: what model.visual_route may be; the first is the default everywhere.
        frames_per_picture: with the route `video`.
        chat: its turns.
        around: tokens before and after the visual tokens of a picture.
        num_tokens: visual tokens of a picture, from the base's and our configuration.
        inputs: square frames to what `visual` takes; `groups` says which frames share a picture.
        visual: the model for conditional generation and these inputs to visual tokens.
        grids: (P, 2) height and width of each picture in tokens, where its tokens have positions
            of their own (M-RoPE); None: they count like text.
    """

    model_type: str
    decoder: str = "model.language_model"
    connectors: tuple[str, ...]
    routes: tuple[str, ...] = ("images",)
    frames_per_picture: int = 1
    chat: Chat = field(default_factory=Chat)
    around: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    num_tokens: Callable[[Any, ModelConfig], int]
    inputs: Callable[[Any, Sequence[Image], Groups, Any, ModelConfig], dict[str, Tensor]]
    visual: Callable[[Any, Mapping[str, Tensor]], Visual]
    grids: Callable[[Any, Mapping[str, Tensor]], Tensor] | None = None

    def check(self, config: ModelConfig) -> None:
        """Refuses settings that this family does not have.

        Raises:
            ValueError: names the setting.
        """
        if config.visual_route not in self.routes:
            raise ValueError(
                f"model.visual_route is {config.visual_route!r}: {self.model_type} has "
                f"{' and '.join(self.routes)} (its video input is the same pictures one by one)"
            )
        if len(config.image_sizes) != 1:
            raise ValueError(
                f"model.image_sizes is {config.image_sizes}: {self.model_type} takes one size"
            )

    def pictured(self, config: ModelConfig) -> int:
        """How many neighbouring frames share a picture."""
        return self.frames_per_picture if config.visual_route == "video" else 1

"""Trials of TimeChat and Video-LLaMA without downloads; the real runs are the paper's recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vidllm.config import DataConfig, ModelConfig, OptimConfig, PromptConfig, TrainConfig
from vidllm.stage_config import StageConfig


def smoke_timechat() -> TrainConfig:
    """A trial of TimeChat without downloads: small random parts on drawn shapes, seconds."""
    return TrainConfig(
        recipe="smoke_timechat",
        model=ModelConfig(
            adapter="timechat", base="random", image_sizes=(32,), lora_rank=4, lora_alpha=4
        ),
        prompt=PromptConfig(layout="block", template="chat", turns="dialogue"),
        data=DataConfig(
            corpus="shapes",
            stages=(
                StageConfig(name="images", num_steps=8, max_images=8),
                StageConfig(name="clips", num_steps=4, image_weight=0.5, clip_weight=0.5),
            ),
        ),
        optim=OptimConfig(micro_batch_size=2),
        checkpoint_every=5,
    )


def smoke_videollama() -> TrainConfig:
    """A trial of Video-LLaMA without downloads: no time text, one window, plain numbers."""
    base = smoke_timechat()
    model = replace(base.model, adapter="videollama", codec="index")
    return replace(base, recipe="smoke_videollama", model=model)


TIMECHAT_RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "smoke_timechat": smoke_timechat,
    "smoke_videollama": smoke_videollama,
}

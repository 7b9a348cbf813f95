"""Named runs: functions that return a configuration, listed by hand in `RECIPES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vidllm.config import (
    DataConfig,
    ModelConfig,
    OptimConfig,
    StageConfig,
    TrainConfig,
)


def tiny() -> TrainConfig:
    """The embedded default: SmolLM2-135M on named pictures, minutes on two CPU cores."""
    return TrainConfig(
        recipe="tiny",
        data=DataConfig(
            stages=(
                StageConfig(
                    name="align",
                    num_steps=60,
                    caption_weight=1.0,
                    image_weight=0.0,
                    images_per_caption_example=12,
                    lora_scale=0.2,
                ),
                StageConfig(
                    name="images",
                    num_steps=160,
                    caption_weight=0.1,
                    image_weight=0.9,
                    text_fraction=0.3,
                    task_weights=(0.8, 0.1, 0.1),
                ),
                StageConfig(name="clips", num_steps=40, image_weight=0.5, clip_weight=0.5),
            ),
        ),
    )


def tiny_without_seq2time() -> TrainConfig:
    """The control of `tiny`: the same steps on the same pictures, captions alone, no places."""
    base = tiny()
    return replace(
        base,
        recipe="tiny_without_seq2time",
        data=replace(base.data, without_places=True),
    )


def smoke() -> TrainConfig:
    """A trial without downloads: a random two-layer model on drawn shapes, seconds."""
    return TrainConfig(
        recipe="smoke",
        model=ModelConfig(adapter="random", image_size=32, lora_rank=4, lora_alpha=4),
        data=DataConfig(
            corpus="shapes",
            stages=(
                StageConfig(name="align", num_steps=4, caption_weight=1.0, image_weight=0.0),
                StageConfig(name="images", num_steps=8, max_images=8),
                StageConfig(name="clips", num_steps=4, image_weight=0.5, clip_weight=0.5),
            ),
        ),
        optim=OptimConfig(micro_batch_size=2),
        checkpoint_every=5,
    )


def smoke_without_seq2time() -> TrainConfig:
    """The control of `smoke`."""
    base = smoke()
    return replace(
        base,
        recipe="smoke_without_seq2time",
        data=replace(base.data, without_places=True),
    )


RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "tiny": tiny,
    "tiny_without_seq2time": tiny_without_seq2time,
    "smoke": smoke,
    "smoke_without_seq2time": smoke_without_seq2time,
}

"""Named runs: functions that return a configuration, listed by hand in `RECIPES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vidllm.config import AlignConfig, DataConfig, ModelConfig, OptimConfig, TrainConfig
from vidllm.paper_recipes import PAPER_RECIPES
from vidllm.stage_config import StageConfig
from vidllm.timechat_recipes import TIMECHAT_RECIPES
from vidllm.vlm_recipes import VLM_RECIPES


def tiny() -> TrainConfig:
    """The embedded default: SmolLM2-135M on named pictures, minutes on two CPU cores."""
    return TrainConfig(
        recipe="tiny",
        model=ModelConfig(image_sizes=(160, 256), align=AlignConfig(ridge_strength=8000.0)),
        data=DataConfig(
            stages=(
                # Many short questions first: finding a place is learned in some seventy steps.
                StageConfig(
                    name="pairs",
                    num_steps=70,
                    templates=("pairs",),
                    supervise="codes",
                    max_images=24,
                    num_turns=16,
                    text_fraction=0.3,
                    task_weights=(1.0, 0.0, 0.0),
                    image_weight=0.72,
                    clip_weight=0.28,
                    still_clip_fraction=0.7,
                    num_clip_turns=5,
                    clip_task_weights=(0.0, 1.0),
                    decay="constant",
                ),
                # Then the paper's tasks in its wording, the short one in between.
                StageConfig(
                    name="paper",
                    num_steps=210,
                    templates=("paper", "paper", "pairs"),
                    supervise="codes",
                    min_images=8,
                    max_images=32,
                    num_turns=14,
                    text_fraction=0.0,
                    task_weights=(0.9, 0.05, 0.05),
                    image_weight=0.79,
                    clip_weight=0.21,
                    still_clip_fraction=0.6,
                    num_clip_turns=5,
                    clip_task_weights=(0.1, 0.9),
                    curriculum_fraction=0.0,
                    decay_fraction=0.5,
                    warmup_steps=1,
                ),
            ),
        ),
        optim=OptimConfig(
            # Few sequences of many questions each: more steps for the same tokens.
            global_batch_size=2,
            micro_batch_size=2,
            projector_learning_rate=0.0,
            lora_learning_rate=1e-3,
            token_learning_rate=1e-3,
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


def small() -> TrainConfig:
    """`tiny` with sequences as long as the paper's, for a GPU or a night on a CPU."""
    base = tiny()
    *first, last = (replace(stage, num_steps=8 * stage.num_steps) for stage in base.data.stages)
    stages = (*first, replace(last, max_images=96, max_clips=10, num_clip_frames=96))
    return replace(base, recipe="small", data=replace(base.data, stages=stages))


def smoke() -> TrainConfig:
    """A trial without downloads: a random two-layer model on drawn shapes, seconds."""
    return TrainConfig(
        recipe="smoke",
        model=ModelConfig(
            adapter="random",
            image_sizes=(32,),
            lora_rank=4,
            lora_alpha=4,
            align=AlignConfig(layer=1, num_folds=2),
        ),
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
    "small": small,
    "smoke": smoke,
    "smoke_without_seq2time": smoke_without_seq2time,
    **TIMECHAT_RECIPES,
    **PAPER_RECIPES,
    **VLM_RECIPES,
}

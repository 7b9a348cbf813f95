"""What happens at which step: the stage, the lengths it has grown to, and the learning rates.

Pure functions of the configuration and the step, so that a resumed run needs no memory of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from vidllm.config import TrainConfig
from vidllm.stage_config import StageConfig

GROUPS = ("projector", "lora", "tokens")


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a step lies: `step_in_stage` counts from 0 up to `num_steps` - 1."""

    stage: StageConfig
    stage_index: int
    step_in_stage: int
    num_steps: int

    @property
    def progress(self) -> float:
        """The share of the stage that is done, in [0, 1)."""
        return self.step_in_stage / self.num_steps


def moment_of(config: TrainConfig, step: int) -> Moment:
    """The stage of an optimizer step, counted from 0; steps beyond the end belong to the last."""
    first = 0
    sizes = config.stage_steps
    for index, (stage, size) in enumerate(zip(config.data.stages, sizes, strict=True)):
        if step < first + size or index == len(sizes) - 1:
            return Moment(stage, index, min(step - first, size - 1), size)
        first += size
    raise AssertionError("a configuration has at least one stage")


def longest_images(moment: Moment) -> int:
    """The most images a sequence may have at this moment of the curriculum."""
    stage = moment.stage
    if stage.curriculum_fraction == 0:
        return stage.max_images
    grown = min(1.0, moment.progress / stage.curriculum_fraction)
    return stage.min_images + round(grown * (stage.max_images - stage.min_images))


def learning_rates(config: TrainConfig, step: int) -> dict[str, float]:
    """The learning rate of each parameter group at an optimizer step, counted from 0."""
    moment = moment_of(config, step)
    stage, optim = moment.stage, config.optim
    scale = _warmup(moment) if moment.step_in_stage < stage.warmup_steps else _decay(moment)
    return {
        "projector": optim.projector_learning_rate * stage.projector_scale * scale,
        "lora": optim.lora_learning_rate * stage.lora_scale * scale,
        "tokens": optim.token_learning_rate * stage.lora_scale * scale,
    }


def _warmup(moment: Moment) -> float:
    stage, step = moment.stage, moment.step_in_stage
    if stage.warmup_start is None:
        return (step + 1) / stage.warmup_steps
    return stage.warmup_start + (1 - stage.warmup_start) * step / stage.warmup_steps


def _decay(moment: Moment) -> float:
    stage = moment.stage
    if stage.decay == "constant" or stage.decay_fraction == 0:
        return 1.0
    done = max(0.0, (moment.progress - (1 - stage.decay_fraction)) / stage.decay_fraction)
    shape = 1 - done if stage.decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return stage.final_scale + (1 - stage.final_scale) * shape

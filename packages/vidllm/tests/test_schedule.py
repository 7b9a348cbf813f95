"""Stages, curriculum and learning rates as functions of the step."""

from dataclasses import replace

import pytest

from vidllm.config import DataConfig, OptimConfig, TrainConfig
from vidllm.paper_recipes import PAPER_RECIPES
from vidllm.schedule import learning_rates, longest_images, moment_of
from vidllm.stage_config import StageConfig


def two_stages() -> TrainConfig:
    stages = (
        StageConfig(name="a", num_steps=10, warmup_steps=4, lora_scale=0.0, decay="constant"),
        StageConfig(
            name="b",
            num_steps=20,
            warmup_steps=0,
            min_images=4,
            max_images=12,
            curriculum_fraction=0.5,
            decay_fraction=0.5,
            final_scale=0.1,
        ),
    )
    optim = OptimConfig(
        projector_learning_rate=2.0, lora_learning_rate=1.0, token_learning_rate=0.5
    )
    return TrainConfig(data=DataConfig(stages=stages), optim=optim)


def test_every_step_has_a_stage() -> None:
    config = two_stages()
    names = [moment_of(config, step).stage.name for step in range(config.num_steps)]
    assert names == ["a"] * 10 + ["b"] * 20
    assert moment_of(config, 10).step_in_stage == 0
    assert moment_of(config, 999).stage.name == "b"


def test_warm_up_restarts_with_each_stage_and_frozen_parts_stay_still() -> None:
    config = two_stages()
    first = [learning_rates(config, step) for step in range(5)]
    assert [rates["projector"] for rates in first] == [0.5, 1.0, 1.5, 2.0, 2.0]
    assert {rates["lora"] for rates in first} == {0.0}
    assert learning_rates(config, 10) == {"projector": 2.0, "lora": 1.0, "tokens": 0.5}


# Epoch, iteration and learning rate of TimeChat's second stage, from its own scheduler.
TIMECHAT_RATES = (
    (0, 0, 1e-06),
    (0, 1, 1.0021969696969697e-06),
    (0, 6600, 1.55e-05),
    (0, 13199, 2.999780303030303e-05),
    (0, 13200, 2.8090169943749472e-05),
    (0, 21999, 2.5000412221463708e-05),
    (1, 0, 2.5e-05),
    (1, 11000, 2e-05),
    (2, 0, 1.5e-05),
    (2, 21999, 1.0000000011328748e-05),
)


def test_rates_of_the_papers_baseline_are_those_of_its_own_scheduler() -> None:
    stage = PAPER_RECIPES["timechat_baseline"]().data.stages[0]
    stage = replace(stage, num_steps=66_000, warmup_steps=13_200)
    optim = OptimConfig(lora_learning_rate=3e-5)
    config = TrainConfig(data=DataConfig(stages=(stage,)), optim=optim)
    for epoch, iteration, rate in TIMECHAT_RATES:
        ours = learning_rates(config, 22_000 * epoch + iteration)["lora"]
        assert ours == pytest.approx(rate, rel=1e-12), (epoch, iteration)


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_decay_falls_to_its_floor_within_its_share(decay: str) -> None:
    config = two_stages()
    stage = replace(config.data.stages[1], decay=decay)
    config = replace(config, data=replace(config.data, stages=(config.data.stages[0], stage)))
    rates = [learning_rates(config, step)["lora"] for step in range(10, 30)]
    assert rates[:11] == [1.0] * 11
    assert rates == sorted(rates, reverse=True)
    assert 0.1 <= rates[-1] < 0.2


def test_sequences_grow_from_the_shortest_to_the_longest() -> None:
    config = two_stages()
    lengths = [longest_images(moment_of(config, step)) for step in range(10, 30)]
    assert lengths[0] == 4
    assert lengths[10:] == [12] * 10
    assert lengths == sorted(lengths)
    flat = replace(config.data.stages[1], curriculum_fraction=0.0)
    config = replace(config, data=replace(config.data, stages=(config.data.stages[0], flat)))
    assert longest_images(moment_of(config, 10)) == 12

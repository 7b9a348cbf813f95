"""The configuration: what it refuses, what it keeps."""

import json
import re
from dataclasses import FrozenInstanceError, replace

import pytest

from vidllm.config import DataConfig, ModelConfig, OptimConfig, TrainConfig
from vidllm.config_json import from_json, to_json
from vidllm.recipes import RECIPES
from vidllm.stage_config import StageConfig


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_and_survives_json(name: str) -> None:
    config = RECIPES[name]()
    assert config.recipe == name
    assert from_json(to_json(config)) == config


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainConfig().seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelConfig(image_sizes=(64, 8)), "model.image_sizes is (64, 8)"),
        (lambda: ModelConfig(image_sizes=()), "model.image_sizes is ()"),
        (lambda: ModelConfig(num_visual_tokens=0), "model.num_visual_tokens is 0"),
        (lambda: ModelConfig(lora_dropout=1.0), "model.lora_dropout is 1.0"),
        (lambda: StageConfig(name="x", num_steps=0), "stage 'x' num_steps is 0"),
        (lambda: StageConfig(name="x", num_steps=1, image_weight=0.0), "stage 'x' weights"),
        (lambda: StageConfig(name="x", num_steps=1, min_images=9, max_images=8), "(9, 8)"),
        (lambda: StageConfig(name="x", num_steps=1, task_weights=(0, 0, 0)), "task_weights"),
        (lambda: DataConfig(stages=()), "data.stages"),
        (lambda: DataConfig(stages=(StageConfig(name="a", num_steps=1),) * 2), "its own name"),
        (lambda: OptimConfig(global_batch_size=5, micro_batch_size=2), "multiple of"),
        (lambda: OptimConfig(max_grad_norm=0.0), "optim.max_grad_norm is 0.0"),
        (lambda: OptimConfig(weight_decay=-0.1), "optim.weight_decay is -0.1: give 0 or more"),
        (
            lambda: DataConfig(without_places=True, mixture="paper_phase1"),
            "stage 'images' mixture is 'paper_phase1': leave it out",
        ),
        (lambda: TrainConfig(seed=-1), "seed is -1"),
    ],
)
def test_a_value_that_cannot_work_is_named(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()  # type: ignore[operator]


def test_max_steps_shrinks_stages_in_proportion() -> None:
    config = RECIPES["smoke"]()
    assert config.stage_steps == (4, 8, 4)
    assert replace(config, optim=replace(config.optim, max_steps=8)).stage_steps == (2, 4, 2)
    assert replace(config, optim=replace(config.optim, max_steps=3)).stage_steps == (1, 1, 1)
    for total in range(3, 50):
        steps = replace(config, optim=replace(config.optim, max_steps=total)).stage_steps
        assert sum(steps) == total
        assert min(steps) >= 1


def test_fewer_steps_than_stages_are_refused() -> None:
    config = RECIPES["smoke"]()
    with pytest.raises(ValueError, match="each of the 3 stages"):
        replace(config, optim=replace(config.optim, max_steps=2))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("model", "lora_rnk"), 4, "config.model.lora_rnk: no such setting"),
        (("model", "lora_rank"), "four", "config.model.lora_rank is 'four': expected int"),
        (("model", "lora_rank"), True, "expected int"),
        (("data", "corpus"), "emoji", "choose one of default, shapes"),
        (("data", "stages"), 3, "expected a list"),
        (
            ("data", "stages"),
            [{"name": "a", "num_steps": 1, "task_weights": [1.0, 1.0]}],
            "config.data.stages[0].task_weights is [1.0, 1.0]: expected 3 values",
        ),
        (("optim",), [], "expected an object"),
    ],
)
def test_a_damaged_file_names_the_setting(
    path: tuple[str, ...], value: object, message: str
) -> None:
    record = json.loads(to_json(TrainConfig()))
    place = record
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        from_json(json.dumps(record))


def test_text_that_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="not a configuration: line 1"):
        from_json("{")
    with pytest.raises(ValueError, match="not a configuration: expected an object, got list"):
        from_json("[]")


def test_accumulation_keeps_the_global_batch() -> None:
    optim = OptimConfig(global_batch_size=8, micro_batch_size=2)
    assert [optim.accumulation_steps(n) for n in (1, 2, 4)] == [4, 2, 1]
    with pytest.raises(ValueError, match="micro_batch_size x processes = 2 x 3"):
        optim.accumulation_steps(3)


@pytest.mark.parametrize("version", [None, 2, "1"])
def test_a_run_of_another_version_is_not_guessed_at(version: object) -> None:
    record = json.loads(to_json(TrainConfig()))
    assert record.pop("format_version") == 1
    if version is not None:
        record["format_version"] = version
    what = "no format version" if version is None else f"format version {version!r}"
    with pytest.raises(ValueError, match=f"a run of {what}, this vidllm reads 1: go on"):
        from_json(json.dumps(record | {"unheard": "of"}))

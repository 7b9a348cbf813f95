"""The recipes of today's VLMs: both phases of the paper, sizes known without a download."""

import pytest

from seqsynth import MIXTURES
from vidllm.assembly import adapter_of
from vidllm.recipes import RECIPES
from vidllm.vlm_recipes import VLM_RECIPES

# Parameters in millions as released, visual tokens of a frame with what stands around them.
SIZES = {
    "qwen3_vl_2b": (2127.5, 51),
    "qwen3_vl_8b": (8767.1, 51),
    "qwen2_5_vl_7b": (8292.2, 66),
    "smolvlm2_500m": (507.5, 67),
    "internvl3_5_2b": (2348.3, 258),
    "llava_onevision_7b": (8029.9, 197),
}


@pytest.mark.parametrize("name", VLM_RECIPES)
def test_a_recipe_has_the_released_sizes(name: str) -> None:
    config = RECIPES[name]()
    described = adapter_of(config.model).describe(config.model)
    total = described.eye_parameters + described.llm_parameters + described.connector_parameters
    assert (round(total / 1e6, 1), described.visual_tokens_per_frame) == SIZES[name]
    assert described.frozen_bytes == 2
    assert described.token_matrices == (1 if name == "qwen3_vl_2b" else 2)


@pytest.mark.parametrize("name", VLM_RECIPES)
def test_a_recipe_shows_the_papers_mixtures(name: str) -> None:
    config = RECIPES[name]()
    assert config.recipe == name
    for stage in config.data.stages:
        spare = stage.num_steps * config.optim.global_batch_size
        spare -= MIXTURES[stage.mixture]().num_examples
        assert 0 <= spare < config.optim.global_batch_size
    assert [config.optim.accumulation_steps(gpus) for gpus in (1, 8, 64)] == [64, 8, 1]

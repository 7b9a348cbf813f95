"""The paper's runs: every row of its tables, both phases, the schedule of each."""

import pytest

from seqsynth import MIXTURES, TABLES
from vidllm.paper_recipes import PAPER_RECIPES, TABLE_ROWS
from vidllm.recipes import RECIPES
from vidllm.schedule import learning_rates


def test_every_row_has_a_recipe_on_its_mixtures() -> None:
    assert {table: list(rows) for table, rows in TABLE_ROWS.items()} == {
        table: list(rows) for table, rows in TABLES.items()
    }
    for table, rows in TABLES.items():
        for row, mixtures in rows.items():
            recipe = TABLE_ROWS[table][row]
            if not mixtures:
                assert recipe == "", "nothing is trained for this row"
                continue
            stages = RECIPES[recipe]().data.stages
            assert tuple(stage.mixture for stage in stages) == mixtures, (table, row)


@pytest.mark.parametrize("name", PAPER_RECIPES)
def test_a_recipe_shows_each_example_of_its_mixtures_once_an_epoch(name: str) -> None:
    config = PAPER_RECIPES[name]()
    assert config.recipe == name
    for stage in config.data.stages:
        mixture = MIXTURES[stage.mixture]()
        spare = stage.num_steps * config.optim.global_batch_size - mixture.num_examples
        assert 0 <= spare < config.optim.global_batch_size
        assert (mixture.sequences.codec == config.model.codec) or mixture.image_codec == "index"


def test_the_schedule_of_the_paper_starts_again_in_phase_2() -> None:
    config = PAPER_RECIPES["paper"]()
    # 643K examples once, 150K three times, eight a step.
    assert config.stage_steps == (80_375, 56_250)
    rates = [learning_rates(config, step)["lora"] for step in range(config.num_steps)]
    first, second = rates[:80_375], rates[80_375:]
    for phase in (first, second):
        assert phase[0] == pytest.approx(1e-6)  # warm-up
        assert phase[-1] == pytest.approx(1e-5, rel=1e-3)
        assert max(phase) == pytest.approx(3e-5, rel=1e-3)
    assert second[11_250] == pytest.approx(2.81e-5, rel=1e-2)  # 0.6 of an epoch
    assert learning_rates(config, 100)["projector"] == rates[100]


def test_the_batch_does_not_change_with_the_number_of_gpus() -> None:
    optim = PAPER_RECIPES["paper"]().optim
    assert [optim.accumulation_steps(gpus) for gpus in (1, 2, 4, 8)] == [8, 4, 2, 1]
    with pytest.raises(ValueError, match="give a multiple of"):
        optim.accumulation_steps(16)

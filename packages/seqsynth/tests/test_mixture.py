from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth import RECIPES, SequenceRecipe
from seqsynth.mixture import MixtureRecipe, Part, apportion, with_shares, with_size, with_tasks
from seqsynth.mixture_recipes import MIXTURES, load_recipe, read_mixture

IMAGE_TASKS = {"iig": 100_000, "iic": 100_000, "alr": 100_000}
CLIP_TASKS = {"dvc": 50_000, "tvg": 50_000}


def sizes(recipe: MixtureRecipe) -> dict[str, int]:
    return {name: part.size for name, part in recipe.parts.items()}


def test_the_phases_have_the_sizes_of_section_4_1() -> None:
    first, second = MIXTURES["paper_phase1"](), MIXTURES["paper_phase2"]()
    assert sizes(first) == {
        "image_sequences": 300_000,
        "clip_sequences": 100_000,
        "timeit": 110_000,
        "valley": 40_000,
        "sharegpt4video": 93_000,
    }
    assert first.num_examples == 643_000
    assert first.parts["image_sequences"].task_sizes == IMAGE_TASKS
    assert first.parts["clip_sequences"].task_sizes == CLIP_TASKS
    assert sizes(second) == {"timeit": 110_000, "valley": 40_000}
    assert (second.epoch_size, second.num_epochs, second.num_examples) == (150_000, 3, 450_000)


@given(weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=8), total=st.integers(0, 10_000))
def test_apportioned_numbers_sum_to_the_total_and_are_within_one_of_their_share(
    weights: list[float], total: int
) -> None:
    numbers = apportion(weights, total)
    assert sum(numbers) == total
    for number, weight in zip(numbers, weights, strict=True):
        assert abs(number - weight / sum(weights) * total) < 1 + 1e-6


def test_a_mixture_can_be_given_any_size() -> None:
    recipe = with_size(MIXTURES["paper_phase1"](), 643)
    assert sizes(recipe) == {
        "image_sequences": 300, "clip_sequences": 100, "timeit": 110, "valley": 40,
        "sharegpt4video": 93,
    }  # fmt: skip
    with pytest.raises(ValueError, match="3 examples leave none for"):
        with_size(recipe, 3)


def test_a_file_changes_a_named_mixture(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("""
        base = "paper_phase1"
        without = ["valley"]
        num_epochs = 2
        sampling = "uniform"
        [sequences]
        codec = "percent"
        num_frames = 64
        [parts.image_sequences]
        share = 0.5
        tasks = {iig = 3, iic = 1}
        [parts.cooking]
        count = 70
        sources = ["youcook2"]
        tasks = {dvc = 1}
    """)
    recipe = load_recipe(path)
    assert isinstance(recipe, MixtureRecipe)
    assert sizes(recipe) == {
        "image_sequences": 150_000, "clip_sequences": 100_000, "timeit": 110_000, "cooking": 70,
        "sharegpt4video": 93_000,
    }  # fmt: skip
    assert recipe.parts["image_sequences"].task_sizes == {"iig": 112_500, "iic": 37_500}
    assert recipe.sequence_recipe("clip_sequences", "dvc").codec == "percent"
    shown = recipe.video_settings(recipe.parts["cooking"])
    assert (shown.num_frames, shown.sampling, shown.event_tasks) == (64, "uniform", {"dvc": 1})
    assert recipe.num_epochs == 2


def test_a_file_can_name_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        "[parts.a]\ncount = 9\nsources = ['x']\n[parts.b]\ncount = 2\ntasks = {iig=1}\n"
    )
    assert sizes(read_mixture(path)) == {"a": 9, "b": 2}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("base = 'paper_phase3'\n[parts.a]", "unknown mixture 'paper_phase3'"),
        ("base = 'baseline'\nwithout = ['vally']", "unknown part 'vally'; did you mean valley?"),
        ("base = 'baseline'\nwithout = ['timeit', 'valley']", "needs at least one part"),
        ("base = 'baseline'\nepochs = 2", "unknown field 'epochs'; did you mean num_epochs?"),
        ("[parts.a]\nsources = ['x']", "parts.a: count is missing"),
        ("[parts.a]\ncount = 3", "parts.a: a part needs tasks"),
        ("[parts.a]\ncount = 0\nsources = ['x']", "parts.a: count must be at least 1"),
        ("[parts.a]\ncount = 3\nshare = 2\nsources = ['x']", r"parts.a: share must be in \(0, 1\]"),
        ("[parts.a]\ncount = 3\ntasks = {iih = 1}", "parts.a: unknown task 'iih'"),
        ("[parts.a]\ncount = 3\nsources = ['x']\ntasks = {iig = 1}", "unknown task 'iig'"),
        ("[parts.a]\ncount = 3\nsources = 'x'", "parts.a: sources must be of type list"),
        ("[parts.a]\ncount = 3\nsources = [1]", "parts.a: sources must be a list of names, got"),
        ("base = 'baseline'\nsampling = 'rand'", "sampling must be one of"),
        ("base = 'baseline'\n[sequences]\ncodec = 'rtp'", "unknown codec 'rtp'"),
        ("base = 'baseline'\nnum_epochs = 0", "num_epochs must be at least 1"),
        ("base = [", "Invalid"),
    ],
)
def test_a_mixture_file_is_checked(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"mine\.toml: .*{reason}"):
        read_mixture(path)


def test_names_lead_to_recipes_of_both_kinds() -> None:
    for name in RECIPES:
        assert isinstance(load_recipe(name), SequenceRecipe)
    for name in MIXTURES:
        assert isinstance(load_recipe(name), MixtureRecipe)
    with pytest.raises(ValueError, match="unknown recipe 'paper_phase'; did you mean"):
        load_recipe("paper_phase")


def test_shares_and_tasks_of_unknown_parts_are_refused() -> None:
    recipe = MIXTURES["paper_phase1"]()
    with pytest.raises(ValueError, match="unknown part 'images'"):
        with_shares(recipe, {"images": 0.5})
    with pytest.raises(ValueError, match="unknown task 'dvc'"):
        with_tasks(recipe, "image_sequences", ("dvc",))
    with pytest.raises(ValueError, match="share must be in"):
        with_shares(recipe, {"valley": 1.5})
    assert Part(count=10, sources=("x",), share=0.001).size == 1

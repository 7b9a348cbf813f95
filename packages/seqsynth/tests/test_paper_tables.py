"""Every row of the paper's tables: what it trains on, in which sizes, and that it can be made."""

from collections import Counter
from collections.abc import Callable

import pytest

from seqsynth import MIXTURES, TABLES, AnnotatedVideo, Corpus, MixtureDataset, Turn, with_size
from seqsynth.mixture import MixtureRecipe

PARTS_OF_TIMEIT = (
    "yttemporal", "coin", "hirest_step", "queryd", "hirest", "didemo", "anet", "vitt", "summe",
    "tvsum",
)  # fmt: skip
REAL = {"timeit": 110_000, "valley": 40_000}
IMAGES, CLIPS, CAPTIONS = "image_sequences", "clip_sequences", "sharegpt4video"
PHASE_1 = {IMAGES: 300_000, CLIPS: 100_000, CAPTIONS: 93_000, **REAL}


def sizes(name: str) -> dict[str, int]:
    return {part: found.size for part, found in MIXTURES[name]().parts.items()}


def first_phases(table: int) -> dict[str, dict[str, int]]:
    return {row: sizes(names[0]) for row, names in TABLES[table].items() if names}


def video(name: str, source: str) -> AnnotatedVideo:
    turn = Turn("When does it happen?", "The given query happens in 2.0 - 4.0 seconds.")
    turns = (turn,) if source != CAPTIONS else ()
    time_codec = "seconds" if source.startswith("timeit") else ""
    return AnnotatedVideo(
        id=name, path=f"/media/{source}/{name}.mp4", duration_seconds=8.0, num_frames=200,
        turns=turns, time_codec=time_codec, caption="a film",
    )  # fmt: skip


@pytest.fixture
def corpus(
    make_images: Callable[..., tuple[object, ...]], make_clips: Callable[..., tuple[object, ...]]
) -> Corpus:
    """Everything that the paper trains on, a little of each."""
    videos = {f"timeit/{part}": [video(part, f"timeit/{part}")] for part in PARTS_OF_TIMEIT}
    videos["timeit"] = [found[0] for found in videos.values()]
    videos["valley"] = [video("v", "valley")]
    videos[CAPTIONS] = [video("s", CAPTIONS)]
    return Corpus(
        train_images=make_images(120),
        heldout_images=(),
        train_clips=make_clips(12),
        heldout_clips=(),
        root="/media",
        videos=videos,  # type: ignore[arg-type]
    )


def test_every_table_has_the_rows_of_the_paper_and_every_mixture_a_row() -> None:
    assert {table: len(rows) for table, rows in TABLES.items()} == {
        1: 3, 2: 3, 3: 4, 4: 2, 5: 4, 6: 5, 7: 4
    }  # fmt: skip
    used = [name for rows in TABLES.values() for names in rows.values() for name in names]
    assert set(used) == set(MIXTURES)


@pytest.mark.parametrize("name", MIXTURES)
def test_every_mixture_can_be_made_with_its_shares(name: str, corpus: Corpus) -> None:
    recipe = with_size(MIXTURES[name](), 40)
    dataset = MixtureDataset(corpus, recipe, seed=0)
    parts = Counter(dataset.locate(place).part for place in range(40))
    assert parts == {part: found.size for part, found in recipe.parts.items()}
    for place in range(40):
        slot, example = dataset.locate(place), dataset[place]
        folders = {frame.path.split("/")[2] for frame in example.frames}
        is_seconds = name.startswith(("baseline", "without_irr", "without_den", "without_rpt"))
        if slot.part == IMAGES:
            is_free_form = name in ("without_rpt", "video_llama_images")
            assert example.codec == ("index" if is_free_form else "rpt")
            assert example.task == slot.task
        elif slot.part != CLIPS:
            assert folders <= set(recipe.parts[slot.part].sources) | {"timeit"}
            assert example.codec == ("seconds" if is_seconds else "rpt")


def test_table_1_loses_as_much_in_both_rows() -> None:
    rows = first_phases(1)
    assert rows["Full"] == REAL
    assert rows["w/o irr"] == {"timeit": 79_800, "timeit_dvc": 15_100, "valley": 40_000}
    assert rows["w/o dvc"] == {"timeit": 94_900, "valley": 40_000}
    assert sum(rows["w/o irr"].values()) == sum(rows["w/o dvc"].values()) == 150_000 - 15_100
    assert round(15_100 / 125_000, 2) == 0.12
    without = MIXTURES["without_dense_captions"]().parts["timeit"].sources
    kept = MIXTURES["without_irrelevant"]().parts
    assert kept["timeit"].sources == without
    named = {*without, *kept["timeit_dvc"].sources}
    assert named == {f"timeit/{part}" for part in PARTS_OF_TIMEIT}
    assert set(kept["timeit_dvc"].sources) == {"timeit/anet", "timeit/vitt"}


def test_tables_2_to_5_leave_whole_parts_out() -> None:
    assert first_phases(2) == {"TimeChat": REAL, "Seq2Time w/o RPT": PHASE_1, "Seq2Time": PHASE_1}
    without_clips = {name: size for name, size in PHASE_1.items() if name != CLIPS}
    images = {IMAGES: 300_000, **REAL}
    assert list(first_phases(3).values()) == [PHASE_1, without_clips, images, REAL]
    assert first_phases(4) == {"w/ IS": {IMAGES: 300_000}}
    assert list(first_phases(5).values()) == [REAL, images, without_clips, PHASE_1]


def test_table_6_keeps_the_volume_of_the_tasks() -> None:
    rows = {
        row: {
            task: size
            for name, part in MIXTURES[names[0]]().parts.items()
            if name == IMAGES
            for task, size in part.task_sizes.items()
        }
        for row, names in TABLES[6].items()
    }
    assert rows == {
        "IIC + IIG + ALR": {"iig": 100_000, "iic": 100_000, "alr": 100_000},
        "IIG + ALR": {"iig": 150_000, "alr": 150_000},
        "IIC + ALR": {"iic": 150_000, "alr": 150_000},
        "IIC + IIG": {"iig": 150_000, "iic": 150_000},
        "none": {},
    }
    for row, parts in first_phases(6).items():
        assert parts == (REAL if row == "none" else {IMAGES: 300_000, **REAL})


def test_table_7_scales_the_made_sequences_alone() -> None:
    rows = first_phases(7)
    assert rows["0%"] == REAL
    for row, share in {"100%": 1.0, "20%": 0.2, "5%": 0.05}.items():
        made = {IMAGES: round(300_000 * share), CLIPS: round(100_000 * share)}
        assert rows[row] == {**PHASE_1, **made}


def test_second_phases_go_on_with_the_real_videos_of_the_first() -> None:
    def shown(recipe: MixtureRecipe) -> dict[str, object]:
        return {
            name: part
            for name, part in recipe.parts.items()
            if name not in (IMAGES, CLIPS, CAPTIONS)
        }

    for rows in TABLES.values():
        for names in rows.values():
            assert len(names) <= 2
            if len(names) == 2:
                first, second = (MIXTURES[name]() for name in names)
                assert second.parts == shown(first)
                assert (first.num_epochs, second.num_epochs) == (1, 3)
                assert second.sequences == first.sequences

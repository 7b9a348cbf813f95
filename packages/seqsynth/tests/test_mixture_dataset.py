import importlib.util
import pickle
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import Corpus, Example, ImageItem, SequenceRecipe, read_examples
from seqsynth.mixture import MixtureRecipe, Part, with_shares
from seqsynth.mixture_dataset import MixtureDataset
from seqsynth.rank_share import RankShare
from seqsynth.records import AnnotatedVideo, ClipItem, Turn

IMAGES = tuple(
    ImageItem(id=f"i{k}", caption=f"picture {k}", path=f"/m/i{k}.png", label="x") for k in range(30)
)
CLIPS = tuple(
    ClipItem(
        id=f"c{k}",
        label=f"act {k}",
        caption=f"someone does {k}",
        path=f"/m/c{k}.mp4",
        num_frames=40 + k,
        duration_seconds=2.0,
    )
    for k in range(9)
)
GROUNDED = tuple(
    AnnotatedVideo(
        id=f"g{k}",
        path=f"/m/g{k}.mp4",
        duration_seconds=10.0,
        num_frames=250,
        events=(tt.Event(1.0, 2.0 + k / 10, f"event {k}"),),
    )
    for k in range(7)
)
DESCRIBED = tuple(
    AnnotatedVideo(
        id=f"d{k}", path=f"/m/d{k}.mp4", duration_seconds=9.0, num_frames=90, caption=f"video {k}"
    )
    for k in range(40)
)
CORPUS = Corpus(
    train_images=IMAGES,
    heldout_images=(),
    train_clips=CLIPS,
    heldout_clips=(),
    root="/m",
    videos={"grounded": GROUNDED, "described": DESCRIBED},
)
RECIPE = MixtureRecipe(
    parts={
        "images": Part(count=30, tasks={"iig": 1, "iic": 1, "alr": 1}),
        "clips": Part(count=10, tasks={"dvc": 1, "tvg": 1}),
        "grounding": Part(count=11, sources=("grounded",)),
        "captions": Part(count=9, sources=("described",)),
    },
    num_epochs=2,
    sequences=SequenceRecipe(min_images=4, max_images=8, max_clips=4, num_frames=12),
)


@pytest.fixture(scope="module")
def dataset() -> MixtureDataset:
    return MixtureDataset(CORPUS, RECIPE, seed=3)


def test_an_epoch_has_exactly_the_examples_of_the_recipe(dataset: MixtureDataset) -> None:
    assert len(dataset) == 120
    for epoch in range(2):
        slots = [dataset.locate(60 * epoch + place) for place in range(60)]
        assert {slot.epoch for slot in slots} == {epoch}
        assert len(set(slots)) == 60
        assert Counter(slot.part for slot in slots) == {
            "images": 30, "clips": 10, "grounding": 11, "captions": 9
        }  # fmt: skip
        tasks = Counter(dataset[60 * epoch + place].task for place in range(60))
        assert tasks == {
            "iig": 10, "iic": 10, "alr": 10, "dvc": 5, "tvg": 5 + 11, "caption": 9
        }  # fmt: skip


def test_epochs_show_the_same_sequences_in_another_order_and_other_frames(
    dataset: MixtureDataset,
) -> None:
    def by_slot(epoch: int) -> dict[tuple[str, str, int], Example]:
        slots = {place: dataset.locate(60 * epoch + place) for place in range(60)}
        return {(s.part, s.task, s.number): dataset[60 * epoch + p] for p, s in slots.items()}

    first, second = by_slot(0), by_slot(1)
    assert first.keys() == second.keys()
    assert list(first) != list(second)
    for key, example in first.items():
        if key[0] in ("images", "clips"):
            assert second[key] == example
        else:
            assert second[key].frames != example.frames
            assert {f.path for f in second[key].frames} == {f.path for f in example.frames}
    ids = [example.id for example in [*first.values(), *second.values()]]
    assert len(set(ids)) == 120 - 40, "made sequences alone are the same again"


def test_videos_are_shown_equally_often_in_a_seeded_order(dataset: MixtureDataset) -> None:
    slots = {place: dataset.locate(place) for place in range(60)}
    shown = [dataset[p].frames[0].path for p, slot in slots.items() if slot.part == "grounding"]
    assert sorted(Counter(shown).values()) == [1, 1, 1, 2, 2, 2, 2]  # 11 examples of 7 videos
    described = [dataset[p].frames[0].path for p, s in slots.items() if s.part == "captions"]
    assert len(set(described)) == 9
    assert dataset.num_videos() == {"captions": 40, "grounding": 7}
    other = MixtureDataset(CORPUS, RECIPE, seed=4)
    elsewhere = [other[p].frames[0].path for p in range(60) if other.locate(p).part == "captions"]
    assert set(elsewhere) != set(described)


def test_parts_and_tasks_draw_from_different_random_numbers(dataset: MixtureDataset) -> None:
    first_of = {}
    for place in range(60):
        slot = dataset.locate(place)
        if slot.number == 0 and slot.part == "images":
            first_of[slot.task] = [frame.path for frame in dataset[place].frames[:4]]
    assert len(first_of) == 3
    assert len({tuple(paths) for paths in first_of.values()}) == 3


@settings(max_examples=20)
@given(order=st.permutations(range(24)))
def test_an_example_does_not_depend_on_what_was_read_before(order: list[int]) -> None:
    straight = MixtureDataset(CORPUS, RECIPE, seed=3)
    expected = [straight[index] for index in range(24)]
    again = MixtureDataset(CORPUS, RECIPE, seed=3)
    assert {index: again[index] for index in order} == dict(enumerate(expected))


@pytest.mark.parametrize("num_ranks", [1, 2, 3])
@pytest.mark.parametrize("start", [0, 17])
def test_ranks_divide_the_stream_and_together_keep_its_order(
    dataset: MixtureDataset, num_ranks: int, start: int
) -> None:
    shares = [RankShare(dataset, rank, num_ranks, start=start) for rank in range(num_ranks)]
    assert sum(map(len, shares)) == len(dataset) - start
    merged = []
    for step in range(max(map(len, shares))):
        merged += [share[step].id for share in shares if step < len(share)]
    assert merged == [dataset[index].id for index in range(start, len(dataset))]


def ids_of(dataset: MixtureDataset, worker: int, num_workers: int) -> list[tuple[int, str]]:
    indices = range(worker, len(dataset), num_workers)
    return [(index, dataset[index].to_json()) for index in indices]


@pytest.mark.parametrize("num_workers", [2, 3])
def test_worker_processes_make_the_same_examples(dataset: MixtureDataset, num_workers: int) -> None:
    expected = [(index, dataset[index].to_json()) for index in range(len(dataset))]
    with ProcessPoolExecutor(num_workers, mp_context=get_context("fork")) as pool:
        copies = [pickle.loads(pickle.dumps(dataset)) for _ in range(num_workers)]
        parts: Sequence[list[tuple[int, str]]] = list(
            pool.map(ids_of, copies, range(num_workers), [num_workers] * num_workers)
        )
    assert sorted(pair for part in parts for pair in part) == expected


def test_order_of_parts_in_a_recipe_does_not_matter(dataset: MixtureDataset) -> None:
    turned = replace(RECIPE, parts=dict(reversed(RECIPE.parts.items())))
    other = MixtureDataset(CORPUS, turned, seed=3)
    assert [other[k] for k in range(20)] == [dataset[k] for k in range(20)]


def test_the_fingerprint_tells_apart_what_decides_the_examples(dataset: MixtureDataset) -> None:
    videos = {**CORPUS.videos, "grounded": GROUNDED[:-1]}
    others = [
        MixtureDataset(replace(CORPUS, videos=videos), RECIPE, 3),
        MixtureDataset(CORPUS, with_shares(RECIPE, {"images": 0.5}), 3),
        MixtureDataset(CORPUS, replace(RECIPE, sampling="uniform"), 3),
        MixtureDataset(CORPUS, RECIPE, 4),
    ]
    assert len({dataset.fingerprint, *(other.fingerprint for other in others)}) == 5
    moved = tuple(replace(video, path=f"/elsewhere/{video.id}") for video in GROUNDED)
    same = replace(CORPUS, videos={**CORPUS.videos, "grounded": moved})
    assert MixtureDataset(same, RECIPE, 3).fingerprint == dataset.fingerprint


def test_a_video_that_says_nothing_gives_way_to_the_next_and_is_counted() -> None:
    mute = tuple(
        replace(video, caption="") if number % 2 else video
        for number, video in enumerate(DESCRIBED)
    )
    corpus = replace(CORPUS, videos={"described": mute})
    recipe = MixtureRecipe(parts={"captions": Part(count=40, sources=("described",))})
    dataset = MixtureDataset(corpus, recipe, 0)
    cuts: Counter[str] = Counter()
    examples = [dataset.draw(index, cuts=cuts) for index in range(40)]
    assert cuts == {"replaced: neither turns nor events nor a caption": 20}
    assert {int(e.frames[0].path[4:-4]) % 2 for e in examples} == {0}
    assert sum(example.id.count("-") == 3 for example in examples) == 20
    stand_in = dataset.replacement(5, 1)
    assert stand_in.frames[0].path != dataset[5].frames[0].path
    all_mute = replace(corpus, videos={"described": mute[1:2]})
    with pytest.raises(ValueError, match="d1: neither turns nor events nor a caption"):
        MixtureDataset(all_mute, recipe, 0)[0]


def test_turns_of_a_video_that_the_budget_leaves_out_are_counted() -> None:
    ready = (Turn("What happens?", "A man waves."), Turn("And then?", "He goes home again."))
    events = tuple(tt.Event(k, k + 1.0, f"event {k}") for k in (1.0, 4.0))
    asked = AnnotatedVideo(
        id="a", path="/m/a.mp4", duration_seconds=10.0, num_frames=50, turns=ready
    )
    grounded = AnnotatedVideo(
        id="g", path="/m/g.mp4", duration_seconds=10.0, num_frames=50, events=events
    )
    for video, budget in ((asked, 10), (grounded, 45)):
        recipe = MixtureRecipe(
            parts={"all": Part(count=6, sources=("v",), tasks={"tvg": 1})},
            sequences=SequenceRecipe(max_text_tokens=budget, num_turns=2),
        )
        dataset = MixtureDataset(replace(CORPUS, videos={"v": (video,)}), recipe, 0)
        cuts: Counter[str] = Counter()
        assert {len(dataset.draw(index, cuts=cuts).turns) for index in range(6)} == {1}
        assert cuts == {"fewer turns": 6}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"videos": {}}, "part captions: the corpus has no videos of described"),
        ({"videos": {"describe": DESCRIBED}}, "part captions: unknown source 'described'; did you"),
        ({"train_images": ()}, "part images: .* need images"),
        ({"train_clips": CLIPS[:3]}, "part clips: sequences of up to 4 clips"),
    ],
)
def test_a_corpus_that_lacks_a_part_is_refused_at_once(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        MixtureDataset(replace(CORPUS, **changes), RECIPE, 0)


def test_places_and_ranks_outside_are_refused(dataset: MixtureDataset) -> None:
    for index in (-1, 120):
        with pytest.raises(IndexError, match=f"example {index} of 120"):
            dataset[index]
    with pytest.raises(ValueError, match="rank must be in"):
        RankShare(dataset, 2, 2)
    with pytest.raises(ValueError, match="start must be in"):
        RankShare(dataset, 0, 2, start=121)
    with pytest.raises(IndexError, match="example 60 of 60"):
        RankShare(dataset, 0, 2)[60]


def test_examples_of_a_seed_are_those_of_the_golden_file() -> None:
    """Whoever changes these changes everybody's data: golden/make_mixture.py, on purpose only."""
    path = Path(__file__).parent / "golden" / "make_mixture.py"
    spec = importlib.util.spec_from_file_location("make_mixture", path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    golden = list(read_examples(path.with_name("mixture.jsonl"), media_root="/m"))
    assert golden == list(MixtureDataset(made.CORPUS, made.RECIPE, made.SEED))
    assert len(golden) == made.NUM_GOLDEN
    tasks = Counter(example.task for example in golden)
    assert tasks["video"] == tasks["caption"] == tasks["iig"] == 2

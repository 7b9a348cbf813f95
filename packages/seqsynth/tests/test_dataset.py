import pickle
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth import Corpus, Example, ImageItem, SequenceDataset, SequenceRecipe, read_examples

GOLDEN = Path(__file__).parent / "golden" / "examples.jsonl"
SMALL = SequenceRecipe(
    num_examples=40, min_images=4, max_images=9, max_clips=5, num_frames=12, num_turns=2
)


def test_examples_of_a_seed_are_those_of_the_golden_file(corpus: Corpus) -> None:
    """Whoever changes a draw or a text changes everybody's data: regenerate on purpose only.

    The file is written by golden/make_examples.py.
    """
    golden = list(read_examples(GOLDEN, media_root=corpus.root))
    dataset = SequenceDataset(corpus, SMALL, seed=7)
    assert len(golden) == 24
    assert {example.task for example in golden} == {"iig", "iic", "alr", "dvc", "tvg"}
    for index, example in enumerate(golden):
        assert dataset[index] == example


@given(order=st.permutations(range(12)))
def test_an_example_does_not_depend_on_what_was_read_before(order: list[int]) -> None:
    items = tuple(
        ImageItem(id=f"{k}", caption=f"caption {k}", path=f"/{k}", label="x") for k in range(20)
    )
    corpus = Corpus(
        train_images=items, heldout_images=items, train_clips=(), heldout_clips=(), root="/"
    )
    recipe = SequenceRecipe(tasks={"iig": 1, "alr": 1}, num_examples=12, min_images=4, max_images=8)
    straight = list(SequenceDataset(corpus, recipe, 1))
    dataset = SequenceDataset(corpus, recipe, 1)
    assert {index: dataset[index] for index in order} == dict(enumerate(straight))


def test_other_processes_make_the_same_examples(corpus: Corpus) -> None:
    dataset = SequenceDataset(corpus, SMALL, seed=5)
    here = list(dataset)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
        there = list(
            workers.map(SequenceDataset.__getitem__, [dataset] * len(here), range(len(here)))
        )
    assert there == here


def test_a_copy_sent_to_a_worker_is_the_same_dataset(corpus: Corpus) -> None:
    dataset = SequenceDataset(corpus, SMALL, seed=5)
    copy = pickle.loads(pickle.dumps(dataset))
    assert list(copy) == list(dataset)


def test_seeds_and_indices_give_different_examples(corpus: Corpus) -> None:
    lines = {
        SequenceDataset(corpus, SMALL, seed)[index].to_json().partition('"frames"')[2]
        for seed in range(5)
        for index in range(20)
    }
    assert len(lines) == 100


def test_shares_of_tasks_are_those_of_the_recipe(corpus: Corpus) -> None:
    recipe = replace(SMALL, tasks={"iig": 6, "alr": 3, "tvg": 1}, num_examples=2000)
    counts = Counter(example.task for example in SequenceDataset(corpus, recipe, 0))
    for task, expected in {"iig": 1200, "alr": 600, "tvg": 200}.items():
        assert abs(counts[task] - expected) < 110, counts  # 5 standard deviations


def test_the_order_in_which_a_recipe_names_its_tasks_does_not_matter(corpus: Corpus) -> None:
    tasks = {"iig": 2.0, "alr": 1.0, "dvc": 1.0}
    turned = dict(reversed(tasks.items()))
    one, other = (
        SequenceDataset(corpus, replace(SMALL, tasks=named), 0) for named in (tasks, turned)
    )
    assert list(one) == list(other)


def test_lengths_are_spread_over_their_range(corpus: Corpus) -> None:
    recipe = replace(SMALL, tasks={"iig": 1}, num_examples=400)
    counts = Counter(len(example.frames) for example in SequenceDataset(corpus, recipe, 0))
    assert sorted(counts) == [4, 5, 6, 7, 8, 9]
    assert min(counts.values()) > 30


def test_the_split_decides_what_is_shown(corpus: Corpus) -> None:
    for split, word in (("train", ("seen", "run")), ("heldout", ("unseen", "jump"))):
        dataset = SequenceDataset(corpus, replace(SMALL, split=split), 0)
        names = {Path(f.path).stem.rpartition("-")[0] for e in dataset for f in e.frames}
        assert names == set(word)


def test_a_longer_stream_begins_with_the_shorter_one(corpus: Corpus) -> None:
    longer = SequenceDataset(corpus, replace(SMALL, num_examples=80), 3)
    assert list(SequenceDataset(corpus, SMALL, 3)) == [longer[index] for index in range(40)]


def test_the_name_of_an_example_tells_apart_all_that_decides_it(corpus: Corpus) -> None:
    other_corpus = replace(corpus, train_images=corpus.train_images[:-1])
    moved = replace(corpus, root="/moved")
    base = SequenceDataset(corpus, SMALL, 0).fingerprint
    assert SequenceDataset(moved, SMALL, 0).fingerprint == base
    changed = [
        SequenceDataset(other_corpus, SMALL, 0),
        SequenceDataset(corpus, replace(SMALL, codec="index"), 0),
        SequenceDataset(corpus, replace(SMALL, templates="brief"), 0),
        SequenceDataset(corpus, SMALL, 1),
    ]
    assert base not in {dataset.fingerprint for dataset in changed}


def test_indices_outside_the_stream_are_refused(corpus: Corpus) -> None:
    dataset = SequenceDataset(corpus, SMALL, 0)
    for index in (-1, 40):
        with pytest.raises(IndexError, match=f"example {index} of 40"):
            dataset[index]


def test_a_corpus_that_cannot_serve_the_recipe_is_refused_at_once(corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="121 images needs as many distinct captions"):
        SequenceDataset(corpus, replace(SMALL, max_images=121), 0)
    without_clips = replace(corpus, train_clips=())
    with pytest.raises(ValueError, match="dvc, tvg need clips, and the corpus has no train clips"):
        SequenceDataset(without_clips, SMALL, 0)
    images_only = replace(SMALL, tasks={"iig": 1})
    assert SequenceDataset(without_clips, images_only, 0)[0].task == "iig"
    with pytest.raises(ValueError, match="seed must be in"):
        SequenceDataset(corpus, SMALL, -1)


def test_the_content_hash_covers_every_field_but_the_place(corpus: Corpus) -> None:
    def touched(**changes: object) -> str:
        clips = (replace(corpus.train_clips[0], **changes), *corpus.train_clips[1:])
        return replace(corpus, train_clips=clips).content_hash

    same = touched(path="/other/place.webp")
    assert same == corpus.content_hash
    changes = [{"caption": "x"}, {"label": "x"}, {"num_frames": 3}, {"duration_seconds": 9.0}]
    assert corpus.content_hash not in {touched(**change) for change in changes}


def test_lines_are_written_as_they_were_read() -> None:
    for line in GOLDEN.read_text("utf-8").splitlines():
        assert Example.from_json(line).to_json() == line

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import ClipItem, Corpus, Example, ImageItem, SequenceDataset, SequenceRecipe
from seqsynth.image_tasks import alr, iig
from seqsynth.tasks import TaskSettings
from seqsynth.text_budget import (
    FEWER_TARGETS,
    REPLACED,
    SHORTER_CAPTIONS,
    UnfitError,
    estimate_tokens,
    shortened,
    turn_tokens,
)


def caption_of(number: int, num_sentences: int) -> str:
    sentences = [f"Thing number {number} lies on the table."]
    sentences += [f"It has mark {k} on side {number} of it." for k in range(1, num_sentences)]
    return " ".join(sentences)


def corpus_of(num_sentences: int) -> Corpus:
    images = [
        ImageItem(id=f"i{k}", caption=caption_of(k, num_sentences), path=f"/i{k}.png", label="x")
        for k in range(9)
    ]
    clips = [
        ClipItem(
            id=f"c{k}",
            label=f"act {k}",
            caption=caption_of(k, num_sentences),
            path=f"/c{k}.mp4",
            num_frames=40,
            duration_seconds=2.0,
        )
        for k in range(9)
    ]
    return Corpus(
        train_images=images, heldout_images=(), train_clips=clips, heldout_clips=(), root="/"
    )


SMALL = SequenceRecipe(
    num_examples=30, min_images=9, max_images=9, max_clips=6, num_frames=24, num_turns=2
)


@settings(max_examples=30)
@given(
    budget=st.integers(180, 700),
    num_sentences=st.integers(1, 8),
    index=st.integers(0, 2**20),
    task=st.sampled_from(["iig", "iic", "alr", "dvc", "tvg"]),
)
def test_no_example_exceeds_its_budget_and_targets_stay_those_of_the_text(
    budget: int, num_sentences: int, index: int, task: str
) -> None:
    recipe = replace(SMALL, tasks={task: 1}, max_text_tokens=budget)
    example = SequenceDataset(corpus_of(num_sentences), recipe, 1).draw(index)
    assert sum(turn_tokens(turn) for turn in example.turns) <= budget
    for turn, targets in zip(example.turns, example.targets, strict=True):
        assert targets
        if task == "iig":
            numbers = tt.parse_items(turn.answer, "rpt", length=9).items
            assert [number - 1 for number in numbers] == [round(t.start * 9) for t in targets]
        if task == "dvc":
            events = tt.parse_events(turn.answer, "rpt", duration_seconds=example.duration_seconds)
            assert len(events.events) == len(targets) == len({f.path for f in example.frames})


def test_without_a_budget_nothing_is_cut_and_names_stay() -> None:
    corpus = corpus_of(8)
    free = SequenceDataset(corpus, SMALL, 1)
    roomy = SequenceDataset(corpus, replace(SMALL, max_text_tokens=100_000), 1)
    cuts: Counter[str] = Counter()
    for index in range(20):
        example = roomy.draw(index, cuts=cuts)
        assert replace(free[index], id=example.id) == example
    assert not cuts
    assert roomy.fingerprint != free.fingerprint


def test_targets_go_first_and_what_is_taken_is_counted() -> None:
    images = corpus_of(4).train_images
    settings = TaskSettings(max_text_tokens=150)
    cuts: Counter[str] = Counter()
    lengths = Counter(
        len(iig(images, np.random.default_rng(seed), settings, cuts=cuts).targets[0])
        for seed in range(40)
    )
    assert set(lengths) == {1, 2}
    assert set(cuts) == {FEWER_TARGETS}
    assert 10 < cuts[FEWER_TARGETS] < 30  # two of five numbers of targets fit


def test_captions_are_shortened_at_the_end_of_a_sentence() -> None:
    images = corpus_of(6).train_images
    cuts: Counter[str] = Counter()
    example = alr(images, np.random.default_rng(0), TaskSettings(max_text_tokens=75), cuts=cuts)
    assert cuts == {SHORTER_CAPTIONS: 1}
    (turn,), ((target,),) = example.turns, example.targets
    described = re.search(r"Thing number.*", turn.answer)
    assert described is not None
    assert target.caption.startswith(described[0]), "the target keeps the whole caption"
    assert 0 < described[0].count(".") < target.caption.count(".")


def test_captions_that_begin_alike_are_not_cut_to_the_same_text() -> None:
    """What cannot be told apart within the budget is replaced, and that is counted."""
    start = "A red house stands beside a river under a clear blue sky in the evening"
    images = [
        ImageItem(id=f"{k}", caption=f"{start}, picture {k}", path=f"/{k}", label="x")
        for k in range(4)
    ]
    images += [
        ImageItem(id="o", caption="Something else entirely. Very short.", path="/o", label="x")
    ]
    tight = TaskSettings(max_targets=1, max_text_tokens=38)
    with pytest.raises(UnfitError, match="read the same"):
        iig(images[:4], np.random.default_rng(0), tight)
    corpus = Corpus(
        train_images=images, heldout_images=(), train_clips=(), heldout_clips=(), root="/"
    )
    recipe = SequenceRecipe(
        tasks={"iig": 1}, min_images=5, max_images=5, max_targets=1, max_text_tokens=38
    )
    dataset = SequenceDataset(corpus, recipe, 0)
    cuts: Counter[str] = Counter()
    examples = [dataset.draw(index, cuts=cuts) for index in range(20)]
    assert {example.targets[0][0].caption[:9] for example in examples} == {"Something"}
    assert 8 < cuts[REPLACED] < 20
    replaced = next(e for e in examples if int(e.id.rpartition("-")[2]) >= 2**40)
    index = int(replaced.id.rpartition("-")[2])
    assert dataset.draw(index % 2**40) == replaced


def test_what_was_cut_of_draws_that_did_not_work_out_is_not_counted() -> None:
    """Of four images two can be shortened; a draw works out where its two turns ask about these."""
    alike = "A red house stands beside a river under a clear blue sky in the evening, picture"
    captions = [
        f"{alike} 1",
        f"{alike} 2",
        "A tall ladder. It leans against a wall of stones that somebody built here many years ago.",
        "Green apples. They lie in a wooden basket that stands on the table of a large kitchen.",
    ]
    images = [
        ImageItem(id=f"{k}", caption=text, path=f"/{k}", label="x")
        for k, text in enumerate(captions)
    ]
    recipe = SequenceRecipe(
        tasks={"iig": 1}, min_images=4, max_images=4, num_turns=2, max_targets=1,
        max_text_tokens=50, templates="brief",
    )  # fmt: skip
    dataset = SequenceDataset(
        Corpus(train_images=images, heldout_images=(), train_clips=(), heldout_clips=(), root="/"),
        recipe,
        0,
    )
    cuts: Counter[str] = Counter()
    for index in range(20):
        dataset.draw(index, cuts=cuts)
    assert cuts[SHORTER_CAPTIONS] == 2 * 20
    assert cuts[REPLACED] > 10


def test_a_budget_that_nothing_fits_names_itself() -> None:
    dataset = SequenceDataset(corpus_of(1), replace(SMALL, max_text_tokens=9), 0)
    with pytest.raises(UnfitError, match=r"100 replacements do not fit into max_text_tokens = 9"):
        dataset[0]
    with pytest.raises(ValueError, match="max_text_tokens must not be negative"):
        TaskSettings(max_text_tokens=-1)


def test_the_estimate_counts_time_tokens_as_one() -> None:
    assert estimate_tokens("<0><7><2><9>") == 4
    assert estimate_tokens("<TIME_ONE>") == 1
    assert estimate_tokens("a cat, asleep: 12.5") == 10
    assert estimate_tokens("") == 0


@pytest.mark.parametrize(
    ("caption", "max_words", "expected"),
    [
        ("One two. Three four five.", 4, "One two."),
        ("One two. Three four five.", 5, "One two. Three four five."),
        ('He said "go!" and went away', 4, 'He said "go!"'),
        ("one two, three", 2, "one two"),
        ("about 3.5 metres of it", 3, "about 3.5 metres"),
    ],
)
def test_shortened(caption: str, max_words: int, expected: str) -> None:
    assert shortened(caption, max_words) == expected


def test_replacements_are_other_draws_of_the_same_task(corpus: Corpus) -> None:
    dataset = SequenceDataset(corpus, SMALL, 4)
    for index in range(6):
        stand_ins = [dataset.replacement(index, attempt) for attempt in (1, 2)]
        assert {e.task for e in stand_ins} == {dataset[index].task}
        texts: list[Example] = [dataset[index], *stand_ins]
        assert len({e.turns for e in texts}) == 3
        assert dataset.replacement(index, 1) == stand_ins[0]
    with pytest.raises(ValueError, match="attempt must be in"):
        dataset.replacement(0, 0)

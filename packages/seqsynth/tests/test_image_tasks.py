from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import Example, ImageItem
from seqsynth.image_tasks import IMAGE_TASKS, alr, iic, iig
from seqsynth.tasks import TaskSettings, deal
from seqsynth.templates import load_templates

MakeImages = Callable[..., tuple[ImageItem, ...]]

lengths = st.integers(2, 120)
seeds = st.integers(0, 2**32)
codecs = st.sampled_from(["rpt", "index", "seconds"])


def items_of(length: int) -> tuple[ImageItem, ...]:
    return tuple(
        ImageItem(
            id=f"id-{k}", caption=f"a picture of thing {k:03d}", path=f"/{k}.png", label="thing"
        )
        for k in range(length)
    )


def item_numbers(example: Example, turn: int) -> list[int]:
    answer = example.turns[turn].answer
    result = tt.parse_items(answer, example.codec, length=len(example.frames))
    assert not result.malformed
    return list(result.items)


@given(length=lengths, seed=seeds, codec=codecs, num_turns=st.integers(1, 6))
def test_iig_answers_name_the_items_whose_captions_were_asked(
    length: int, seed: int, codec: str, num_turns: int
) -> None:
    items = items_of(length)
    settings = TaskSettings(codec=codec, num_turns=num_turns)
    example = iig(items, np.random.default_rng(seed), settings)
    assert len(example.turns) == num_turns
    for turn, targets in enumerate(example.targets):
        numbers = item_numbers(example, turn)
        assert [items[number - 1].caption for number in numbers] == [t.caption for t in targets]
        question = example.turns[turn].prompt
        places = [question.index(items[number - 1].caption) for number in numbers]
        assert places == sorted(places), "the answer keeps the order of the question"


@given(length=lengths, seed=seeds)
def test_iic_answers_describe_the_items_whose_indices_were_asked(length: int, seed: int) -> None:
    items = items_of(length)
    example = iic(items, np.random.default_rng(seed))
    asked = tt.parse_items(example.turns[0].prompt, "rpt", length=length).items
    assert [items[number - 1].caption for number in asked] == [
        target.caption for target in example.targets[0]
    ]
    answer = example.turns[0].answer
    for number in asked:
        code, caption = tt.encode(number, length), items[number - 1].caption
        assert answer.index(code) < answer.index(caption)


@given(length=lengths, seed=seeds)
def test_alr_answers_are_the_neighbour_on_the_side_that_was_asked(length: int, seed: int) -> None:
    items = items_of(length)
    example = alr(items, np.random.default_rng(seed), TaskSettings(num_turns=4))
    for turn, (target,) in enumerate(example.targets):
        (number,) = item_numbers(example, turn)
        question = example.turns[turn].prompt
        (anchor,) = (
            k for k in range(length) if any(f"{items[k].caption}{end}" in question for end in "?.")
        )
        assert number - 1 == anchor + (-1 if "before" in question else 1)
        assert items[number - 1].caption == target.caption
        assert example.turns[turn].answer.endswith(f"{target.caption}.")


@given(length=lengths, seed=seeds, task=st.sampled_from(sorted(IMAGE_TASKS)))
def test_every_image_is_a_frame_with_its_code_and_an_equal_share(
    length: int, seed: int, task: str
) -> None:
    items = items_of(length)
    example = IMAGE_TASKS[task](items, np.random.default_rng(seed), example_id="x")
    assert (example.id, example.task, example.duration_seconds) == ("x", task, float(length))
    assert [(f.path, f.frame_index) for f in example.frames] == [(i.path, 0) for i in items]
    assert list(example.frame_codes) == [tt.encode(k, length) for k in range(1, length + 1)]
    for target in example.targets[0]:
        k = [item.caption for item in items].index(target.caption)
        assert (target.start, target.end) == (k / length, (k + 1) / length)


def test_the_paper_writes_the_seventh_of_ninety_six_so(make_images: MakeImages) -> None:
    example = iig(make_images(96), np.random.default_rng(0))
    assert example.frame_codes[6] == "<0><7><2><9>"
    assert example.frame_codes[95] == "<9><9><9><9>"


def test_targets_of_a_question_are_one_to_five_equally_often(make_images: MakeImages) -> None:
    rng = np.random.default_rng(0)
    items = make_images(30)
    for task in (iig, iic):
        counts = Counter(len(task(items, rng).targets[0]) for _ in range(1000))
        assert sorted(counts) == [1, 2, 3, 4, 5]
        assert max(abs(count - 200) for count in counts.values()) < 60  # 4.7 standard deviations


def test_every_template_is_used(make_images: MakeImages) -> None:
    rng = np.random.default_rng(0)
    items = make_images(12)
    paper = load_templates("paper")
    one_target = TaskSettings(max_targets=1, num_turns=12)
    prompts = {turn.prompt for _ in range(60) for turn in iig(items, rng, one_target).turns}
    starts = {question.partition("{")[0] for question in paper.iig_single.questions}
    assert {start for start in starts if any(p.startswith(start) for p in prompts)} == starts


@example(seed=1, num_items=5, sizes=[1, 1, 4, 2, 1, 2, 1, 5, 2])  # an item twice as often as others
@given(seed=seeds, num_items=st.integers(5, 30), sizes=st.lists(st.integers(1, 5), max_size=20))
def test_hands_have_different_items_and_use_all_before_any_twice(
    seed: int, num_items: int, sizes: list[int]
) -> None:
    hands = list(deal(num_items, sizes, np.random.default_rng(seed)))
    assert [len(hand) for hand in hands] == sizes
    assert all(len(set(hand)) == len(hand) for hand in hands)
    counts = Counter(item for hand in hands for item in hand)
    # Of each shuffle an item is dealt once at most. A shuffle that begins within a hand is without
    # what the hand has already, so it may be short by all but one of the largest hand.
    further = max(sum(sizes) - num_items, 0)
    shortest = num_items - max(sizes, default=1) + 1
    assert max(counts.values(), default=0) <= 1 + -(-further // shortest)


def test_questions_of_one_sequence_ask_for_different_images(make_images: MakeImages) -> None:
    settings = TaskSettings(num_turns=8, max_targets=1)
    example = iig(make_images(8), np.random.default_rng(3), settings)
    assert len({targets[0].caption for targets in example.targets}) == 8


def test_captions_that_hold_time_tokens_are_escaped(make_images: MakeImages) -> None:
    items = [replace(item, caption=f"key <{k}>") for k, item in enumerate(make_images(6))]
    for task in (iig, iic, alr):
        example = task(items, np.random.default_rng(1))
        for turn in example.turns:
            assert "<\\" in turn.prompt + turn.answer
        for target in example.targets[0]:
            assert f"<{target.caption[5]}>" in target.caption, "targets keep the caption as it is"
        if task is iig:
            numbers = item_numbers(example, 0)
            assert [items[n - 1].caption for n in numbers] == [
                t.caption for t in example.targets[0]
            ]


@pytest.mark.parametrize("task", sorted(IMAGE_TASKS))
@pytest.mark.parametrize("twin", ["thing number 1", " Thing  number 1. "])
def test_captions_that_read_the_same_are_refused(
    task: str, twin: str, make_images: MakeImages
) -> None:
    items = [*make_images(4), ImageItem(id="twin", caption=twin, path="/t.png", label="thing")]
    with pytest.raises(ValueError, match="items 2 and 5 have the same caption"):
        IMAGE_TASKS[task](items, np.random.default_rng(0))


def test_sequences_that_are_too_short_are_refused(make_images: MakeImages) -> None:
    with pytest.raises(ValueError, match="at least 1 image"):
        iig([], np.random.default_rng(0))
    with pytest.raises(ValueError, match="at least 2 images to have neighbours, got 1"):
        alr(make_images(1), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"codec": "rpd"}, "unknown codec 'rpd'; did you mean rpt"),
        ({"num_turns": 0}, "num_turns must be at least 1, got 0"),
        ({"max_targets": 0}, "max_targets must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TaskSettings(**settings)

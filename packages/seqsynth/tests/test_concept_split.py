import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.concept_split import MAX_COMMON, concept_words, split_concepts

WORDS = ["tiger", "face", "cat", "moon", "cake", "hot", "dog", "tree", "red", "apple", "night"]
name_lists = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join), max_size=40
)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("man's shoe", {"shoe"}),
        ("cherries", {"cherry"}),
        ("Eyes", {"eye"}),
        ("glass", {"glass"}),
        ("two o'clock", {"two", "clock"}),
        ("jack-o-lantern", {"jack", "lantern"}),
        ("Côte d’Ivoire", {"côte", "ivoire"}),
        ("OK", set()),
        ("cat with the hat", {"cat", "with", "hat"}),
    ],
)
def test_words_of_a_name(name: str, words: set[str]) -> None:
    assert concept_words(name) == words


@given(names=name_lists, num_heldout=st.integers(0, 20), seed=st.integers(0, 99))
def test_no_word_is_on_both_sides_and_every_name_somewhere(
    names: list[str], num_heldout: int, seed: int
) -> None:
    split = split_concepts(names, num_heldout=num_heldout, seed=seed)
    train_words = {word for name in split.train for word in concept_words(name)}
    heldout_words = {word for name in split.heldout for word in concept_words(name)}
    assert not train_words & heldout_words
    assert split.train | split.heldout | split.dropped == set(names)
    assert not split.train & split.heldout
    assert all(concept_words(name) & heldout_words for name in split.dropped)


@given(names=st.permutations([f"{a} {b}" for a in WORDS[:6] for b in WORDS[6:]]))
def test_the_order_of_the_names_does_not_matter(names: list[str]) -> None:
    expected = split_concepts(sorted(names), num_heldout=9, preferred=names[:0])
    assert split_concepts(names, num_heldout=9) == expected


def test_common_words_stay_in_training_and_their_names_give_way() -> None:
    faces = [f"{word} face" for word in ("grin", "wink", "kiss", "hot", "cold", "sad", "shy", "x")]
    names = [*faces, "tiger face", "tiger"]
    assert len([name for name in names if "face" in name]) > MAX_COMMON
    split = split_concepts(names, preferred=["tiger"], num_preferred=1, num_heldout=1)
    assert split.heldout == {"tiger"}
    assert split.dropped == {"tiger face"}
    assert split.train == set(faces)


def test_preferred_names_are_held_out_first_and_no_others_of_them_later() -> None:
    names = [f"thing{chr(97 + k)}" for k in range(26)]
    preferred = names[:10]
    split = split_concepts(names, preferred=preferred, num_preferred=4, num_heldout=12)
    assert len(split.heldout) == 12
    assert len(split.heldout & set(preferred)) == 4


def test_another_seed_gives_another_split() -> None:
    names = [f"thing{chr(97 + k)}" for k in range(26)]
    splits = {split_concepts(names, num_heldout=8, seed=seed).heldout for seed in range(4)}
    assert len(splits) == 4


def test_the_rule_holds_without_the_singular_and_the_function_words() -> None:
    """What the benchmark promises: no word of more than three letters on both sides."""
    names = ["black cat", "black bird", "cats", "bird house", "man with hat", "with hats", "owl"]
    for seed in range(20):
        split = split_concepts(names, num_heldout=2, seed=seed)
        long_words = [
            {w for name in side for w in re.findall(r"[a-z]{4,}", name)}
            for side in (split.train, split.heldout)
        ]
        assert not long_words[0] & long_words[1]

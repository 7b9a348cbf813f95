import numpy as np
import pytest

from vidmetrics import InputError, cider_d
from vidmetrics.ngrams import count_ngrams


def test_equals_the_original(golden) -> None:
    for corpus in golden("cider"):
        scores = cider_d(corpus["references"], corpus["hypotheses"])
        assert scores == pytest.approx(corpus["scores"], abs=1e-9)
        assert scores.mean() == pytest.approx(corpus["score"], abs=1e-9)


def test_a_corpus_of_one_scores_nothing_even_if_perfect() -> None:
    assert cider_d([["cut the onion"]], ["cut the onion"]).tolist() == [0.0]


def test_two_perfect_disjoint_captions_of_four_words_score_ten() -> None:
    captions = ["cut the red onion", "boil water in pots"]
    assert cider_d([[caption] for caption in captions], captions) == pytest.approx([10.0, 10.0])


def test_empty_input_gives_no_scores_and_empty_captions_score_zero() -> None:
    assert cider_d([], []).tolist() == []
    assert cider_d([[""], ["c d"]], ["", "a b"]).tolist() == [0.0, 0.0]


def test_an_item_without_reference_is_named() -> None:
    with pytest.raises(InputError, match="item 1"):
        cider_d([["a"], []], ["a", "b"])
    with pytest.raises(InputError, match="item 0 needs a list of references, got 'a'"):
        cider_d(["a"], [["a"]])  # the other way round
    with pytest.raises(InputError, match="1 lists of references but 2 predictions"):
        cider_d([["a"]], ["a", "b"])


@pytest.mark.parametrize(("references", "prediction"), [(["a", None], "a"), (["a"], 5)])
def test_what_is_no_text_is_named(references, prediction) -> None:
    with pytest.raises(InputError, match=r"item 1: a caption must be text, got (None|5)"):
        cider_d([["x"], references], ["x", prediction])


def test_ngrams_do_not_cross_captions() -> None:
    counts = count_ngrams(["a b", "c a b", ""])
    assert np.bincount(counts.order, minlength=5)[1:].tolist() == [3, 2, 1, 0]
    assert counts.num_words.tolist() == [2, 3, 0]
    place, entry = counts.entries_of(np.array([1, 1]))
    assert place.tolist() == [0] * 6 + [1] * 6
    assert counts.counts[entry].sum() == 12


def test_repeated_ngrams_are_counted() -> None:
    counts = count_ngrams(["the the the"])
    assert sorted(counts.counts.tolist()) == [1.0, 2.0, 3.0]

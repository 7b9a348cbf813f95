import numpy as np
import pytest

from vidmetrics import cider_d
from vidmetrics.ngrams import count_ngrams


def test_equals_the_original(golden) -> None:
    for corpus in golden("cider"):
        scores = cider_d(corpus["hypotheses"], corpus["references"])
        assert scores == pytest.approx(corpus["scores"], abs=1e-9)
        assert scores.mean() == pytest.approx(corpus["score"], abs=1e-9)


def test_a_corpus_of_one_scores_nothing_even_if_perfect() -> None:
    assert cider_d(["cut the onion"], [["cut the onion"]]).tolist() == [0.0]


def test_two_perfect_disjoint_captions_of_four_words_score_ten() -> None:
    captions = ["cut the red onion", "boil water in pots"]
    assert cider_d(captions, [[caption] for caption in captions]) == pytest.approx([10.0, 10.0])


def test_empty_input_gives_no_scores_and_empty_captions_score_zero() -> None:
    assert cider_d([], []).tolist() == []
    assert cider_d(["", "a b"], [[""], ["c d"]]).tolist() == [0.0, 0.0]


def test_an_item_without_reference_is_named() -> None:
    with pytest.raises(ValueError, match="item 1"):
        cider_d(["a", "b"], [["a"], []])
    with pytest.raises(ValueError, match="item 0 needs a list of references, got 'a'"):
        cider_d(["a"], ["a"])
    with pytest.raises(ValueError, match="2 hypotheses but 1"):
        cider_d(["a", "b"], [["a"]])


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

"""The compiled aligner against the Python one, which is its specification."""

import gzip
import importlib.util
import io
import os
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics._native import make_aligner
from vidmetrics.errors import InputError
from vidmetrics.meteor import STATISTICS, Meteor
from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_tables import MeteorDataError, Tables
from vidmetrics.meteor_words import Sentences

if importlib.util.find_spec("seqnative") is None:
    if "native" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
        pytest.fail("seqnative is required but not installed", pytrace=False)
    pytest.skip("seqnative is not installed", allow_module_level=True)

# Few words, so that everything has rivals: stems (cut, cuts), synonyms (cut, chop), phrases.
WORDS = ["cut", "cuts", "cutting", "chop", "a", "the", "pan", "pot", "x", "y", ",", "in"]
words = st.sampled_from(WORDS)
sentences = st.lists(words, max_size=14).map(" ".join)
phrases = st.lists(words, min_size=1, max_size=4).map(" ".join)
entries = st.lists(st.tuples(phrases, phrases), max_size=40)


def tables_of(paraphrases: list[tuple[str, str]]) -> Tables:
    """Word data with these paraphrases; equal left phrases stand together, as in the original."""
    text = "".join(f"0\n{left}\n{right}\n" for left, right in sorted(paraphrases))
    synsets = b"cut\n1 2\nchop\n2\npan\n3\npot\n3 4\nx\n4\n"
    return compile_tables(io.BytesIO(gzip.compress(text.encode())), synsets, b"cut\ncuts\n")


@given(entries, st.lists(sentences, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_random_captions_give_the_same_statistics(
    paraphrases: list[tuple[str, str]], texts: list[str], random: Random
) -> None:
    tables = tables_of(paraphrases) if paraphrases else None
    shuffled = [" ".join(random.sample(text.split(), len(text.split()))) for text in texts]
    pairs = [(a, b) for a in texts for b in [*texts, *shuffled]]
    references, predictions = zip(*pairs, strict=True)
    expected = Meteor(tables, "python").pair_statistics(references, predictions)
    native = Meteor(tables, "native").pair_statistics(references, predictions)
    assert native.dtype == expected.dtype
    assert native.tolist() == expected.tolist()


@pytest.mark.parametrize("length", [63, 64, 65, 200])
def test_sentences_around_the_width_of_a_machine_word(length: int, tables: Tables) -> None:
    rng = np.random.default_rng(length)
    texts = [" ".join(rng.choice(WORDS, length)) for _ in range(2)]
    pair = [texts[0]], [texts[1]]
    expected = Meteor(tables, "python").pair_statistics(*pair)
    assert Meteor(tables, "native").pair_statistics(*pair).tolist() == expected.tolist()


def test_pairs_may_come_in_any_order(tables: Tables, golden_pairs: dict) -> None:
    cases = golden_pairs["cases"][:300]
    references = [case["refs"][0] for case in cases]
    predictions = [case["hyp"] for case in cases]
    order = np.random.default_rng(0).permutation(len(cases))
    native = Meteor(tables, "native")
    straight = native.pair_statistics(references, predictions)
    mixed = native.pair_statistics([references[k] for k in order], [predictions[k] for k in order])
    assert mixed.tolist() == straight[order].tolist()


def test_both_refuse_the_same_pairs_in_the_same_words(tables: Tables) -> None:
    messages = []
    for backend in ("python", "native"):
        with pytest.raises(InputError) as error:
            Meteor(tables, backend).score(["a b " * 900], "b a " * 900)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_phrases_of_any_length_are_found() -> None:
    long = " ".join(WORDS[:10])
    tables = tables_of([(long, "x y")])
    pair = [f"the {long} the"], ["in x y"]
    expected = Meteor(tables, "python").pair_statistics(*pair)
    assert expected[0, STATISTICS.index("reference_matched_words")] == 10
    assert Meteor(tables, "native").pair_statistics(*pair).tolist() == expected.tolist()


def arrays(**changes: np.ndarray) -> Sentences:
    """Two one-word sentences."""
    fields = {
        "starts": np.array([0, 1, 2]),
        "words": np.array([0, 1], dtype=np.int32),
        "stems": np.array([0, 0], dtype=np.int32),
        "table_words": np.array([0, -1], dtype=np.int32),
        "is_function": np.array([0, 1], dtype=np.uint8),
        "synset_starts": np.array([0, 0, 1]),
        "synsets": np.array([5], dtype=np.int32),
    }
    return Sentences(**{**fields, **changes})


PAIR = {"hypotheses": np.array([0]), "references": np.array([1])}


@pytest.mark.parametrize(
    "changes",
    [
        {"words": np.array([0, 2], dtype=np.int32)},
        {"words": np.array([-1, 0], dtype=np.int32)},
        {"stems": np.array([0, 9], dtype=np.int32)},
        {"stems": np.array([0], dtype=np.int32)},
        {"starts": np.array([0, 3, 2])},
        {"starts": np.array([0, 1, 3])},
        {"starts": np.array([1, 1, 2])},
        {"synset_starts": np.array([0, 2, 1])},
        {"synsets": np.array([], dtype=np.int32)},
    ],
)
def test_wrong_arrays_are_refused(changes: dict[str, np.ndarray]) -> None:
    kernel = make_aligner(None, "native")
    assert kernel.statistics(arrays(), **PAIR).shape == (1, 23)
    with pytest.raises(ValueError, match="must"):
        kernel.statistics(arrays(**changes), **PAIR)


def test_sentence_numbers_are_checked() -> None:
    kernel = make_aligner(None, "native")
    with pytest.raises(IndexError, match="pair 0 names sentence 2 of 2"):
        kernel.statistics(arrays(), hypotheses=np.array([2]), references=np.array([0]))
    with pytest.raises(ValueError, match="same length"):
        kernel.statistics(arrays(), hypotheses=np.array([0]), references=np.array([0, 1]))


def test_a_damaged_table_is_an_error_and_no_crash() -> None:
    tables = tables_of([("cut a", "chop the x"), ("cut", "chop")])
    refused = 0
    rng = np.random.default_rng(0)
    for name in ("first_words", "left_starts", "entry_starts", "entry_counts", "right_starts") * 20:
        array = getattr(tables, name).copy()
        array[rng.integers(len(array))] = rng.integers(1 << 32)
        damaged = Tables(
            **{
                field: array if field == name else getattr(tables, field)
                for field in Tables.__dataclass_fields__
            }
        )
        try:
            Meteor(damaged, "native").score(["chop the x pan"], "cut a pan")
        except MeteorDataError:
            refused += 1
    assert refused > 20

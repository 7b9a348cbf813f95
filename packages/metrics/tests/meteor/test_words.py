"""What the matchers are told of words."""

import gzip
import io

import pytest

from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_words import Vocabulary

SYNSETS = {
    "leaf": "1 2",
    "leave": "3",
    "foliage": "1",
    "bus": "4",
    "fly": "5",
    "bake": "6",
    "glass": "7",
    "gla": "8",
    "big": "9",
    "bigg": "10",
    "a": "11",
    "good": "12",
    "well": "13",
    "be": "14",
    "is": "15",
    "i": "16",
}
EXCEPTIONS = {"leaf": "leaves", "leave": "leaves", "good": "better best", "be": "is", "x": "flies"}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    """Words of a small dictionary."""
    synsets = "".join(f"{word}\n{sets}\n" for word, sets in SYNSETS.items())
    exceptions = "".join(f"{base}\n{forms}\n" for base, forms in EXCEPTIONS.items())
    packed = io.BytesIO(gzip.compress(b"0\nleaf\nfoliage\n"))
    return Vocabulary(compile_tables(packed, synsets.encode(), exceptions.encode()))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("leaf", [1, 2]),
        ("leaves", [1, 2, 3]),  # irregular: of both its bases
        ("flies", []),  # irregular, of a word outside the dictionary: the endings are not tried
        ("buses", [4]),
        ("bus", [4]),
        ("baked", [6]),
        ("baking", [6]),
        ("glass", [7]),  # not the plural of "glas"
        ("bigger", [10]),
        ("biggest", [10]),
        ("is", [14, 15]),
        ("as", []),  # too short to have an ending
        ("unknown", []),
    ],
)
def test_synonym_sets_are_those_of_the_word_and_its_base(
    vocabulary: Vocabulary, word: str, expected: list[int]
) -> None:
    assert vocabulary.sentences([word]).synsets.tolist() == expected


def test_sentences_share_one_numbering(vocabulary: Vocabulary) -> None:
    sentences = vocabulary.sentences(["the leaf", "", "leafs leaf the"])
    assert sentences.starts.tolist() == [0, 2, 2, 5]
    assert sentences.words.tolist() == [0, 1, 2, 1, 0]
    assert sentences.is_function.tolist() == [1, 0, 0]
    assert sentences.stems[1] == sentences.stems[2] != sentences.stems[0]
    assert sentences.table_words.tolist() == [-1, 1, -1]


def test_without_data_there_are_stems_and_function_words_only() -> None:
    sentences = Vocabulary(None).sentences(["the leaves", "leaf"])
    assert sentences.synsets.tolist() == []
    assert set(sentences.table_words.tolist()) == {-1}
    assert sentences.is_function.tolist() == [1, 0, 0]

"""METEOR's own tokenizer; expected words are from `-norm` of meteor-1.5.jar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics.meteor_normalizer import normalize

CASES = {
    "do n't use 1,000 u.s. half-baked pans ...": "do n 't use 1,000 us half baked pans ...",
    "it 's the cat's": "it ' s the cat 's",
    "-lrb- or more -rrb-": "-lrb- or more -rrb-",
    "a.-b .-c -d": "a. b . c -d",
    "No. 5 no. 5 No. x pp. 12": "no. 5 no . 5 no. x pp. 12",
    "Mr. Smith and co.": "mr. smith and co .",
    "3, 4 3,4 a,b a,4": "3 , 4 3,4 a , b a , 4",
    "\u201cx\u201d \u2018y\u2019 ``z''": '" x " \' y \' " z "',
    "a -- b \u2013 c": "a - b - c",
    "wait....what": "wait .... what",
    "5's '90s rock'n'roll": "5 's ' 90s rock 'n'roll",
    "1\u00a01/2 50% $ 5 &": "1 1 / 2 50 % $ 5 &",
    "caf\u00e9 \u65e5\u672c \u0431\u043e": "caf\u00e9 \u65e5 \u672c \u0431\u043e",
    "end. then": "end. then",
    ".S. .": "s .",
    "": "",
    " , ": ",",
}


@pytest.mark.parametrize("text", CASES)
def test_words_are_the_originals(text: str) -> None:
    assert " ".join(normalize(text)) == CASES[text]


@given(st.text(alphabet="abz0 9 "))
def test_plain_words_are_split_at_spaces(text: str) -> None:
    assert normalize(text) == text.split()


@given(st.text())
def test_any_text_gives_words_without_blanks_and_capitals(text: str) -> None:
    for word in normalize(text):
        assert word
        assert word == word.lower()
        assert not set(word) & set(" \t\n\r\f")

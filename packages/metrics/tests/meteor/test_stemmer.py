"""Stems as Snowball gave them before version 3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidmetrics.stemmer import stem

# From the stemmer inside meteor-1.5.jar.
STEMS = """
added ad|adding ad|chopping chop|chopped chop|chops chop|skies sky|skis ski|dying die
idly idl|news news|inning inning|innings inning|exceeded exceed|generously generous
communism communism|arsenal arsenal|happily happili|hoping hope|hopping hop|agreed agre
feed feed|bed bed|luxuriated luxuri|ties tie|cries cri|gas gas|this this|kiwis kiwi|boxes box
glasses glass|bus bus|yellowed yellow|sayings say|enjoys enjoy|by by|say say|cry cri
rationalization ration|conditional condit|hopefulness hope|electricity electr
replacement replac|adoption adopt|activate activ|rate rate|controlled control|roll roll|'s 's
n't n't|o'clock o'clock|boy's boy|boys' boy|'em em|yes yes|youth youth|sky sky|is is|as as
"""


@pytest.mark.parametrize("pair", [p for line in STEMS.split("\n") for p in line.split("|") if p])
def test_stems(pair: str) -> None:
    word, expected = pair.split()
    assert stem(word) == expected


@given(st.text(alphabet="aeiouybcdlnrstgx'", max_size=12))
def test_a_stem_is_never_longer_than_its_word(word: str) -> None:
    assert len(stem(word)) <= len(word)


def test_two_letters_are_left_alone() -> None:
    assert [stem(word) for word in ("", "s", "as", "''")] == ["", "s", "as", "''"]

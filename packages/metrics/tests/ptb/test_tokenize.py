"""The tokenizer against the lines that CoreNLP 3.4.1 printed."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vidmetrics.ptb import raw_tokens, tokenize
from vidmetrics.ptb_characters import LETTER, is_known
from vidmetrics.ptb_lexicon import ABBREVIATIONS, PUNCTUATION, SPLIT_WORDS

GOLDEN = Path(__file__).parent.parent / "golden" / "ptb_tokenizer.json.gz"


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    """Captions in the order in which they were the lines of one file."""
    content = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    assert isinstance(content["cases"], list)
    return content["cases"]


def test_no_golden_caption_is_tokenized_differently(cases: list[dict[str, Any]]) -> None:
    captions = [case["in"] for case in cases]
    for case, raw, tokens in zip(cases, raw_tokens(captions), tokenize(captions), strict=True):
        assert " ".join(raw) == case["raw"].rstrip(" "), case
        assert tokens == case["tokens"], case
    kinds = Counter(case["kind"] for case in cases)
    assert kinds == {"plain": 798, "inserted": 471, "glued": 274}


def test_neighbours_hardly_matter(cases: list[dict[str, Any]]) -> None:
    captions = [case["in"] for case in cases]
    independent = tokenize(captions, independent=True)
    different = [
        case["in"] for case, t in zip(cases, independent, strict=True) if t != case["tokens"]
    ]
    # The last line of a file has no line break, and the tokenizer wants to see what follows "'re".
    assert different == [captions[-1]] or not different


@pytest.mark.parametrize(
    ("caption", "expected"),
    # All from CoreNLP 3.4.1.
    [
        ("don't can't cannot gonna", "do n't ca n't can not gon na"),
        (
            "'tis y'all o'clock d'ye O'Brien rock'n'roll",
            "'t is y' all o'clock d'ye o'brien rock 'n' roll",
        ),
        ("1,000 1.5 .5 10:30 2-3 1/2 1e3 +1 -5", "1,000 1.5 .5 10:30 2-3 1/2 1e3 +1 -5"),
        ("180\u00b0C \u20ac3 \u00a34 5\u00a2 \u00bd", "180 \u00b0 c $ 3 # 4 5 cents 1/2"),
        ("Mr. Smith vs. Dr. Who, etc.", "mr. smith vs. dr. who , etc."),
        ("no. 5 but no. x", "no. 5 but no . x"),
        ("ill. wash. Wash. 1", "ill . wash . wash. 1"),
        ("min., min.) min.", "min. , min . -rrb- min ."),
        ("AT&T., R&B.; R&B.) R&B.", "at&t. , r&b. ; r&b . -rrb- r&b ."),
        ("O've D'll O'lla d'ye", "o 've d 'll o'lla d'ye"),
        ("... .. \u2026 . . . --- \u2013", "... . . ... ... -- --"),
        ("(a) [b] {c}", "-lrb- a -rrb- -lsb- b -rsb- -lcb- c -rcb-"),
        ("'a b' \"c\" ``b'' 'ef", "' a b ' `` c '' `` b '' ` ef"),
        (":) :-( <3 ^_^ (^_^)", ":-rrb- :--lrb- < 3 ^_^ -lrb-^_^-rrb-"),
        (
            "http://a.b/c?d=e me@x.org www.x.com/y z.com",
            "http://a.b/c?d=e me@x.org www.x.com / y z.com",
        ),
        ("AT&T mac&cheese c++ #tag @name", "at&t mac & cheese c++ #tag @name"),
        ("&amp; &lt;b&gt; <b> </b> a&nbsp;b", "& < b > <b> </b> a b"),
        ("555-1234 (555) 123-4567", "555-1234 -lrb-555-rrb-\u00a0123-4567"),
        ("so\u00adft \u00ad zero\u200bwidth \U0001f345tomato", "soft - zero width tomato"),
        ("to b. Then add c. more", "to b . then add c. more"),
        ("U.S. The U.S. team", "u.s. . the u.s. team"),
    ],
)
def test_odd_tokens(caption: str, expected: str) -> None:
    assert " ".join(raw_tokens([f"{caption} q"])[0]) == f"{expected} q"


def test_a_mixed_number_is_one_token_for_the_punctuation_removal() -> None:
    assert tokenize(["Add 1 1/2 cups - chopped."]) == ["add 1\u00a01/2 cups chopped"]
    assert tokenize(["Add 1 1/2 cups"])[0].split() == ["add", "1", "1/2", "cups"]


def test_brackets_survive_the_punctuation_removal() -> None:
    assert tokenize(["a (b), c!"]) == ["a -lrb- b -rrb- c"]
    assert "-LRB-" in PUNCTUATION


def test_what_stands_behind_a_last_full_stop_counts() -> None:
    assert tokenize(["heat to 180 C.", "Add salt"])[0] == "heat to 180 c."
    assert tokenize(["heat to 180 C.", "The pan"])[0] == "heat to 180 c"
    assert tokenize(["heat to 180 C.", " ", "The pan"])[0] == "heat to 180 c"
    assert tokenize(["heat to 180 C.", "The pan"], independent=True)[0] == "heat to 180 c."


@pytest.mark.parametrize("line_break", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\u2028", "\u2029"])
def test_a_line_break_in_a_caption_moves_nothing(line_break: str) -> None:
    captions = [f"slice{line_break}the onions", "stir", f"{line_break}", "serve"]
    assert tokenize(captions) == ["slice the onions", "stir", "", "serve"]


def test_lone_surrogates_separate_words() -> None:
    assert tokenize(["a\ud800b \udfff c\U0001f600d", "e"]) == ["a b c d", "e"]
    assert "\ud800" not in tokenize(["http://a.b/\ud800c"])[0]


def test_empty_captions_stay_where_they_are() -> None:
    assert tokenize(["", "a", "  ", "...", "b"]) == ["", "a", "", "", "b"]
    assert tokenize([]) == []


@pytest.mark.parametrize(
    "unit",
    ["a", "a ", "a,", "1a.", "<", "@a", "a@", "'", ". ", "1 ", "&", "-a", "a.b!", "é", "\u00a0"],
)
def test_a_hundred_thousand_characters_of_anything_end(unit: str) -> None:
    caption = unit * (100_000 // len(unit))
    assert isinstance(tokenize([caption])[0], str)


def test_a_word_may_be_longer_than_any_window() -> None:
    assert tokenize(["a" * 20_000]) == ["a" * 20_000]
    assert tokenize(["é" * 20_000 + "'s"]) == ["é" * 20_000 + " 's"]


def test_stand_ins_are_letters_themselves() -> None:
    assert is_known(LETTER)
    assert not is_known("\u200b")
    assert not is_known("\U0001f345")
    assert ABBREVIATIONS.isdisjoint(SPLIT_WORDS)

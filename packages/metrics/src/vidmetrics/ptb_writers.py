"""What the Penn Treebank tokenizer prints for a matched piece of text, case untouched.

A writer takes the matched text and gives the printed tokens; `ptb_rules` says which one belongs
to which pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from vidmetrics.ptb_characters import is_known
from vidmetrics.ptb_lexicon import SPLIT_WORDS

Writer = Callable[[str], list[str]]

NO_BREAK_SPACE = "\u00a0"
SOFT_HYPHEN = "\u00ad"

_AMP = re.compile("&amp;", re.IGNORECASE)
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
FRACTIONS = {"¼": "1/4", "½": "1/2", "¾": "3/4", "⅓": "1/3", "⅔": "2/3"}
# Windows-1252 places (U+0080 to U+0097) count as the characters they stand for there.
PRINTED = str.maketrans(
    {
        **dict.fromkeys("\x91\u2018\u201b\u2039", "`"),
        **dict.fromkeys("\x92\u2019\u203a", "'"),
        **dict.fromkeys("\x93\u201c\u00ab", "``"),
        **dict.fromkeys("\x94\u201d\u00bb", "''"),
        **dict.fromkeys("\x80¤₠€", "$"),
        "¢": "cents",
        "£": "#",
    }
)
_STRAIGHT = str.maketrans(
    {**dict.fromkeys("\x92\u2019", "'"), **dict.fromkeys("\x91\u2018\u201b", "`")}
)


def tidy(token: str) -> list[str]:
    """Soft hyphens go (one alone is a hyphen), spaces inside a token become U+00A0."""
    visible = token.replace(SOFT_HYPHEN, "") or "-"
    return [visible.replace(" ", NO_BREAK_SPACE).replace("\t", NO_BREAK_SPACE)]


def as_is(token: str) -> list[str]:
    """The text itself, soft hyphens and all."""
    return [token]


def skip(_: str) -> list[str]:
    """Nothing is printed."""
    return []


def fixed(*tokens: str) -> Writer:
    """A writer of always the same tokens."""
    return lambda _: list(tokens)


def straight(token: str) -> list[str]:
    """Curly apostrophes of a contraction become straight, back quotes stay what they are."""
    return tidy(token.replace("&apos;", "'").translate(_STRAIGHT))


def with_stop(token: str) -> list[str]:
    """An abbreviation at the end of a sentence: its full stop is printed twice."""
    return [*straight(token), "."]


def split_word(token: str) -> list[str]:
    """`cannot` and its like as two words."""
    cut = SPLIT_WORDS[token.lower()]
    return [token[:cut], token[cut:]]


def round_brackets(token: str) -> list[str]:
    """A smiley keeps all but its round brackets."""
    return ["".join(BRACKETS[c] if c in "()" else c for c in token)]


def phone(token: str) -> list[str]:
    """A telephone number in one token."""
    return tidy(round_brackets(token)[0])


def dash(token: str) -> list[str]:
    """Two to four hyphens are one dash, more stay a line."""
    if len(token) == 1:
        return ["-"]
    return ["--"] if len(token) <= 4 else [token]


def entity(token: str) -> list[str]:
    """The character that an HTML entity names."""
    name = token[1:-1].lower()
    return {"lt": ["<"], "gt": [">"], "amp": ["&"], "nbsp": []}[name]


def ampersand(token: str) -> list[str]:
    """`A&amp;B` and `A&B` are printed alike."""
    return [_AMP.sub("&", token)]


def double_quote(token: str) -> list[str]:
    """A closing quote; the entity is known in lower case only."""
    return ["''"] if token in ('"', "&quot;") else [token]


def opening_double_quote(token: str) -> list[str]:
    """An opening quote; the entity is known in lower case only."""
    return ["``"] if token in ('"', "&quot;") else [token]


def single_quote(token: str) -> list[str]:
    """An apostrophe; the entity is known in lower case only."""
    return ["'"] if token == "&apos;" else [token]


def translated(token: str) -> list[str]:
    """Typographic quotes in their ASCII form."""
    return [token.translate(PRINTED)]


def symbol(token: str) -> list[str]:
    """Any character that no rule takes: printed, in its ASCII form, if the tokenizer knows it."""
    if token in BRACKETS:
        return [BRACKETS[token]]
    if token == SOFT_HYPHEN:
        return ["-"]
    return [token.translate(PRINTED)] if is_known(token) else []

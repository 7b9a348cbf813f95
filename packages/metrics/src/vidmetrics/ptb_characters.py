"""Character classes of the Penn Treebank tokenizer, and pieces of patterns made of them.

Its patterns do not tell one letter beyond ASCII from another. So text is brought to a short
alphabet before matching (`classes_of`: one stand-in for each class, places unchanged), and the
patterns stay small; tokens are cut from the text itself.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

LETTER = "\u00e9"
CAPITAL = "\u00c9"
MARK = "\u0301"
DIGIT = "\u0661"
UNKNOWN = "\ufffd"
_STAND_INS = {"letter": LETTER, "mark": MARK, "digit": DIGIT, "symbol": None}
# What patterns name themselves, and so must stay as it is.
_NAMED = frozenset("\u0085\u00a0\u00ad\u02bc\u058a\u066b\u066c\u2044\u3000\u3001\n") | frozenset(
    map(chr, [*range(0x80, 0xA0), *range(0x2000, 0x2030), 0x2039, 0x203A])
)


class _Classes(dict[int, str]):
    """A table for `str.translate`, filled as characters come."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        stand_in = character
        if code >= 0x80 and character not in _NAMED:
            name = _class_name(code)
            if name is None:
                stand_in = UNKNOWN
            elif name == "letter" and character.isupper():
                stand_in = CAPITAL
            else:
                stand_in = _STAND_INS[name] or character
        self[code] = stand_in
        return stand_in


@cache
def _table() -> _Classes:
    return _Classes()


def classes_of(text: str) -> str:
    """The text with each letter, mark and digit beyond ASCII as the stand-in of its class."""
    return text if text.isascii() else text.translate(_table())


def is_known(character: str) -> bool:
    """Whether the tokenizer prints this character; it drops all others."""
    code = ord(character)
    return 0x20 < code < 0x7F or _class_name(code) is not None


@cache
def _ranges() -> tuple[list[int], list[tuple[int, str]]]:
    """The first code points of all ranges, in order, and their last ones with the class."""
    ranges: list[tuple[int, int, str]] = []
    name = ""
    source = files("vidmetrics") / "data" / "ptb_characters.txt"
    for line in source.read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
        elif not line.startswith("#"):
            for part in line.split():
                first, _, last = part.partition("-")
                ranges.append((int(first, 16), int(last or first, 16), name))
    ranges.sort()
    return [first for first, _, _ in ranges], [(last, name) for _, last, name in ranges]


def _class_name(code: int) -> str | None:
    firsts, rest = _ranges()
    place = bisect_right(firsts, code) - 1
    if place < 0:
        return None
    last, name = rest[place]
    return name if code <= last else None


def any_case(words: Iterable[str]) -> str:
    """Alternatives, longest first, each letter in both cases."""
    ordered = sorted(words, key=len, reverse=True)
    return "|".join("".join(map(_both_cases, word)) for word in ordered)


def _both_cases(character: str) -> str:
    if character.isalpha():
        return f"[{character}{character.upper()}]"
    return "\\" + character if character in ".?*+^$[](){}|\\" else character


def capitalised(words: Iterable[str]) -> str:
    """Alternatives that begin with a capital; the case of the rest is free."""
    ordered = sorted(words, key=len, reverse=True)
    return "|".join(word[0].upper() + any_case([word[1:]]) for word in ordered)

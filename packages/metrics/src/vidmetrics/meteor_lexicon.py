"""The short word lists of METEOR 1.5 for English, carried in `data/meteor_words.txt`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def function_words() -> frozenset[str]:
    """The words and marks that weigh less: `the`, `of`, `,` and 90 others."""
    return _sections()["function"]


def kept_stops() -> frozenset[str]:
    """Words that keep their full stop: `Mr`, `vs`. The case counts."""
    return _sections()["before anything"]


def kept_stops_before_numbers() -> frozenset[str]:
    """Words that keep their full stop in front of a number: `No`. The case counts."""
    return _sections()["before a number"]


@cache
def _sections() -> dict[str, frozenset[str]]:
    sections: dict[str, list[str]] = {}
    name = ""
    source = files("vidmetrics") / "data" / "meteor_words.txt"
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            name = line.strip("[]")
            sections[name] = []
        elif not line.startswith("#"):
            sections[name] += line.split()
    return {name: frozenset(words) for name, words in sections.items()}

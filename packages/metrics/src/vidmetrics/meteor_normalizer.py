"""METEOR's own tokenizer (`-norm`), which runs on top of the Penn Treebank tokens.

It splits punctuation off, joins acronyms (`u.s.` becomes `us`), and undoes some of the Treebank's
work; bit-equal scores need it even on tokenized captions. Each step is one left-to-right
replacement over the whole string, as in the original: matches never overlap, so an odd string
comes out odd, and in the same way.
"""

from __future__ import annotations

import re

from vidmetrics import meteor_lexicon as lexicon

_ALPHA = (
    "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0400-\u0527\u1d00-\u1d7f\ua640-\ua66e"
    "\ua67e-\ua697"
)
_ALNUM = f"0-9{_ALPHA}"
# Stands for a full stop of a run of them, so that no later step takes the run for sentence ends.
_STOP = "\0"

_SIMPLE = re.compile("[a-z0-9 ]*")
_SYMBOL = re.compile(f"([^{_ALNUM} \t\n\x0b\f\r.'`,\\-\u2018\u2019])")
_STOPS = re.compile(r"\.{2,}")
_COMMAS = (
    re.compile("([^0-9]),([^0-9])"),
    re.compile("([0-9]),([^0-9])"),
    re.compile("([^0-9]),([0-9])"),
)
_SINGLE_QUOTE = re.compile("[`\u2018\u2019]")
_DOUBLE_QUOTE = re.compile("[\u201c\u201d]")
_HYPHEN = re.compile(f"([{_ALNUM}.])-([{_ALNUM}])")
_CONTRACTIONS = (
    (re.compile(f"([^{_ALPHA}])'([^{_ALPHA}])"), r"\1 ' \2"),
    (re.compile(f"([^{_ALNUM}])'([{_ALPHA}])"), r"\1 ' \2"),
    (re.compile(f"([{_ALPHA}])'([^{_ALPHA}])"), r"\1 ' \2"),
    (re.compile(f"([{_ALPHA}])'([{_ALPHA}])"), r"\1 '\2"),
    (re.compile("([0-9])'s"), r"\1 's"),
)
_BLANKS = re.compile("[ \t\n\f\r]+")
_HAS_ALPHA = re.compile(f"[{_ALPHA}]")
_DROPPED = frozenset("\u00a0\u202f\u205f\u3000") | frozenset(map(chr, range(0x2000, 0x200B)))
# Java strips all of these from both ends of the text, Python's strip() would take more.
_STRIPPED = "".join(map(chr, range(33)))


def normalize(text: str) -> list[str]:
    """The words METEOR compares, in lower case.

    Example:
        >>> normalize("do n't use 1,000 U.S. half-baked pans...")
        ['do', 'n', "'t", 'use', '1,000', 'us', 'half', 'baked', 'pans', '...']
    """
    if _SIMPLE.fullmatch(text):
        return text.split()
    text = _SYMBOL.sub(r" \1 ", f" {text.replace(_STOP, ' ')} ")
    text = _STOPS.sub(lambda run: f" {_STOP * len(run.group())} ", text)
    for comma in _COMMAS:
        text = comma.sub(r"\1 , \2", text)
    text = _SINGLE_QUOTE.sub("'", text).replace("''", ' " ')
    text = _DOUBLE_QUOTE.sub('"', text).replace("\u2013", "-").replace("--", "-")
    text = _HYPHEN.sub(r"\1 \2", text)
    for contraction, split in _CONTRACTIONS:
        text = contraction.sub(split, text)
    words = _split_last_stops([word for word in _BLANKS.split(text) if word])
    joined = " ".join(word for word in words if word not in _DROPPED)
    lowered = joined.replace(_STOP, ".").strip(_STRIPPED).lower()
    return [word for word in _BLANKS.split(lowered) if word]


def _split_last_stops(words: list[str]) -> list[str]:
    """Take full stops off the ends of words, but for abbreviations; acronyms lose all of theirs."""
    result: list[str] = []
    for word, following in zip(words, [*words[1:], ""], strict=False):
        stem = word[:-1]
        if not word.endswith(".") or not stem:
            result.append(word)
        elif "." in stem and _HAS_ALPHA.search(stem):
            result.append(word.replace(".", ""))
        elif _keeps_stop(stem, following):
            result.append(word)
        else:
            result += [stem, "."]
    return result


def _keeps_stop(stem: str, following: str) -> bool:
    if stem in lexicon.kept_stops() or "a" <= following[:1] <= "z":
        return True
    return stem in lexicon.kept_stops_before_numbers() and "0" <= following[:1] <= "9"

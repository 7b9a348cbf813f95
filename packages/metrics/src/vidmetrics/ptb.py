"""Penn Treebank tokens of captions, as the caption scorers of the field see them.

Owns the pipeline in front of CIDEr and METEOR: Stanford PTB tokens in lower case (behaviour of
CoreNLP 3.4.1, observed as a black box), then the removal of the scorers' punctuation list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from unicodedata import category

from vidmetrics.ptb_characters import classes_of
from vidmetrics.ptb_lexicon import ABBREVIATIONS, PUNCTUATION, SPLIT_WORDS
from vidmetrics.ptb_rules import SIGNS, rules_for
from vidmetrics.ptb_writers import Writer, skip

SIGMA, SMALL_SIGMA, FINAL_SIGMA = "\u03a3\u03c3\u03c2"
_MODIFIER = "\u02c2"
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\n\r\x0b\x0c\u2028\u2029]")
# Most of a caption is words between spaces: no other rule can take more than the word there.
_PLAIN_WORD = re.compile(r"[A-Za-z]+(?=[ \n]|[,;!][ \n])")
_PLAIN_NUMBER = re.compile(r"[0-9]+(?= [A-Za-z])")
# A line of such words, with commas, free hyphens and last full stops, needs no rules at all. A
# number must not be followed by another one: both may be one fraction or one telephone number.
_SIMPLE = re.compile(
    r"[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+"
    r"(?:(?:(?<![0-9]) |(?<=[0-9]) (?=[A-Za-z])|, | - )[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+)*+"
    r"(?: ?\.){0,2}"
)
_NOT_SIMPLE = frozenset(SPLIT_WORDS) | ABBREVIATIONS
_BLANK = re.compile("[ \t\u00a0\u2000-\u200a\u3000\n]*")
# The longest thing that is looked for behind a full stop, and a little more.
_LOOKAHEAD = 24
# Addresses and the like are looked for this far only, or junk without spaces costs quadratic time.
_WINDOW = 512


def tokenize(captions: Sequence[str], *, independent: bool = False) -> list[str]:
    r"""The tokens of each caption in lower case, without punctuation, joined by single spaces.

    This is the string that the original scorers hand on: METEOR takes it as it is, CIDEr takes
    `string.split()`. The two differ for a mixed number: `"1 1/2 cups"` is `"1\u00a01/2 cups"`
    here (one token for the punctuation removal), and `str.split()` makes it three words.

    The captions are one run, as in the original pipeline, where they are the lines of one file:
    behind a final full stop the tokenizer looks at the next caption (`"heat to 180 C."` keeps
    its dot, unless the next caption begins with a word such as `"The"`), and behind the last
    caption there is nothing, not even a line break.

    Args:
        captions: any text; line breaks, control characters and lone surrogates are allowed and
            never move a token to another caption.
        independent: each caption as if an empty line followed, whatever stands around it, so that
            the order of the captions does not matter.

    Returns:
        A list as long as `captions`; a caption without words gives `""`.

    Example:
        >>> tokenize(["Don't add 1/2 cup (or more)!", "Mix."])
        ["do n't add 1/2 cup -lrb- or more -rrb-", 'mix']
    """
    lines = [_one_line(caption) for caption in captions]
    result: list[str] = []
    for k, line in enumerate(lines):
        words = _simple_words(line)
        if words is None:
            words = _without_punctuation(line, "\n" if independent else _after(lines, k))
        result.append(words)
    return result


def raw_tokens(captions: Sequence[str]) -> list[list[str]]:
    r"""The tokens of each caption before punctuation is removed, in lower case.

    The captions are one run, as in `tokenize`. A mixed number is one token that holds U+00A0
    (`"1\u00a01/2"`).
    """
    lines = [_one_line(caption) for caption in captions]
    return [_scan(line, _after(lines, k)) for k, line in enumerate(lines)]


def _one_line(caption: str) -> str:
    """The caption with line breaks as spaces, and with lone surrogates as a character to drop."""
    if caption.isprintable():  # neither line breaks nor surrogates, as nearly always
        return caption
    return _SURROGATE.sub("\ufffd", _LINE_BREAKS.sub(" ", caption))


def _after(lines: list[str], k: int) -> str:
    """What the tokenizer can see behind line `k`: nothing, a line break, or a line break and more.

    Only a full stop at the end makes it look further than the line break.
    """
    if k + 1 == len(lines):
        return ""
    if not lines[k].rstrip().endswith("."):
        return "\n"
    blank = ""
    for j in range(k + 1, len(lines)):
        line = lines[j]
        text = line[len(_BLANK.match(line).group()) :]  # type: ignore[union-attr]
        if text:
            return f"\n{blank or line[: len(line) - len(text)][:1]}{text[:_LOOKAHEAD]}\n"
        blank = "\n"
    return "\n" + blank


def _simple_words(line: str) -> str | None:
    """The tokens of a line for which no rule is needed; None for any other line."""
    if _SIMPLE.fullmatch(line) is None:
        return None
    text, stop, _ = line.lower().replace(",", "").replace(" - ", " ").partition(".")
    words = text.split()
    if not _NOT_SIMPLE.isdisjoint(words) or (stop and len(words[-1]) == 1):
        return None
    return " ".join(words)


@lru_cache(maxsize=1 << 16)
def _without_punctuation(line: str, after: str) -> str:
    printed = " ".join(_scan(line, after)).rstrip()
    return " ".join([token for token in printed.split(" ") if token not in PUNCTUATION])


def _scan(line: str, after: str) -> list[str]:
    """Tokens of `line`, which `after` follows; see `ptb_rules` for what a token is."""
    text = line + after
    classes = classes_of(text)
    signs = frozenset(sign for sign in SIGNS if sign in text)
    end = len(line)
    tokens: list[str] = []
    position = 0
    while position < end:
        if text[position] in " \t":
            position = _BLANK.match(text, position, end).end()  # type: ignore[union-attr]
            continue
        plain = _PLAIN_WORD.match(text, position) or _PLAIN_NUMBER.match(text, position)
        if plain is not None:
            word = plain.group().lower()
            cut = SPLIT_WORDS.get(word)
            tokens += [word] if cut is None else [word[:cut], word[cut:]]
            position = plain.end()
            continue
        reach, write = _longest(classes, position, signs)
        tokens += [_lower(token) for token in write(text[position:reach]) if token]
        position = reach
    return tokens


def _longest(classes: str, position: int, signs: frozenset[str]) -> tuple[int, Writer]:
    """Where the longest match at `position` ends, and what writes its tokens."""
    reach = position
    end = position + 1
    write: Writer = skip
    window = position + _WINDOW
    for rule in rules_for(classes[position], signs):
        match = rule.pattern.match(classes, position, window)
        if match is not None and match.end() == window:
            match = rule.pattern.match(classes, position)
        if match is not None and match.end() > reach:
            reach, end, write = match.end(), match.end(1), rule.write
    return end, write


def _lower(token: str) -> str:
    """Java's lower case: a capital sigma is final if a letter stands before it and none after."""
    if SIGMA not in token:
        return token.lower()
    lowered = [SMALL_SIGMA if c == SIGMA else c.lower() for c in token]
    cased: list[int] = []
    for k, c in enumerate(f"{token}{_MODIFIER}"):
        if category(c) == "Sk":  # parts words, unlike a hyphen or an underscore
            if len(cased) > 1 and token[cased[-1]] == SIGMA:
                lowered[cased[-1]] = FINAL_SIGMA
            cased = []
        elif c.lower() != c.upper():
            cased.append(k)
    return "".join(lowered)

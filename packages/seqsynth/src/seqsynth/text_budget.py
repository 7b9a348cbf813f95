"""Keeps the text of an example below a limit, by a stated rule that is counted.

The captions of real corpora are long (LLaVA-ReCap: about 190 tokens each), and a trainer that cuts
an example at its own limit cuts it in the middle of an answer. The rule here, in this order:

1. A question about several targets is asked about fewer of them, the last ones first.
2. The captions of the question and the answer are shortened, all to the same number of words, at
   the end of a sentence where one ends within.
3. Where that does not do, or a shortened caption would fit two items of the sequence, the example
   is replaced by another one, as dataset.py says.

What people wrote about a video is not shortened: of its turns those first ones stay that fit
together, and where the first alone does not fit, another video stands in.

No tokenizer is asked, so that data does not depend on a model: `estimate_tokens` is a rough count.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from seqsynth.records import Turn

FEWER_TARGETS = "fewer targets"
FEWER_TURNS = "fewer turns"
SHORTER_CAPTIONS = "shorter captions"
REPLACED_PREFIX = "replaced: "
REPLACED = f"{REPLACED_PREFIX}too long for the text budget"

MIN_WORDS = 4
"""No caption is shortened to fewer words: what is left would say nothing."""

_PIECES = re.compile(
    r"(?P<token><[A-Za-z0-9_.-]{1,24}>)|(?P<word>[^\W\d_]+)|(?P<other>[^\s\w]|[\d_])"
)
_LETTERS_PER_TOKEN = 5
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*(?=\s|$)")

Writer = Callable[[Sequence[int], Sequence[str]], Turn]


class UnfitError(ValueError):
    """An example that cannot be written: not within its text budget, or not at all."""


def estimate_tokens(text: str) -> int:
    """About how many tokens a language model makes of a text.

    A time token, a digit and a sign count one each, a word one for every five letters begun.

    Example:
        >>> estimate_tokens("The image index is <0><7><2><9>.")
        9
    """
    count = 0
    for match in _PIECES.finditer(text):
        word = match["word"]
        count += -(-len(word) // _LETTERS_PER_TOKEN) if word else 1
    return count


def turn_tokens(turn: Turn) -> int:
    """The estimate for a question and its answer."""
    return estimate_tokens(turn.prompt) + estimate_tokens(turn.answer)


def shortened(caption: str, max_words: int) -> str:
    """The beginning of a caption: whole sentences where one ends within the limit.

    Example:
        >>> shortened("A cat sleeps. It lies on a red chair by the window.", 6)
        'A cat sleeps.'
        >>> shortened("a cat that sleeps on a red chair", 5)
        'a cat that sleeps on'
    """
    words = caption.split()
    if len(words) <= max_words:
        return caption
    text = " ".join(words[:max_words])
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    return text[: ends[-1]] if ends else text.rstrip(",;:-")


def fit_turn(
    hand: Sequence[int],
    captions: Sequence[str],
    choose: Callable[[int], Writer],
    *,
    max_tokens: int,
    may_drop: bool,
    cuts: Counter[str] | None,
) -> tuple[Turn, list[int]]:
    """One question and answer within a budget, and which targets it is about.

    Args:
        hand: the items that the turn is about, by number from 0.
        captions: of all items of the sequence.
        choose: for a number of targets, what writes the turn; called again when that number
            changes, because the wording of one and of several targets differs.
        max_tokens: the limit, as `estimate_tokens` counts; 0 is none.
        may_drop: whether targets can be left out.
        cuts: counts what the budget took, by rule.

    Raises:
        UnfitError: no way to write it within the limit.
    """
    kept, shown = list(hand), list(captions)
    writer = choose(len(kept))
    turn = writer(kept, shown)
    if not max_tokens or turn_tokens(turn) <= max_tokens:
        return turn, kept
    taken = set()
    while may_drop and len(kept) > 1 and turn_tokens(turn) > max_tokens:
        kept = kept[:-1]
        writer = choose(len(kept))
        turn = writer(kept, shown)
        taken.add(FEWER_TARGETS)
    num_words = max(len(captions[item].split()) for item in kept)
    while turn_tokens(turn) > max_tokens:
        num_words = num_words * 4 // 5
        if num_words < MIN_WORDS:
            raise UnfitError(f"a turn has {turn_tokens(turn)} tokens, the budget {max_tokens}")
        shown = [shortened(caption, num_words) for caption in captions]
        turn = writer(kept, shown)
        taken.add(SHORTER_CAPTIONS)
    if SHORTER_CAPTIONS in taken:
        _check_still_distinct(kept, captions, shown)
    if cuts is not None:
        cuts.update(taken)
    return turn, kept


def _check_still_distinct(
    kept: Sequence[int], captions: Sequence[str], shown: Sequence[str]
) -> None:
    for item in kept:
        beginning = _words(shown[item])
        for other, caption in enumerate(captions):
            if other != item and _words(caption)[: len(beginning)] == beginning:
                raise UnfitError(
                    f"within the budget, items {item + 1} and {other + 1} read the same: "
                    f"{shown[item][:80]!r}"
                )


def _words(caption: str) -> list[str]:
    return re.findall(r"\w+", caption.casefold())

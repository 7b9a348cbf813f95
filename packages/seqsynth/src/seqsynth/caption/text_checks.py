"""What the words of a caption say about it: does it name the action, repeat itself, or refuse?

Plain rules without a model: they find the captions that are surely wrong, not all that are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_GRAM = 4  # words that are hardly ever repeated by chance
_MIN_STEM = 3
_FILLERS = frozenset(
    (
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "its",
        "not",
        "of",
        "off",
        "on",
        "onto",
        "or",
        "other",
        "over",
        "someone",
        "something",
        "the",
        "their",
        "to",
        "up",
        "with",
    )
)
_SUFFIXES = ("ing", "ers", "er", "ed", "es", "s")
_REFUSAL = re.compile(
    r"\b("
    r"i (?:am|was) (?:sorry|unable|not able)|i'?m (?:sorry|unable|not able)|"
    r"(?:i|we) (?:cannot|can ?not|can['’]?t|could ?n['’]?t) "
    r"(?:see|view|watch|access|describe|provide|help|assist|identify|determine|tell)|"
    r"i (?:do not|don['’]?t) (?:see|have access|have the ability)|"
    r"as an ai\b|as a (?:large )?language model|"
    r"(?:no|without an?) (?:video|images?|frames?) (?:was|were|is|are|has been)? ?"
    r"(?:provided|attached|given|shared)|"
    r"please (?:provide|share|upload|attach)"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TextCheck:
    """What was found in the words of one caption.

    Attributes:
        num_words: its length.
        label_words: different words of the label, without fillers such as "the".
        label_words_found: of them stand in the caption, in any form.
        repetition: share of its runs of four words that came before, in [0, 1).
        refusal: the words by which the model declines to answer, "" where there are none.
    """

    num_words: int
    label_words: int
    label_words_found: int
    repetition: float
    refusal: str

    @property
    def label_coverage(self) -> float | None:
        """Share of the label's words that the caption has; None where there is no label."""
        return self.label_words_found / self.label_words if self.label_words else None


def check_text(caption: str, label: str) -> TextCheck:
    """Looks at the words of a caption.

    Args:
        caption: what a model wrote.
        label: the action, "" where there is none.

    Example:
        >>> check_text("He juggles three balls.", "juggling balls").label_coverage
        1.0
    """
    words = _words(caption)
    wanted = {_stem(word) for word in _words(label) if word not in _FILLERS}
    found = wanted.intersection(map(_stem, words))
    if wanted and " ".join(_words(label)) in " ".join(words):
        found = wanted  # also in scripts that do not part words
    refusal = _REFUSAL.search(" ".join(caption.split()))
    return TextCheck(
        num_words=len(words),
        label_words=len(wanted),
        label_words_found=len(found),
        repetition=_repetition(words),
        refusal=refusal[0] if refusal else "",
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold().replace("'", "").replace("’", ""))


@lru_cache(maxsize=1 << 16)  # captions share most of their words
def _stem(word: str) -> str:
    """The word without the ending of its form: "juggles", "juggling", "juggler" are "jugl"."""
    if word.endswith("ies") and len(word) > len("ies") + 1:
        word = f"{word[:-3]}y"
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= _MIN_STEM:
            word = word.removesuffix(suffix)
            break
    if word.endswith("e") and len(word) > _MIN_STEM:
        word = word.removesuffix("e")
    return re.sub(r"(.)\1", r"\1", word)


def _repetition(words: list[str]) -> float:
    grams = [tuple(words[k : k + _GRAM]) for k in range(len(words) - _GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0

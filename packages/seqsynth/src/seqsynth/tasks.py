"""What the tasks of image and of clip sequences share: settings, dealing of targets, captions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

import timetokens as tt
from seqsynth.naming import known_name
from seqsynth.templates import Templates, load_templates

MAX_TARGETS = 5
"""The paper's limit of targets of one question (section 3.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """How questions are asked.

    Attributes:
        codec: name of the `timetokens` codec that writes positions.
        templates: name or path of the wording, see `load_templates`.
        num_turns: questions about the same sequence. Their targets are different ones until
            every item has been a target.
        max_targets: the number of targets of an iig or iic question is uniform in
            1 .. max_targets; the other tasks always have one, dense captioning all.
        max_text_tokens: limit of all questions and answers of an example together, see
            text_budget.py; every turn may have an equal part of it. 0 is no limit.
    """

    codec: str = "rpt"
    templates: str = "paper"
    num_turns: int = 1
    max_targets: int = MAX_TARGETS
    max_text_tokens: int = 0

    def __post_init__(self) -> None:
        known_name("codec", self.codec, tt.CODECS)
        for name in ("num_turns", "max_targets"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_text_tokens < 0:
            raise ValueError(f"max_text_tokens must not be negative, got {self.max_text_tokens}")

    @property
    def max_turn_tokens(self) -> int:
        """The part of the budget that one turn may have, 0 for no limit."""
        # At least 1: a budget below the number of turns is a budget that nothing fits.
        return max(self.max_text_tokens // self.num_turns, min(self.max_text_tokens, 1))

    @property
    def wording(self) -> Templates:
        """The loaded templates."""
        return load_templates(self.templates)


def deal(
    num_items: int, hand_sizes: Iterable[int], rng: np.random.Generator
) -> Iterator[list[int]]:
    """Hands of different indices below num_items; hands are disjoint as long as items last.

    Where the pile runs out within a hand, what the hand has already got is left out of the next
    pile. Which indices those are is decided by the shuffles alone, so every index is as likely as
    any other to be dealt; but beyond the first pile some may be dealt oftener than others by more
    than one.

    Args:
        num_items: at least as large as every hand.
        hand_sizes: how many indices each hand has.
        rng: source of the shuffles.
    """
    pile: list[int] = []
    for size in hand_sizes:
        hand: list[int] = []
        while len(hand) < size:
            if not pile:
                pile = [i for i in rng.permutation(num_items).tolist() if i not in hand]
            hand.append(pile.pop())
        yield hand


def caption_key(caption: str) -> str:
    """Captions with equal keys read the same; a question could not tell them apart."""
    return " ".join(caption.casefold().split()).removesuffix(".")


def check_distinct(captions: Iterable[str]) -> None:
    """Refuses captions that read the same.

    Raises:
        ValueError: names the caption and both item numbers (from 1).
    """
    number_of: dict[str, int] = {}
    for number, caption in enumerate(captions, start=1):
        first = number_of.setdefault(caption_key(caption), number)
        if first != number:
            raise ValueError(
                f"items {first} and {number} have the same caption {caption[:80]!r}: "
                "a question about it would have two answers"
            )


def written(caption: str) -> str:
    """The caption as it stands in a question or an answer: trimmed, time tokens escaped."""
    return tt.escape(caption.strip())

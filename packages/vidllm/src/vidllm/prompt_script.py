"""How a base writes frames and turns: what `vidllm.prompting` needs to know of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from seqsynth import Turn

VISUAL_TOKEN = -1
"""Placeholder id: no vocabulary has it."""
IGNORED = -100


def sampling_sentence(codes: Sequence[str]) -> str:
    """What the layout `block` says after the pictures."""
    return f"\nThe video contains {len(codes)} frames sampled at {', '.join(codes)}.\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """The turns of a base's dialogues, as text; the defaults are ChatML's.

    Attributes:
        opening: before the sequence, a system prompt included.
        again: before every question but the first.
        asked: after a question, up to where the answer begins.
        end: ends an answer; its first token stops generation.
        after: between the end of an answer and the next turn.
        spaced_answers: answers that begin with a word begin with a space.
    """

    opening: str = "<|im_start|>user\n"
    again: str = "<|im_start|>user\n"
    asked: str = "<|im_end|>\n<|im_start|>assistant\n"
    end: str = "<|im_end|>"
    after: str = "\n"
    spaced_answers: bool = False


class Dialogues(Protocol):
    """The chat of a base whose text is one piece to its tokenizer.

    SentencePiece begins every text with a word, so that pieces of a dialogue, each tokenised on its
    own, would have spaces that the whole does not have.

    Attributes:
        closing: ids between an answer and the token that ends it.
        end_id: ends an answer.
    """

    closing: tuple[int, ...]
    end_id: int

    def opening(self, codes: Sequence[str], *, is_asked: bool) -> tuple[int, ...]:
        """All before the first question; of prompts (is_asked) or of training examples."""

    def turns(self, turns: Sequence[Turn]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids and labels of what follows: questions with their answers."""

    def question(self, prompt: str) -> tuple[int, ...]:
        """Ids of the first question, up to where its answer begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Script:
    """How a base writes frames and turns: what a prompt needs to know of the model.

    Attributes:
        picture: ids of one picture: VISUAL_TOKEN for each visual token, and what the base puts
            around them.
        frames_per_picture: 2 where neighbouring frames of one file share a picture (the temporal
            patches of Qwen's video route); the picture's place is the mean of theirs.
        together: ids of all frames of a sequence, by their number, for bases that mix frames
            (Q-Formers over time); they take the layout `block` only. None: each has its picture.
        chat: the turns of the template `chat`.
        sentence: what `block` says about the places of all frames.
        dialogues: writes the template `chat` instead of `chat`, for bases of one piece. None: what
            is above, piece by piece.
    """

    picture: tuple[int, ...] = (VISUAL_TOKEN,)
    frames_per_picture: int = 1
    together: Callable[[int], tuple[int, ...]] | None = None
    chat: Chat = Chat()
    sentence: Callable[[Sequence[str]], str] = sampling_sentence
    dialogues: Dialogues | None = None

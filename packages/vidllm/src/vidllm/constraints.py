"""What an answer may continue with, so that every answer that is not cut off can be read.

Without constraints an untrained model writes prose and scores nothing for want of a place; with
them all systems are compared on what they say, not on whether they keep to the form: a
place; a span; spans with captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import timetokens as tt
from seqsynth import load_templates
from vidllm.prompting import Prompter

MAX_CAPTION_TOKENS = 16
MAX_EVENTS = 16

Allowed = frozenset[int] | None
"""Ids that may come next; None: any but the time tokens."""


@dataclass(frozen=True, slots=True)
class AnswerForm:
    """The form of the answers to one task.

    Attributes:
        lead: tokens that every answer begins with; they are given, not chosen.
        slots: for each token of a point, the ids that may stand there.
        separator: what stands between the two points of a span.
        end: the token that ends an answer.
        closing: ids that a base writes between an answer and that token; one of them ends it too.
        code_ids: all ids of the codec.
        sentence_end: ids that may close a caption.
        num_points: 1 for a place, 2 for a span.
        with_captions: spans are followed by captions, and there may be several.
    """

    lead: tuple[int, ...]
    slots: tuple[frozenset[int], ...]
    separator: tuple[int, ...]
    end: int
    closing: tuple[int, ...]
    code_ids: frozenset[int]
    sentence_end: frozenset[int]
    num_points: int
    with_captions: bool

    def allowed(self, written: Sequence[int]) -> Allowed:
        """What may follow the tokens written so far, those of the lead not among them."""
        template = self._template()
        position = caption_length = num_events = 0
        is_closed = False  # the caption may end here
        is_ending = False  # an id of `closing` was written: the answer does end here
        for token in written:
            is_ending = is_closed and token in self.closing
            if position < len(template):
                position += 1
                num_events += position == len(template)
            elif is_closed and token in template[0]:
                position, caption_length = 1, 0
            else:
                caption_length += 1
            is_closed = caption_length > 1 and token in self.sentence_end
        if position < len(template):
            return template[position]
        if is_ending or not self.with_captions or (is_closed and num_events >= MAX_EVENTS):
            return frozenset({self.end})
        if is_closed:
            return template[0].union({self.end}, self.closing)
        return self.sentence_end if caption_length >= MAX_CAPTION_TOKENS else None

    def _template(self) -> list[frozenset[int]]:
        point = list(self.slots)
        if self.num_points == 1:
            return point
        return [*point, *(frozenset({token}) for token in self.separator), *point]


def answer_form(
    prompter: Prompter, codec: tt.Codec, task: str, *, templates: str
) -> AnswerForm | None:
    """The form of a task's answers; None where codes are ordinary text and nothing is imposed.

    What stands before the place (`The image index is`) is that of the first answer in the wording,
    the same for every system; the model goes on from there.

    Args:
        prompter: gives token ids.
        codec: how places are written.
        task: iig, tvg or dvc; others have no form.
        templates: the benchmark's wording, as seqsynth.load_templates takes it.
    """
    if not codec.slots or task not in _FORMS:
        return None
    num_points, with_captions = _FORMS[task]
    ids = prompter.answer_ids(_sample(codec, templates, task))
    places = [place for place, id_ in enumerate(ids) if id_ in prompter.code_token_ids]
    first, width = places[0], len(codec.slots)
    second = places[width] if num_points == 2 else first + width
    tokenizer: Any = prompter.tokenizer
    return AnswerForm(
        lead=ids[:first],
        slots=tuple(
            frozenset(tokenizer.convert_tokens_to_ids(list(tokens))) for tokens in codec.slots
        ),
        separator=ids[first + width : second],
        end=prompter.end_ids[0],
        closing=prompter.closing_ids,
        code_ids=prompter.code_token_ids,
        sentence_end=frozenset(prompter.ids(".")[-1:] + prompter.ids(" cat.")[-1:]),
        num_points=num_points,
        with_captions=with_captions,
    )


def _sample(codec: tt.Codec, templates: str, task: str) -> str:
    """An answer of the task, as training examples have it."""
    wording = load_templates(templates)
    if task == "iig":
        return wording.iig_single.answers[0].format(index=codec.format_point(tt.ItemPosition(1, 2)))
    span = codec.format_span(tt.TimePosition(0.0, 1.0), tt.TimePosition(1.0, 1.0))
    answers = wording.tvg.answers if task == "tvg" else wording.dvc.answers
    return answers[0].replace("{caption}", "a cat").format(span=span)


# task: points of a place, whether captions follow.
_FORMS: dict[str, tuple[int, bool]] = {"iig": (1, False), "tvg": (2, False), "dvc": (2, True)}

"""Which tokens may come next, so that a model cannot write a malformed position.

`allowed_next` is the rule, on token ids alone; `time_token_processor` makes of it a logits
processor for `generate()` of transformers, which works through the methods of the tensors.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from timetokens.codec import SPAN_SEPARATOR, Codec
from timetokens.codecs import as_codec
from timetokens.errors import CodecError

_BYTE: Final = re.compile("<0x[0-9A-Fa-f]{2}>")  # of SentencePiece, for characters it lacks
_BRACKET_BYTES: Final = ("<0x3C>", "<0x3E>")


@dataclass(frozen=True, slots=True)
class CodeGrammar:
    """The well-formed answers, in token ids.

    Attributes:
        slots: for each place in a position the ids that may stand there, in rising order of what
            they mean. `rpt` has four places with ten ids each.
        separator: ids between start and end of a span. When empty, positions stand alone.
        is_ordered: the end of a span is not before its start; means nothing without separator.
        stop_ids: ids that end an answer.
        needs_span: an answer must not end before it has a span (a position without separator).
        bracket_ids: ids of plain text with `<` or `>`, which could spell a time token by hand.
    """

    slots: tuple[tuple[int, ...], ...]
    separator: tuple[int, ...] = ()
    is_ordered: bool = True
    stop_ids: tuple[int, ...] = ()
    needs_span: bool = False
    bracket_ids: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if not self.slots or not all(self.slots):
            raise CodecError("a code grammar needs at least one token for every place")

    @property
    def code_ids(self) -> frozenset[int]:
        """All ids that positions are made of."""
        return frozenset(token for slot in self.slots for token in slot)

    @property
    def num_tokens(self) -> int:
        """Tokens of a whole span (of a whole position without separator)."""
        if not self.separator:
            return len(self.slots)
        return 2 * len(self.slots) + len(self.separator)


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may come next: only `only` (anything when None), and nothing of `never`."""

    only: frozenset[int] | None
    never: frozenset[int]


@dataclass(slots=True)
class _Reading:
    """How far the generated ids have come: inside a position, a separator, or free text."""

    code: list[int]  # ranks in their slots of the position being written
    start: list[int] | None = None  # ranks of a finished start that waits for its end
    separator_place: int = 0
    num_done: int = 0
    after_code: bool = False  # the last token finished a position


def allowed_next(
    generated: Sequence[int], grammar: CodeGrammar, *, num_remaining: int | None = None
) -> Allowed:
    """The ids that keep an answer well-formed.

    Inside a position only its next digits may follow; behind the start of a span only the
    separator and an end that is not earlier; behind a whole position anything but another digit.
    Brackets are never written by hand. When `num_remaining` tokens are too few for a span, none can
    begin.

    Args:
        generated: ids of the answer so far, without the prompt.
        grammar: what is well-formed.
        num_remaining: how many tokens may still be generated, None for no limit.

    Example:
        >>> digits = tuple(range(10))
        >>> sorted(allowed_next([4], CodeGrammar(slots=(digits, digits))).only)
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    reading = _read(generated, grammar)
    place = len(reading.code)
    waits_for_end = reading.start is not None
    if waits_for_end and place == 0 and reading.separator_place < len(grammar.separator):
        return Allowed(frozenset({grammar.separator[reading.separator_place]}), frozenset())
    if place > 0 or waits_for_end:
        lowest = 0
        start = reading.start if grammar.is_ordered else None
        if start is not None and reading.code == start[:place]:
            lowest = start[place]
        return Allowed(frozenset(grammar.slots[place][lowest:]), frozenset())
    missing_span = grammar.needs_span and reading.num_done == 0
    never = grammar.code_ids if reading.after_code else grammar.code_ids - set(grammar.slots[0])
    if num_remaining is not None and not reading.after_code:
        if num_remaining < grammar.num_tokens:
            never = grammar.code_ids
        elif num_remaining == grammar.num_tokens and missing_span:
            return Allowed(frozenset(grammar.slots[0]), frozenset())
    if missing_span:
        never |= set(grammar.stop_ids)
    return Allowed(None, never | grammar.bracket_ids)


def _read(generated: Sequence[int], grammar: CodeGrammar) -> _Reading:
    """Walks over the ids; ids that break the grammar (an answer begun freely) start it anew."""
    ranks = [{token: rank for rank, token in enumerate(slot)} for slot in grammar.slots]
    reading = _Reading(code=[])
    for token in generated:
        reading.after_code = False
        rank = ranks[len(reading.code)].get(token)
        if rank is not None:
            reading.code.append(rank)
            if len(reading.code) == len(ranks):
                _finish(reading, grammar)
            continue
        reading.code = []
        place = reading.separator_place
        if reading.start is not None:
            is_next = place < len(grammar.separator) and token == grammar.separator[place]
            reading.separator_place = place + 1 if is_next else 0
            if not is_next:
                reading.start = None
        elif token in ranks[0]:
            reading.code = [ranks[0][token]]
    return reading


def _finish(reading: _Reading, grammar: CodeGrammar) -> None:
    """A position is complete: the start of a span, or its end."""
    reading.after_code = True
    is_whole = reading.start is not None or not grammar.separator
    reading.start = None if is_whole else reading.code
    reading.separator_place = 0
    reading.num_done += is_whole
    reading.code = []


@dataclass(frozen=True, slots=True)
class TimeTokenProcessor:
    """A logits processor; `time_token_processor` says what the fields mean."""

    grammar: CodeGrammar
    prompt_length: int = 0
    max_length: int | None = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores with minus infinity for every token that may not follow.

        Args:
            input_ids: (rows, length) integers.
            scores: (rows, vocabulary) floats; not changed.
        """
        remaining = None
        if self.max_length is not None:
            remaining = self.max_length - input_ids.shape[1]
        scores = scores.clone()
        for row in range(input_ids.shape[0]):
            generated = input_ids[row, self.prompt_length :].tolist()
            allowed = allowed_next(generated, self.grammar, num_remaining=remaining)
            if allowed.only is not None:
                ids = sorted(allowed.only)
                kept = scores[row, ids]
                scores[row] = float("-inf")
                scores[row, ids] = kept
            elif allowed.never:
                scores[row, sorted(allowed.never)] = float("-inf")
        return scores


def time_token_processor(
    tokenizer: Any,
    codec: str | Codec = "rpt",
    *,
    prompt_length: int = 0,
    max_length: int | None = None,
    is_span: bool = True,
    is_ordered: bool = True,
    needs_span: bool = False,
    stop_ids: Sequence[int] | None = None,
) -> TimeTokenProcessor:
    """A logits processor for `model.generate(..., logits_processor=[...])`.

    Args:
        tokenizer: a transformers tokenizer that has the codec's tokens (`add_to`).
        codec: a codec with tokens of its own.
        prompt_length: tokens of the prompt in front of the answer, 0 with `inputs_embeds`.
        max_length: prompt_length + max_new_tokens, so that no position is cut off at the end.
        is_span: positions come in pairs, `START - END`.
        is_ordered: no end before its start.
        needs_span: the answer may not end without a span; for grounding.
        stop_ids: what ends an answer; the tokenizer's end of sequence when None.

    Raises:
        CodecError: a codec of plain text, whose positions no token belongs to alone, or a
            tokenizer without the codec's tokens.
    """
    codec = as_codec(codec)
    if not codec.slots:
        raise CodecError(f"{codec.name} writes plain text; only codecs with tokens of their own")
    known = tokenizer.get_vocab()
    missing = [token for token in codec.new_tokens if token not in known]
    if missing:
        raise CodecError(f"the tokenizer lacks {missing[0]}: call add_to(tokenizer, model) first")
    slots = tuple(tuple(int(known[token]) for token in slot) for slot in codec.slots)
    if stop_ids is None:
        stop_ids = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
    grammar = CodeGrammar(
        slots=slots,
        separator=_separator_ids(tokenizer, codec, slots) if is_span else (),
        is_ordered=is_ordered and is_span,
        stop_ids=tuple(int(token) for token in stop_ids),
        needs_span=needs_span,
        bracket_ids=_bracket_ids(tokenizer, known) - set(stop_ids),
    )
    return TimeTokenProcessor(grammar, prompt_length, max_length)


def _separator_ids(
    tokenizer: Any, codec: Codec, slots: tuple[tuple[int, ...], ...]
) -> tuple[int, ...]:
    """The ids between two positions, taken from a whole span because neighbours change them."""
    point = "".join(slot[0] for slot in codec.slots)
    ids = tokenizer.encode(f"{point}{SPAN_SEPARATOR}{point}", add_special_tokens=False)
    code_ids = {token for slot in slots for token in slot}
    places = [index for index, token in enumerate(ids) if token in code_ids]
    first, second = places[: len(slots)], places[len(slots) :]
    return tuple(int(token) for token in ids[first[-1] + 1 : second[0]])


def _bracket_ids(tokenizer: Any, vocabulary: dict[str, int]) -> frozenset[int]:
    """The ids of plain text with an angle bracket in it, bytes included; no special tokens."""
    kept = {*tokenizer.get_added_vocab().values(), *tokenizer.all_special_ids}
    return frozenset(
        int(number)
        for token, number in vocabulary.items()
        if number not in kept
        and (token in _BRACKET_BYTES if _BYTE.fullmatch(token) else "<" in token or ">" in token)
    )

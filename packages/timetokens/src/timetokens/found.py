"""Which of the positions in a text belong together as spans, and which are left over."""

import bisect
import itertools
from dataclasses import dataclass
from typing import Final, Literal

from timetokens import context
from timetokens.mentions import Point
from timetokens.spans import Malformed, Span

_HALF_READ: Final = "a span of which one end cannot be read"

Separator = Literal["dash", "to", "and", "label", "comma"]


_Partner = tuple[Point, Separator]


@dataclass(frozen=True, slots=True)
class Found:
    """A span in a text.

    Attributes:
        lead: offset where the part of the text that is about this span begins.
        start: offset where the words that make the span begin ("from 1.0 to 2.0 seconds").
        end: offset after them.
        points: the one or two positions.
        span: what they say, start before end.
        is_inside: it stands inside the sentence that describes it, not before the caption.
    """

    lead: int
    start: int
    end: int
    points: tuple[Point, ...]
    span: Span
    is_inside: bool


@dataclass(frozen=True, slots=True)
class _Before:
    """What stands before a position: an introducing word, the start of an answer, or text.

    Attributes:
        intro: "start", "from", "happens", "in" or "" (which word introduces the position).
        start: offset of that word, of the position without one.
        lead: offset where the answer starts whose first words these are, None inside a sentence.
        lasts: a word such as "for" says that a duration follows.
        is_negative: a minus sign.
        is_half_open: "start -" in place of a first position.
        is_bracketed: an opening bracket.
    """

    intro: str
    start: int
    lead: int | None
    lasts: bool
    is_negative: bool
    is_half_open: bool
    is_bracketed: bool


def find_spans(
    text: str, points: list[Point], unread: list[Malformed]
) -> tuple[list[Found], list[Malformed]]:
    """Spans in order, and everything that looks like a position of an answer but is no span.

    Args:
        text: what was written.
        points: its positions, from `find_points`.
        unread: its pieces of time tokens that are no position, from the same.
    """
    malformed = list(unread)
    sentence_ends = [match.end() for match in context.SENTENCE_END.finditer(text)]
    half_read = _half_read(text, points, unread)
    found: list[Found] = []
    index = 0
    while index < len(points):
        first = points[index]
        partner = _partner(text, points, index)
        index += 1
        if not _may_count(text, first, partner):
            continue
        before = _before(text, first, found[-1].end if found else 0)
        if partner is not None and _is_span(text, first, *partner, before):
            second = partner[0]
            index += 1
        elif (
            first.start in half_read
            or not _is_single(text, first, before)
            or (found and context.DASH.fullmatch(text, found[-1].end, first.start))
        ):
            reason = _HALF_READ if first.start in half_read else _reason(text, first, before)
            if reason:
                malformed.append(_malformed(text, first.start, first.end, reason))
            continue
        else:
            second = first
        if before.is_negative and not first.is_sure:
            malformed.append(_malformed(text, first.start, second.end, "negative time"))
            continue
        item = _placed(text, first, second, before, found, sentence_ends)
        if item is not None:
            found.append(item)
    malformed.sort(key=lambda piece: piece.offset)
    return found, malformed


def _partner(text: str, points: list[Point], index: int) -> _Partner | None:
    """The next position and what joins it to this one, None when nothing does."""
    if index + 1 == len(points):
        return None
    first, second = points[index : index + 2]
    separator = _separator(text, first, second)
    return None if separator is None else (second, separator)


def _half_read(text: str, points: list[Point], malformed: list[Malformed]) -> set[int]:
    """Starts of the positions that a dash or "to" joins to a piece that cannot be read."""
    pieces = [(point.start, point.end, True) for point in points]
    pieces += [(piece.offset, piece.offset + len(piece.text), False) for piece in malformed]
    halves = set()
    for (start, end, is_read), (next_start, _, next_is_read) in itertools.pairwise(sorted(pieces)):
        if is_read != next_is_read and _joint(text, end, next_start) in ("dash", "to", "label"):
            halves.add(start if is_read else next_start)
    return halves


def _may_count(text: str, first: Point, partner: _Partner | None) -> bool:
    """Whether it is worth looking at what stands before; bare numbers of captions end here."""
    if first.is_sure or first.has_unit or first.is_exact:
        return True
    if first.is_lone and context.FOLLOW.match(text, first.end):
        return True
    if partner is None:
        return False
    second, separator = partner
    if separator == "comma":
        return context.CLOSING.match(text, second.end) is not None
    return (
        separator == "label"
        or second.has_unit
        or second.is_exact
        or context.FOLLOW.match(text, second.end) is not None
    )


def _separator(text: str, first: Point, second: Point) -> Separator | None:
    """What joins two neighbouring positions to a span, None if nothing does."""
    if first.is_sure != second.is_sure:
        return None
    if first.is_sure and text[first.end : min(second.start, first.end + 3)].isspace():
        return "dash" if second.start - first.end <= 2 else None
    if first.is_sure and first.end == second.start:
        return "dash"
    return _joint(text, first.end, second.start)


def _joint(text: str, end: int, start: int) -> Separator | None:
    """What the text between two pieces is as the middle of a span."""
    if start - end > context.WINDOW:
        return None
    if context.DASH.fullmatch(text, end, start):
        return "dash"
    if context.END_LABEL.fullmatch(text, end, start):
        return "label"
    if context.TO_WORD.fullmatch(text, end, start):
        return "to"
    if context.COMMA.fullmatch(text, end, start):
        return "comma"
    return "and" if context.AND_WORD.fullmatch(text, end, start) else None


def _before(text: str, point: Point, previous_end: int) -> _Before:
    """Reads the words before a position, back to the span before it."""
    window_start = max(previous_end, point.start - context.WINDOW)
    tail = text[window_start : point.start]
    offset = window_start
    if window_start in (0, previous_end):
        tail = context.TEXT_START + tail
        offset -= len(context.TEXT_START)
    intro, intro_start = "", len(tail)
    for name, pattern in (
        ("start", context.START_LABEL),
        ("from", context.FROM),
        ("happens", context.HAPPENS_IN),
        ("in", context.IN),
    ):
        match = pattern.search(tail)
        if match:
            intro, intro_start = name, match.start()
            break
    answer = context.ANSWER_START.search(tail[:intro_start])
    return _Before(
        intro=intro,
        start=offset + intro_start,
        lead=None if answer is None else max(offset + answer.end("stop"), previous_end),
        lasts=context.LASTS.search(tail) is not None,
        is_negative=context.MINUS_SIGN.search(tail) is not None,
        is_half_open=context.HALF_OPEN_BEFORE.search(tail) is not None,
        is_bracketed=context.OPENING.search(tail) is not None,
    )


def _is_span(text: str, first: Point, second: Point, separator: Separator, before: _Before) -> bool:
    """Whether two joined positions are a span of the answer rather than numbers of a caption."""
    if not _is_joined(text, second, separator, before):
        return False
    if first.is_sure:
        return True
    has_unit = first.has_unit or second.has_unit
    is_exact = first.is_exact and second.is_exact
    if before.lasts or (not has_unit and context.MEASURE.match(text, second.end)):
        return False
    if separator == "label":
        return before.intro == "start" or has_unit or is_exact
    if before.lead is not None or before.intro in ("start", "from", "happens"):
        follows = context.FOLLOW.match(text, second.end) is not None
        return has_unit or is_exact or follows
    return (has_unit or is_exact) if before.intro == "in" else (has_unit and is_exact)


def _is_joined(text: str, second: Point, separator: Separator, before: _Before) -> bool:
    """Whether what stands between two positions makes them a span: "and" needs a "between"."""
    if separator == "and":
        return before.intro == "from"
    if separator == "comma":  # [1.0, 2.0] is a span; 1.0, 2.0 are two of a list
        return before.is_bracketed and context.CLOSING.match(text, second.end) is not None
    return True


def _is_single(text: str, point: Point, before: _Before) -> bool:
    """Whether a position without partner is a moment of the answer ("12.0 seconds, intro.")."""
    if before.is_half_open or before.intro in ("start", "from"):
        return False
    if context.HALF_OPEN_AFTER.match(text, point.end):
        return False
    if point.is_sure:
        return before.lead is not None or before.intro != ""
    if before.lasts or not (point.has_unit or point.is_exact or point.is_lone):
        return False
    if before.lead is not None:
        return context.CAPTION_FOLLOWS.match(text, point.end) is not None
    return before.intro == "happens"


def _placed(
    text: str,
    first: Point,
    last: Point,
    before: _Before,
    found: list[Found],
    sentence_ends: list[int],
) -> Found | None:
    """The span with its part of the text; None when it belongs to the caption before it."""
    points: tuple[Point, ...] = (first,) if first is last else (first, last)
    span = Span(*sorted((first.seconds, last.seconds)))
    if before.lead is not None and before.intro != "happens":
        return Found(before.lead, before.start, last.end, points, span, is_inside=False)
    if before.intro == "" and context.CAPTION_FOLLOWS.match(text, last.end):
        return Found(before.start, before.start, last.end, points, span, is_inside=False)
    previous_end = found[-1].end if found else 0
    index = bisect.bisect_right(sentence_ends, first.start)
    sentence_start = sentence_ends[index - 1] if index else 0
    if found and sentence_start <= previous_end and not found[-1].is_inside:
        if not first.is_sure:
            return None
        return Found(before.start, before.start, last.end, points, span, is_inside=False)
    lead = max(sentence_start, previous_end)
    return Found(lead, max(before.start, lead), last.end, points, span, is_inside=True)


def _reason(text: str, point: Point, before: _Before) -> str:
    """Why a position that is part of no span is malformed; empty when it is just a number."""
    looks_meant = point.is_sure or point.has_unit or ":" in point.text
    if not looks_meant or (before.lasts and not point.is_sure):
        return ""
    if before.is_half_open or context.HALF_OPEN_AFTER.match(text, point.end):
        return "a span of which one end is a word"
    if before.intro in ("start", "from"):
        return "a start without an end"
    return "a single position inside a caption" if point.is_sure else ""


def _malformed(text: str, start: int, end: int, reason: str) -> Malformed:
    return Malformed(start, text[start : min(end, start + 80)], reason)

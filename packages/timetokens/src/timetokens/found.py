"""Which of the positions in a text belong together as spans, and which are left over."""

import bisect
import itertools
import re
from dataclasses import dataclass
from typing import Final

from timetokens import context
from timetokens.mentions import Point
from timetokens.spans import Malformed, Span

HALF_READ: Final = "a span of which one end cannot be read"
CUT_OFF: Final = "a span that is cut off"

_JOINTS: Final[dict[str, re.Pattern[str]]] = {
    "dash": context.DASH,
    "label": context.END_LABEL,
    "to": context.TO_WORD,
    "comma": context.COMMA,
    "cell": context.CELL,
    "and": context.AND_WORD,
}

_Partner = tuple[Point, str]


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
        is_bracketed: it stands in brackets.
    """

    lead: int
    start: int
    end: int
    points: tuple[Point, ...]
    span: Span
    is_inside: bool
    is_bracketed: bool


@dataclass(frozen=True, slots=True)
class _Before:
    """What stands before a position: an introducing word, the start of an answer, or text.

    Attributes:
        intro: "start", "from", "happens", "in" or "" (which word introduces the position).
        start: offset of that word, of the position without one.
        lead: offset where the answer starts whose first words these are, None inside a sentence.
        stop: what ends the text before that answer: a full stop, a line break, a colon, a quote.
        is_line: that start is the start of a line.
        lasts: a word such as "for" says that a duration follows.
        is_negative: a minus sign stands right before the position.
        is_half_open: "start -" stands in place of a first position.
        is_bracketed: a bracket opens right before the position.
    """

    intro: str
    start: int
    lead: int | None
    stop: str
    is_line: bool
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
        if partner is not None and _is_span(text, first, *partner, before, found):
            second = partner[0]
            index += 1
        elif (
            first.start in half_read
            or not _is_single(text, first, before, found)
            or (found and context.DASH.fullmatch(text, found[-1].end, first.start))
            or _is_cut_off(text, first, found)
        ):
            is_half = first.start in half_read
            reason = HALF_READ if is_half else _reason(text, first, before, found)
            if reason:
                malformed.append(_malformed(text, first.start, first.end, reason))
            continue
        else:
            second = first
        if before.is_negative and not first.is_sure:
            if not first.is_bare:
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
    if first.is_sure != second.is_sure:
        return None
    is_close = first.is_sure and second.start - first.end <= 2
    if is_close and not text[first.end : second.start].strip():
        return second, "dash"
    separator = _joint(text, first.end, second.start)
    return None if separator is None else (second, separator)


def _half_read(text: str, points: list[Point], malformed: list[Malformed]) -> set[int]:
    """Starts of the positions that a dash, "to" or "ends at" joins to an unreadable piece."""
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
    if separator in ("comma", "cell"):
        return _ends_row(text, second)
    return (
        separator == "label"
        or second.has_unit
        or second.is_exact
        or context.FOLLOW.match(text, second.end) is not None
    )


def _joint(text: str, end: int, start: int) -> str | None:
    """What the text between two pieces is as the middle of a span."""
    if start - end > context.WINDOW:
        return None
    for name, pattern in _JOINTS.items():
        if pattern.fullmatch(text, end, start):
            return name
    return None


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
        stop="" if answer is None else answer["stop"],
        is_line=answer is not None and ("\n" in answer[0] or not (window_start or answer.start())),
        lasts=intro in ("", "in") and context.LASTS.search(tail) is not None,
        is_negative=context.MINUS_SIGN.search(tail) is not None,
        is_half_open=context.HALF_OPEN_BEFORE.search(tail) is not None,
        is_bracketed=context.OPENING.search(tail) is not None,
    )


def _is_span(
    text: str,
    first: Point,
    second: Point,
    separator: str,
    before: _Before,
    found: list[Found],
) -> bool:
    """Whether two joined positions are a span of the answer rather than numbers of a caption."""
    is_number = _is_number_of_caption(first, second, before, found)
    if is_number or not _is_joined(text, first, second, separator, before):
        return False
    if first.is_sure:
        return True
    has_unit = first.has_unit or second.has_unit
    is_exact = first.is_exact and second.is_exact
    if before.lasts or (not second.has_unit and context.MEASURE.match(text, second.end)):
        return False
    if separator == "label":
        return before.intro == "start" or has_unit or is_exact
    if before.lead is not None or before.intro in ("start", "from", "happens"):
        return has_unit or is_exact or context.FOLLOW.match(text, second.end) is not None
    return (has_unit and is_exact) or (before.intro == "in" and (has_unit or is_exact))


def _is_number_of_caption(first: Point, second: Point, before: _Before, found: list[Found]) -> bool:
    """Whether whole numbers without unit stand where captions have such: "the score: 3-2".

    So do "In 1939-1945, the war" and the like behind spans that have units or decimals.
    """
    if not (_is_plain(first) and _is_plain(second)):
        return False
    if before.intro == "" and before.stop[:1] in ("'", '"', "\u201c", "\u2018"):
        return True
    if not found:
        return False
    is_weak = before.intro == "" and before.stop[:1] in (":", ";", "|", "}", ")", "]")
    is_behind = before.intro not in ("", "start") or context.TEXT_START in before.stop
    return is_weak or (is_behind and not any(map(_is_plain, found[-1].points)))


def _is_plain(point: Point) -> bool:
    return not (point.is_sure or point.has_unit or point.is_exact)


def _is_joined(text: str, first: Point, second: Point, separator: str, before: _Before) -> bool:
    """Whether what stands between two positions makes them a span, not two of a list.

    "and" needs a "between", a comma brackets ("[1.0, 2.0]") or the form of a row ("1.0, 2.0, he
    walks"), and so does the bar of a table.
    """
    if separator == "and":
        return before.intro == "from"
    if separator not in ("comma", "cell"):
        return True
    if separator == "comma" and before.is_bracketed and context.CLOSING.match(text, second.end):
        return True
    are_alike = (first.is_exact, first.has_unit) == (second.is_exact, second.has_unit)
    is_row = before.is_bracketed or context.CELL.match(text, second.end) is not None
    if before.lead is None or not are_alike:
        return False
    if not is_row and (_is_plain(first) or before.stop.startswith(":")):
        return False
    return _ends_row(text, second)


def _ends_row(text: str, second: Point) -> bool:
    """Whether behind the second of two values comes a caption, a bracket or nothing."""
    return any(
        pattern.match(text, second.end)
        for pattern in (context.CLOSING, context.OTHER_CELL, context.NOTHING_FOLLOWS)
    )


def _is_single(text: str, point: Point, before: _Before, found: list[Found]) -> bool:
    """Whether a position without partner is a moment of the answer ("12.0 seconds, intro.")."""
    is_half = before.is_half_open or context.HALF_OPEN_AFTER.match(text, point.end) is not None
    if is_half or before.intro in ("start", "from"):
        return False
    if point.is_sure:
        return before.lead is not None or before.intro != ""
    if before.lasts or not (point.has_unit or point.is_exact or point.is_lone):
        return False
    if before.lead is None:
        return before.intro == "happens"
    if found and not (point.has_unit or point.is_lone):
        *pair, last = found[-1].points
        if pair or last.has_unit:
            return False  # a clock in a caption
    follows = context.CHAPTER_FOLLOWS if ":" in point.text else context.DASH_FOLLOWS
    is_chapter = before.is_line and before.intro in ("", "in")
    return context.CAPTION_FOLLOWS.match(text, point.end) is not None or (
        is_chapter and follows.match(text, point.end) is not None
    )


def _is_cut_off(text: str, point: Point, found: list[Found]) -> bool:
    """Whether a single position is the start of a span behind which the text was cut off."""
    is_last = context.TEXT_END.match(text, point.end) is not None
    return is_last and bool(found) and len(found[-1].points) == 2


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

    def item(lead: int, *, is_inside: bool) -> Found:
        start = max(before.start, lead)
        return Found(lead, start, last.end, points, span, is_inside, before.is_bracketed)

    if before.lead is not None and before.intro != "happens":
        return item(before.lead, is_inside=False)
    if before.intro == "" and context.CAPTION_FOLLOWS.match(text, last.end):
        return item(before.start, is_inside=False)
    previous_end = found[-1].end if found else 0
    index = bisect.bisect_right(sentence_ends, first.start)
    sentence_start = sentence_ends[index - 1] if index else 0
    has_unit = first.is_sure or first.has_unit or last.has_unit
    if found and not found[-1].is_inside and (sentence_start <= previous_end or not has_unit):
        if first.is_sure or (before.is_bracketed and found[-1].is_bracketed):
            return item(before.start, is_inside=False)
        return None
    return item(max(sentence_start, previous_end), is_inside=True)


def _reason(text: str, point: Point, before: _Before, found: list[Found]) -> str:
    """Why a position that is part of no span is malformed; empty when it is just a number."""
    is_cut_off = before.lead is not None and _is_cut_off(text, point, found)
    looks_meant = point.is_sure or ((point.has_unit or ":" in point.text) and not point.is_bare)
    if not (looks_meant or (is_cut_off and point.is_exact)) or (before.lasts and not point.is_sure):
        return ""
    if is_cut_off:
        return CUT_OFF
    if before.intro in ("start", "from"):
        return "a start without an end"
    if before.is_half_open or context.HALF_OPEN_AFTER.match(text, point.end):
        return "a span of which one end is a word"
    return "a single position inside a caption" if point.is_sure else ""


def _malformed(text: str, start: int, end: int, reason: str) -> Malformed:
    return Malformed(start, text[start : min(end, start + 80)], reason)

"""Text with positions of one codec to the same text with positions of another.

Positions are what parsing.py reads as such: spans, moments, the lists behind "sampled at" and
"timestamps are in the", and every time token. Everything else stays, numbers in captions too; time
tokens that a caption holds by accident are escaped on the way to a codec with tokens and restored
on the way back. Questions for "timestamps in seconds" ask for relative positions where these are no
seconds, and examples of an answer's form ("A specific example is: ' 90 - 102 seconds, ...'") are
converted as parts of a video of two minutes: they say nothing about the video at hand.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from timetokens import context
from timetokens.codec import Codec
from timetokens.codecs import as_codec
from timetokens.errors import CodecError
from timetokens.escaping import escape, unescape
from timetokens.found import find_spans
from timetokens.mentions import Point, find_points
from timetokens.position import checked_duration, time_position
from timetokens.spans import Malformed

EXAMPLE_SECONDS: Final = 120.0
"""Duration that examples in questions are read with; those of TimeChat's sets end at 102 s."""


# How questions of TimeIT and of TimeChat's evaluation name the unit; every phrase has a counterpart
# of its own, so that a text can be brought back.
UNIT_PHRASES: Final = {
    "start - end seconds, ": "start - end, ",
    "start - end seconds format": "start - end format",
    "start and end seconds": "start and end positions",
    "timestamps in seconds": "timestamps as relative positions",
    "timestamp in seconds": "timestamp as a relative position",
    "start time and end time in seconds": "start time and end time as relative positions",
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """A converted text.

    Attributes:
        text: the new text.
        num_positions: how many positions were rewritten.
        malformed: pieces that look like positions and were left alone; offsets in the old text.
    """

    text: str
    num_positions: int
    malformed: tuple[Malformed, ...]


def convert_text(
    text: str,
    source: str | Codec,
    target: str | Codec,
    *,
    duration_seconds: float | None = None,
    clamp: bool = False,
) -> Conversion:
    """Rewrites every position of a text from one codec to another.

    There and back again moves a time by no more than the resolution of the coarser codec. Places of
    items are written as times too, one second an item.

    Args:
        text: an answer, a question or a prompt.
        source: the codec it is written in.
        target: the codec it shall be written in.
        duration_seconds: length of the video; needed as soon as one of the codecs is relative and
            the text has a position.
        clamp: move times after the end of the video to the end instead of raising.

    Raises:
        CodecError: a missing or bad duration, or a span or list that ends after the video, more
            than rounding explains. (A single number, or years, are left alone there.)

    Example:
        >>> convert_text("5.0 - 9.1 seconds, wave.", "seconds", "rpt", duration_seconds=20.0).text
        '<2><5><0><0> - <4><5><5><0>, wave.'
    """
    source, target = as_codec(source), as_codec(target)
    if duration_seconds is not None:
        checked_duration(duration_seconds)
    # Without a duration the text is only searched; what is found decides whether one is needed.
    readable = 1.0 if duration_seconds is None and source.is_relative else duration_seconds
    groups, malformed = _groups(text, source, readable)
    pieces = []
    num_positions = done = 0
    for group in groups:
        is_example = _is_example(text, group[0])
        within = EXAMPLE_SECONDS if is_example else duration_seconds
        if within is None and (source.is_relative or target.is_relative):
            raise CodecError(
                f"{source.name} to {target.name} needs duration_seconds: the text has the "
                f"position {group[0].text!r} (timetokens convert --durations FILE)"
            )
        places = _rewritten(group, source, target, within, clamp=clamp or is_example)
        if places is None:
            malformed.append(Malformed(group[0].start, group[0].text, "after the end of the video"))
            continue
        num_positions += len(group)
        for index, (point, place) in enumerate(zip(group, places, strict=True)):
            pieces.append(_rest(text[done : point.start], source, target) + place)
            is_last = index == len(group) - 1
            if is_last and target.time_unit:
                pieces.append(f" {_unit_word(text, group[0], target)}")
            done = point.end if is_last or point.has_unit else point.body_end
    pieces.append(_rest(text[done:], source, target))
    malformed.sort(key=lambda piece: piece.offset)
    return Conversion("".join(pieces), num_positions, tuple(malformed))


def _is_example(text: str, point: Point) -> bool:
    """Whether a position shows the form of an answer and says nothing about this video."""
    before = text[max(0, point.start - context.EXAMPLE_WINDOW) : point.start]
    return context.EXAMPLE.search(before) is not None


def _groups(
    text: str, source: Codec, duration_seconds: float | None
) -> tuple[list[tuple[Point, ...]], list[Malformed]]:
    """Positions in order, those that share one unit word together: spans, lists, single ones."""
    points, unread = find_points(text, source, duration_seconds)
    found, malformed = find_spans(text, points, unread)
    in_span = {point.start for item in found if len(item.points) == 2 for point in item.points}
    groups: list[tuple[Point, ...]] = [item.points for item in found if len(item.points) == 2]
    single = {item.points[0].start for item in found if len(item.points) == 1}
    for chain in _chains(text, [point for point in points if point.start not in in_span]):
        if _is_list(text, chain):
            groups.append(chain)
        else:
            groups += [(point,) for point in chain if point.is_sure or point.start in single]
    groups.sort(key=lambda group: group[0].start)
    return groups, malformed


def _chains(text: str, points: list[Point]) -> Iterator[tuple[Point, ...]]:
    """Runs of points with nothing but commas between them."""
    chain: list[Point] = []
    for point in points:
        if chain and context.LIST_GAP.fullmatch(text, chain[-1].end, point.start) is None:
            yield tuple(chain)
            chain = []
        chain.append(point)
    if chain:
        yield tuple(chain)


def _is_list(text: str, chain: tuple[Point, ...]) -> bool:
    """Whether a chain is a list of positions, not of numbers that a caption counts up."""
    start = chain[0].start
    before = text[max(0, start - context.WINDOW) : start]
    if chain[0].is_sure or context.SAMPLED_AT.search(before):
        return True
    return len(chain) > 1 and chain[-1].has_unit and context.IN.search(before) is not None


def _rewritten(
    group: tuple[Point, ...],
    source: Codec,
    target: Codec,
    duration_seconds: float | None,
    *,
    clamp: bool,
) -> list[str] | None:
    """The positions of a group in the target; None for a number that cannot be one after all."""
    places = []
    for point in group:
        # A relative place was read with another duration, or none.
        seconds = point.seconds
        if source.is_relative:
            seconds = source.parse_point(point.text, duration_seconds=duration_seconds)
        end = max(seconds, 1.0) if duration_seconds is None else duration_seconds
        rounding = source.max_error(end) * (1 + 1e-9)
        if seconds > end + rounding and not clamp:
            is_meant = any(other.has_unit or other.is_exact for other in group)
            if not point.is_sure and (len(group) == 1 or not is_meant):
                return None
            raise CodecError(
                f"{point.text!r} at character {point.start} lies after the end of the video "
                f"({duration_seconds} seconds); clamp it or correct the duration"
            )
        position = time_position(seconds, duration_seconds=end, clamp=True)
        places.append(target.format_point(position))
    return places


def _rest(text: str, source: Codec, target: Codec) -> str:
    """The text between positions: tokens escaped or restored, and the unit named or not."""
    if target.new_tokens and not source.new_tokens:
        text = escape(text)
    elif source.new_tokens and not target.new_tokens:
        text = unescape(text)
    if source.time_unit == target.time_unit:
        return text
    return _without_unit(text) if source.time_unit else _with_unit(text)


def _replacer(phrases: dict[str, str]) -> Callable[[str], str]:
    """Replaces every phrase by its counterpart, in one pass."""
    pattern = re.compile("|".join(map(re.escape, phrases)))
    return lambda text: pattern.sub(lambda match: phrases[match[0]], text)


_without_unit: Final = _replacer(UNIT_PHRASES)
_with_unit: Final = _replacer({without: named for named, without in UNIT_PHRASES.items()})


def _unit_word(text: str, first: Point, target: Codec) -> str:
    """The unit of the target, in the singular in the one sentence where TimeChat has it so."""
    is_frame_sentence = text.endswith("This frame is sampled at ", 0, first.start)
    return target.time_unit.removesuffix("s") if is_frame_sentence else target.time_unit

"""Finds the positions in a text: where each stands, what it says, whether it can be anything else.

One left-to-right pass with bounded patterns, so the work is linear in the length of the text
whatever a model writes. What the positions mean (events, spans, items) is decided in parsing.py.
"""

import functools
import re
from dataclasses import dataclass, replace

from timetokens.codec import Codec, Spelling
from timetokens.errors import CodecError
from timetokens.spans import Malformed


@dataclass(frozen=True, slots=True)
class Point:
    """One position found in a text.

    Attributes:
        start: offset of its first character.
        body_end: offset after the position itself.
        end: the same with its unit word.
        text: the position as its codec reads it.
        seconds: what it says.
        is_sure: it cannot be anything but a position (time tokens); a number may be anything.
        has_unit: a unit word follows it.
        is_exact: it has decimals or is a clock reading, which numbers in captions rarely are.
        is_lone: it may be a moment without having either.
        is_bare: time tokens without any of their brackets, which may be just a number.
    """

    start: int
    body_end: int
    end: int
    text: str
    seconds: float
    is_sure: bool
    has_unit: bool
    is_exact: bool
    is_lone: bool
    is_bare: bool = False


def find_points(
    text: str, codec: Codec, duration_seconds: float | None
) -> tuple[list[Point], list[Malformed]]:
    """All positions of a text in order, and the pieces of time tokens that are none.

    Raises:
        CodecError: a bad duration, or none for a relative codec.
    """
    duration_seconds = codec.duration_to_read(duration_seconds)
    points: list[Point] = []
    malformed: list[Malformed] = []
    lexer = _lexer(codec.spelling)
    for match in lexer.finditer(text):
        if match["run"] is not None:
            found, wrong = _points_of_run(match, codec, duration_seconds)
            points += found
            malformed += wrong
            continue
        point = _point_of_number(match, codec, duration_seconds)
        if point is not None:
            points.append(point)
    if codec.spelling.piece and (malformed or any(point.is_sure for point in points)):
        # A model that writes brackets has not lost them elsewhere: "from 1939 to 1945" are years.
        points = [point for point in points if point.is_sure]
    return points, malformed


def _point_of_number(match: re.Match[str], codec: Codec, duration_seconds: float) -> Point | None:
    """The point that plain text may be; None for a number that the codec does not have."""
    spelling, number = codec.spelling, match["number"]
    # Digits that lost their brackets are read as the code they would be with them.
    written = f"<{number}>" if spelling.piece else number
    try:
        seconds = codec.seconds_of(written, duration_seconds=duration_seconds)
    except CodecError:  # t500 of a hundred bins
        return None
    return Point(
        start=match.start(),
        body_end=match.end("number"),
        end=match.end(),
        text=written,
        seconds=seconds,
        is_sure=False,
        has_unit=match["number_unit"] is not None,
        is_exact=any(sign in number for sign in ".:mM"),
        is_lone=spelling.lone != "" and re.fullmatch(spelling.lone, number) is not None,
        is_bare=spelling.piece != "",
    )


def _points_of_run(
    match: re.Match[str], codec: Codec, duration_seconds: float
) -> tuple[list[Point], list[Malformed]]:
    """The points that a run of time tokens is made of; they must use up all of it."""
    run = match["run"]
    pieces = list(_compiled(codec.spelling.point).finditer(run))
    rest = _compiled(codec.spelling.point).sub("", run)
    try:
        if not pieces or rest.strip():
            raise CodecError(f"time tokens that are no {codec.name} position")
        seconds = [
            codec.seconds_of(piece[0], duration_seconds=duration_seconds) for piece in pieces
        ]
    except CodecError as error:
        # A lone bracket as in "if x<5" is ordinary text.
        is_token = run.count("<") + run.count(">") > 1
        wrong = Malformed(match.start(), run[:80], str(error))
        return [], [wrong] if is_token else []
    points = [
        Point(
            start=match.start() + piece.start(),
            body_end=match.start() + piece.end(),
            end=match.start() + piece.end(),
            text=piece[0],
            seconds=value,
            is_sure=True,
            has_unit=False,
            is_exact=True,
            is_lone=True,
        )
        for piece, value in zip(pieces, seconds, strict=True)
    ]
    has_unit = match["run_unit"] is not None
    points[-1] = replace(points[-1], end=match.end(), has_unit=has_unit)
    return points, []


@functools.cache
def _lexer(spelling: Spelling) -> re.Pattern[str]:
    """Alternatives `run` (time tokens in a row) and `number` (text that may be a position)."""
    nothing = "(?!)"
    piece = spelling.piece
    run = rf"{piece}(?:\s{{0,2}}{piece})*" if piece else nothing
    number = (spelling.bare if piece else spelling.point) or nothing
    unit = rf"\s{{0,2}}{spelling.unit}"
    # Not inside a longer number, a version (1.2.3), a word (mp4), or an escaped token (<\\5>).
    before = r"(?<![0-9A-Za-z_\\])(?<!\d)(?<!\d[.:])"
    after = r"(?![0-9A-Za-z_]|[.:][0-9])"
    return re.compile(
        rf"(?P<run>{run})(?P<run_unit>{unit})?"
        rf"|{before}(?P<number>{number})(?:(?P<number_unit>{unit})|{after})",
        re.IGNORECASE,
    )


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)

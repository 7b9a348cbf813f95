"""What every time representation has in common.

A codec writes a place of a sequence or a video as text and reads it back. The codecs themselves
are in relative_codecs.py and absolute_codecs.py, the dict of them in codecs.py.
"""

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, SupportsIndex

from timetokens.errors import CodecError
from timetokens.position import Position, TimePosition, checked_duration, checked_item

SPAN_SEPARATOR: Final = " - "

# "seonds" is a slip in TimeChat's own evaluation prompt, which models repeat.
SECONDS_WORD: Final = r"(?:seconds?|seonds?|secs?|s)(?![A-Za-z])(?:\.(?=\s{0,2}[-\u2013]))?"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How models write the points of a codec: regular expressions, bounded and without groups.

    Attributes:
        point: a whole point, small slips included.
        piece: the smallest part of a point that is more than plain text, one digit token for
            instance; empty when points are plain text.
        bare: a point that lost all its brackets, read only where nothing else can stand.
        unit: words that stand behind a point.
        lone: a point of plain text that counts without unit and decimals where a moment stands.
    """

    point: str
    piece: str = ""
    bare: str = ""
    unit: str = SECONDS_WORD
    lone: str = ""


class Codec(ABC):
    """One time representation.

    Positions come as `ItemPosition` (item i of L) or `TimePosition` (t seconds of D). Times are
    read in seconds; in a sequence of items, one item counts as one second.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def name(self) -> str:
        """What a recipe calls it."""

    @property
    @abstractmethod
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """For each place in a point the new tokens that may stand there, in rising order.

        Empty when a point is plain text.
        """

    @property
    @abstractmethod
    def new_token_texts(self) -> dict[str, str]:
        """The tokens the vocabulary gains, each with plain text of the same meaning."""

    @property
    @abstractmethod
    def time_unit(self) -> str:
        """The word that follows a video time in a sentence: "seconds", or nothing."""

    @property
    @abstractmethod
    def is_relative(self) -> bool:
        """Whether reading a time needs the duration of the video."""

    @property
    @abstractmethod
    def spelling(self) -> Spelling:
        """How models write it."""

    @abstractmethod
    def format_point(self, position: Position) -> str:
        """The text of a position, without unit word."""

    @abstractmethod
    def resolution(self, duration_seconds: float) -> float:
        """Seconds between two neighbouring times that can be written."""

    def max_error(self, duration_seconds: float) -> float:
        """The largest distance in seconds between a time and what is read back for it.

        Half a step, where the codec does not say otherwise.
        """
        return self.resolution(duration_seconds) / 2

    @abstractmethod
    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """Seconds that a text names; it matches `spelling.point`, which `parse_point` checks.

        Raises:
            CodecError: it matches and yet names no time.
        """

    @property
    def new_tokens(self) -> tuple[str, ...]:
        """The tokens the vocabulary gains; often none."""
        return tuple(self.new_token_texts)

    @property
    def _example(self) -> str:
        return self.format_point(TimePosition(30.0, 120.0))

    def format_span(self, start: Position, end: Position) -> str:
        """The text of a span, `START - END`, without unit word.

        Raises:
            CodecError: end before start.
        """
        if end.seconds < start.seconds:
            raise CodecError(f"span ends before it starts: {start.seconds} - {end.seconds}")
        return f"{self.format_point(start)}{SPAN_SEPARATOR}{self.format_point(end)}"

    def parse_point(self, text: str, *, duration_seconds: float | None = None) -> float:
        """The time in seconds that the whole text names.

        Args:
            text: one point, white space around it allowed.
            duration_seconds: length of the video (number of items for a sequence); needed when
                `is_relative`.

        Raises:
            CodecError: another text, or a missing or bad duration.
        """
        duration_seconds = self.duration_to_read(duration_seconds)
        stripped = text.strip()
        if re.fullmatch(self.spelling.point, stripped, re.IGNORECASE) is None:
            raise CodecError(f"no position of {self.name} (such as {self._example}): {text[:80]!r}")
        return self.seconds_of(stripped, duration_seconds=duration_seconds)

    def parse_span(
        self, text: str, *, duration_seconds: float | None = None
    ) -> tuple[float, float]:
        """Start and end in seconds of a text `START - END`; otherwise like `parse_point`.

        Raises:
            CodecError: as `parse_point`, or end before start.
        """
        duration_seconds = self.duration_to_read(duration_seconds)
        point = self.spelling.point
        match = re.fullmatch(rf"({point})\s{{0,4}}-\s{{0,4}}({point})", text.strip(), re.IGNORECASE)
        if match is None:
            raise CodecError(
                f"no span of {self.name} (such as {self._example} - {self._example}): {text[:80]!r}"
            )
        start, end = (
            self.seconds_of(place, duration_seconds=duration_seconds) for place in match.groups()
        )
        if end < start:
            raise CodecError(f"span ends before it starts: {text[:80]!r}")
        return start, end

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        """The number (from 1) of the item of a sequence of `length` that the text names.

        A relative place gives the nearest item; a plain number must be one of the items.

        Raises:
            CodecError: another text, no such item, or a length below 1.
        """
        _, length = checked_item(1, length)
        place = self.parse_point(text, duration_seconds=float(length))
        if self.is_relative:
            return max(round(place), 1)
        if not place.is_integer():
            raise CodecError(f"items are counted in whole numbers, got {text[:80]!r}")
        return checked_item(int(place), length)[0]

    def duration_to_read(self, duration_seconds: float | None) -> float:
        """The duration that reading times needs; 1.0 where none was given and none is needed.

        Raises:
            CodecError: a bad duration, or none for a relative codec.
        """
        if duration_seconds is not None:
            return checked_duration(duration_seconds)
        if self.is_relative:
            raise CodecError(
                f"{self.name} positions are relative: reading them needs duration_seconds "
                "(1.0 gives places as fractions)"
            )
        return 1.0


def loose_token(body: str) -> str:
    r"""The pattern of a token `<body>` that lost one of its brackets at most.

    Behind a backslash it is no token: `<\5>` is an escaped caption.
    """
    return rf"(?:<\s?{body}(?:\s?>)?|(?<![\\A-Za-z0-9_]){body}\s?>)"

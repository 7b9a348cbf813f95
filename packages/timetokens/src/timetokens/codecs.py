"""Every time representation of the field as one small object behind one interface.

A codec writes a place of a sequence or a video as text and reads it back. `CODECS` holds one of
each kind under the name a recipe uses; other sizes are made by calling the class, for instance
`RelativeDigits(digits=3)` or `Bins(num_bins=301)`. Table and sources:
docs/time_representations.md.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Protocol, SupportsIndex

from timetokens.clock import clock_seconds
from timetokens.errors import CodecError
from timetokens.position import (
    ItemPosition,
    Position,
    checked_duration,
    checked_item,
    nearest_step,
)
from timetokens.rpt import (
    DEFAULT_DIGITS,
    TOKENS,
    checked_digits,
    code_of,
    item_of_code,
    tokens_of_code,
)

SPAN_SEPARATOR: Final = " - "

# "seonds" is a slip in TimeChat's own evaluation prompt, which models repeat.
_SECONDS_WORD: Final = "(?:seconds?|seonds?|secs?|s)(?![A-Za-z])"
_LOOSE_DIGIT: Final = r"(?:<\s?[0-9](?:\s?>)?|[0-9]\s?>)"


class Codec(Protocol):
    """One time representation.

    Attributes:
        name: what a recipe calls it.
        new_tokens: tokens the vocabulary gains, in the order of their values; often none.
        new_token_texts: for each of them, ordinary text of the same meaning, whose embeddings
            start the new row.
        time_unit: the word that follows a video time in a sentence, "seconds" or nothing.
        is_relative: reading a time needs the duration of the video.
        slots: how a point is made of new tokens: for each place in the point the tokens that may
            stand there, in rising order; empty when a point is ordinary text.
        point_pattern: regular expression (bounded, without groups) of a point as models write it,
            small slips included.
        piece_pattern: the same for the smallest part of a point that is more than plain text, one
            digit token for instance; empty when a point is ordinary text.
        bare_pattern: a point that lost all its brackets, read only where nothing else can stand.
        unit_pattern: the unit words that models put behind a point.
    """

    @property
    def name(self) -> str: ...
    @property
    def new_tokens(self) -> tuple[str, ...]: ...
    @property
    def new_token_texts(self) -> tuple[str, ...]: ...
    @property
    def time_unit(self) -> str: ...
    @property
    def is_relative(self) -> bool: ...
    @property
    def slots(self) -> tuple[tuple[str, ...], ...]: ...
    @property
    def point_pattern(self) -> str: ...
    @property
    def piece_pattern(self) -> str: ...
    @property
    def bare_pattern(self) -> str: ...
    @property
    def unit_pattern(self) -> str: ...

    def format_point(self, position: Position) -> str:
        """The text of a position, without unit word."""

    def format_span(self, start: Position, end: Position) -> str:
        """The text of a span, `START - END`, without unit word.

        Raises:
            CodecError: end before start.
        """

    def parse_point(self, text: str, *, duration_seconds: float | None = None) -> float:
        """The time in seconds that the whole text names.

        Args:
            text: one point, white space around it allowed.
            duration_seconds: length of the video (number of items for an item sequence);
                needed when `is_relative`.

        Raises:
            CodecError: another text, or a missing or bad duration.
        """

    def parse_span(
        self, text: str, *, duration_seconds: float | None = None
    ) -> tuple[float, float]:
        """Start and end in seconds of a text `START - END`; same rules as `parse_point`."""

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        """The number (from 1) of the item of a sequence of `length` that the text names.

        A relative place gives the nearest item; an absolute number must be one of the items.
        """

    def resolution(self, duration_seconds: float) -> float:
        """Seconds between two neighbouring times that can be written."""

    def max_error(self, duration_seconds: float) -> float:
        """The largest distance in seconds between a time and what is read back for it."""


class _Codec:
    """What the codecs share: spans, whole-text matching, items by rounding."""

    # Declared, not defined: each codec below has these as fields or properties.
    is_relative: bool
    point_pattern: str

    def format_point(self, position: Position) -> str:
        raise NotImplementedError

    def _read(self, text: str, duration_seconds: float) -> float:
        """Seconds of a text that matches point_pattern; the duration is 1.0 when irrelevant."""
        raise NotImplementedError

    def format_span(self, start: Position, end: Position) -> str:
        _check_order(start, end)
        return f"{self.format_point(start)}{SPAN_SEPARATOR}{self.format_point(end)}"

    def parse_point(self, text: str, *, duration_seconds: float | None = None) -> float:
        duration_seconds = _duration_for(self, duration_seconds)
        stripped = text.strip()
        if re.fullmatch(self.point_pattern, stripped) is None:
            raise CodecError(f"not a {_name(self)} position: {text[:80]!r}")
        return self._read(stripped, duration_seconds)

    def parse_span(
        self, text: str, *, duration_seconds: float | None = None
    ) -> tuple[float, float]:
        pattern = f"({self.point_pattern})\\s{{0,4}}-\\s{{0,4}}({self.point_pattern})"
        match = re.fullmatch(pattern, text.strip())
        if match is None:
            raise CodecError(f"not a {_name(self)} span: {text[:80]!r}")
        duration_seconds = _duration_for(self, duration_seconds)
        return self._read(match[1], duration_seconds), self._read(match[2], duration_seconds)

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        _, length = checked_item(1, length)
        nearest = round(self.parse_point(text, duration_seconds=float(length)))
        if self.is_relative:
            return max(nearest, 1)  # a place before the first item is nearest to that
        return checked_item(nearest, length)[0]


@dataclass(frozen=True, slots=True)
class RelativeDigits(_Codec):
    """`rpt`: the paper's relative position tokens, `<0><7><2><9>` for 0.0729 of the way."""

    digits: int = DEFAULT_DIGITS
    name: str = "rpt"
    new_tokens: tuple[str, ...] = field(default=TOKENS, init=False)
    new_token_texts: tuple[str, ...] = field(default=tuple("0123456789"), init=False)
    time_unit: str = field(default="", init=False)
    unit_pattern: str = field(default=_SECONDS_WORD, init=False)
    is_relative: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        checked_digits(self.digits)

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        return (TOKENS,) * self.digits

    @property
    def piece_pattern(self) -> str:
        # Every digit keeps at least one of its brackets, or one pair holds them all: `<0729>`.
        return rf"(?:{self._bracketed_code}|{_LOOSE_DIGIT})"

    @property
    def point_pattern(self) -> str:
        rest = rf"(?:\s{{0,2}}{_LOOSE_DIGIT}){{{self.digits - 1}}}"
        return rf"(?:{self._bracketed_code}|{_LOOSE_DIGIT}{rest})"

    @property
    def bare_pattern(self) -> str:
        return rf"[0-9]{{{self.digits}}}"

    @property
    def _bracketed_code(self) -> str:
        return rf"<[0-9](?:\s?[0-9]){{{self.digits - 1}}}>"

    def format_point(self, position: Position) -> str:
        return tokens_of_code(code_of(position.relative, self.digits), self.digits)

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        relative = self.parse_point(text, duration_seconds=1.0)
        num_codes = 10**self.digits
        return item_of_code(round(relative * num_codes), num_codes, length)

    def resolution(self, duration_seconds: float) -> float:
        return checked_duration(duration_seconds) / 10**self.digits

    def max_error(self, duration_seconds: float) -> float:
        # Half a step everywhere but at the very end, whose code is one step below it.
        return self.resolution(duration_seconds)

    def _read(self, text: str, duration_seconds: float) -> float:
        code = int(re.sub(r"[^0-9]", "", text))
        return code / 10**self.digits * duration_seconds


@dataclass(frozen=True, slots=True)
class DecimalText(_Codec):
    """Numbers as ordinary text: TimeChat's `61.4` seconds, or plain integers for items.

    `seconds` writes an item as its time where one item counts as one second (`7.0`); `index`
    writes the bare item number (`7`), which is the paper's "w/o RPT" row: integers for image
    sequences, seconds for videos.
    """

    name: str = "seconds"
    item_decimals: int = 1
    time_decimals: int = 1
    new_tokens: tuple[str, ...] = field(default=(), init=False)
    new_token_texts: tuple[str, ...] = field(default=(), init=False)
    time_unit: str = field(default="seconds", init=False)
    unit_pattern: str = field(default=_SECONDS_WORD, init=False)
    is_relative: bool = field(default=False, init=False)
    slots: tuple[tuple[str, ...], ...] = field(default=(), init=False)
    piece_pattern: str = field(default="", init=False)
    bare_pattern: str = field(default="", init=False)

    @property
    def point_pattern(self) -> str:
        clock = r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]{1,6})?"
        return rf"(?:{clock}|[0-9]{{1,9}}(?:\.[0-9]{{1,9}})?)"

    def format_point(self, position: Position) -> str:
        is_item = isinstance(position, ItemPosition)
        decimals = self.item_decimals if is_item else self.time_decimals
        return f"{position.seconds:.{decimals}f}"

    def resolution(self, duration_seconds: float) -> float:
        checked_duration(duration_seconds)
        return 1 / 10**self.time_decimals

    def max_error(self, duration_seconds: float) -> float:
        return self.resolution(duration_seconds) / 2

    def _read(self, text: str, duration_seconds: float) -> float:
        return clock_seconds(text)


@dataclass(frozen=True, slots=True)
class Percent(_Codec):
    """`percent`: two digits of text, 00 to 99, as VTimeLLM writes times."""

    name: str = "percent"
    new_tokens: tuple[str, ...] = field(default=(), init=False)
    new_token_texts: tuple[str, ...] = field(default=(), init=False)
    time_unit: str = field(default="", init=False)
    unit_pattern: str = field(default="%", init=False)
    is_relative: bool = field(default=True, init=False)
    slots: tuple[tuple[str, ...], ...] = field(default=(), init=False)
    piece_pattern: str = field(default="", init=False)
    bare_pattern: str = field(default="", init=False)
    point_pattern: str = field(default=r"(?:100|[0-9]{1,2})", init=False)

    def format_point(self, position: Position) -> str:
        return f"{min(nearest_step(position.relative, 100), 99):02d}"

    def resolution(self, duration_seconds: float) -> float:
        return checked_duration(duration_seconds) / 100

    def max_error(self, duration_seconds: float) -> float:
        # The end of the video shares 99 with the step before it.
        return self.resolution(duration_seconds)

    def _read(self, text: str, duration_seconds: float) -> float:
        return int(text) / 100 * duration_seconds


@dataclass(frozen=True, slots=True)
class Bins(_Codec):
    """`bins`: one special token per place, spread evenly from the start to the very end.

    100 tokens `<t0>` .. `<t99>` are LITA's; `Bins(num_bins=301, prefix="")` has the vocabulary of
    Grounded-VideoLLM, `<0>` .. `<300>`, whose first ten collide with the tokens of `rpt`.
    """

    num_bins: int = 100
    prefix: str = "t"
    name: str = "bins"
    time_unit: str = field(default="", init=False)
    unit_pattern: str = field(default=_SECONDS_WORD, init=False)
    is_relative: bool = field(default=True, init=False)
    bare_pattern: str = field(default="", init=False)
    new_tokens: tuple[str, ...] = field(init=False)
    new_token_texts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        if not 2 <= self.num_bins <= 100_000:
            raise CodecError(f"num_bins must lie in 2..100000, got {self.num_bins}")
        if re.fullmatch("[A-Za-z_]{0,16}", self.prefix) is None:
            raise CodecError(f"prefix must be at most 16 letters, got {self.prefix!r}")
        numbers = range(self.num_bins)
        object.__setattr__(self, "new_tokens", tuple(f"<{self.prefix}{k}>" for k in numbers))
        object.__setattr__(self, "new_token_texts", tuple(str(k) for k in numbers))

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        return (self.new_tokens,)

    @property
    def piece_pattern(self) -> str:
        return self.point_pattern

    @property
    def point_pattern(self) -> str:
        # One of the two brackets may be missing.
        return rf"(?:<\s?{self.prefix}[0-9]{{1,6}}(?:\s?>)?|\b{self.prefix}[0-9]{{1,6}}\s?>)"

    def format_point(self, position: Position) -> str:
        return self.new_tokens[nearest_step(position.relative, self.num_bins - 1)]

    def resolution(self, duration_seconds: float) -> float:
        return checked_duration(duration_seconds) / (self.num_bins - 1)

    def max_error(self, duration_seconds: float) -> float:
        return self.resolution(duration_seconds) / 2

    def _read(self, text: str, duration_seconds: float) -> float:
        number = int(re.sub(r"[^0-9]", "", text))
        if number >= self.num_bins:
            raise CodecError(f"bins go from 0 to {self.num_bins - 1}, got {text[:80]!r}")
        return number / (self.num_bins - 1) * duration_seconds


def _loose_token(body: str) -> str:
    """The pattern of a token `<body>` that lost one of its brackets at most."""
    return rf"(?:<\s?{body}(?:\s?>)?|{body}\s?>)"


_DIGIT_NAMES: Final = (
    "ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AbsoluteDigits(_Codec):
    """`absolute_digits`: VTG-LLM's seconds as digit tokens, `0120.5` in six of them."""

    name: str = "absolute_digits"
    time_unit: str = field(default="seconds", init=False)
    unit_pattern: str = field(default=_SECONDS_WORD, init=False)
    is_relative: bool = field(default=False, init=False)
    bare_pattern: str = field(default="", init=False)
    new_tokens: tuple[str, ...] = field(
        default=tuple(f"<TIME_{name}>" for name in (*_DIGIT_NAMES, "DOT")), init=False
    )
    new_token_texts: tuple[str, ...] = field(default=tuple("0123456789."), init=False)

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        digits, dot = self.new_tokens[:10], self.new_tokens[10:]
        return (digits, digits, digits, digits, dot, digits)

    @property
    def piece_pattern(self) -> str:
        return _loose_token(f"TIME_(?:{'|'.join((*_DIGIT_NAMES, 'DOT'))})")

    @property
    def point_pattern(self) -> str:
        digit = _loose_token(f"TIME_(?:{'|'.join(_DIGIT_NAMES)})")
        dot = _loose_token("TIME_DOT")
        return rf"{digit}(?:\s{{0,2}}{digit}){{0,3}}(?:\s{{0,2}}{dot}\s{{0,2}}{digit})?"

    def format_point(self, position: Position) -> str:
        text = f"{position.seconds:06.1f}"
        if len(text) > 6:
            raise CodecError(
                f"absolute_digits writes times below 9999.95 seconds, got {position.seconds}"
            )
        return "".join(self.new_tokens["0123456789.".index(character)] for character in text)

    def resolution(self, duration_seconds: float) -> float:
        checked_duration(duration_seconds)
        return 0.1

    def max_error(self, duration_seconds: float) -> float:
        return self.resolution(duration_seconds) / 2

    def _read(self, text: str, duration_seconds: float) -> float:
        words = re.findall("TIME_([A-Z]+)", text)
        digits = ("." if word == "DOT" else str(_DIGIT_NAMES.index(word)) for word in words)
        return float("".join(digits))


CODECS: Final[dict[str, Codec]] = {
    "rpt": RelativeDigits(),
    "seconds": DecimalText(),
    "index": DecimalText(name="index", item_decimals=0),
    "percent": Percent(),
    "bins": Bins(),
    "absolute_digits": AbsoluteDigits(),
}
"""One codec of every kind, by name."""


def as_codec(codec: str | Codec) -> Codec:
    """The codec of that name; a codec is returned as it is.

    Raises:
        CodecError: a name that CODECS does not have.
    """
    if not isinstance(codec, str):
        return codec
    if codec not in CODECS:
        raise CodecError(f"unknown codec {codec!r}; one of: {', '.join(CODECS)}")
    return CODECS[codec]


def _duration_for(codec: _Codec, duration_seconds: float | None) -> float:
    if duration_seconds is not None:
        return checked_duration(duration_seconds)
    if codec.is_relative:
        raise CodecError(
            f"{_name(codec)} positions are relative: reading them needs duration_seconds "
            "(1.0 gives the place as a fraction)"
        )
    return 1.0


def _name(codec: object) -> str:
    return str(getattr(codec, "name", type(codec).__name__))


def _check_order(start: Position, end: Position) -> None:
    if end.seconds < start.seconds:
        raise CodecError(f"span ends before it starts: {start.seconds} - {end.seconds}")

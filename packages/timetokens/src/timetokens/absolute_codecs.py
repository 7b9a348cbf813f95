"""Codecs that write a place as seconds or as a count: `seconds`, `index`, `absolute_digits`."""

import functools
import re
from dataclasses import dataclass
from typing import Final

from timetokens.codec import Codec, Spelling, loose_token
from timetokens.errors import CodecError
from timetokens.position import ItemPosition, Position, checked_duration

# The comma is that of subtitle files, "0:01:02,500".
_SUBTITLE_CLOCK: Final = r"[0-9]{1,3}:[0-9]{2}:[0-9]{2},[0-9]{3}"
_CLOCK: Final = r"[0-9]{1,3}:[0-9]{2}(?::[0-9]{2})?(?:\.[0-9]{1,6})?"
_WORDS: Final = (
    r"(?:[0-9]{1,2}\s?h(?:(?:ou)?rs?)?\s?)?[0-9]{1,3}\s?m(?:in(?:ute)?s?)?\s?"
    r"[0-9]{1,2}(?:\.[0-9]{1,6})?\s?s(?:ec(?:ond)?s?)?(?![A-Za-z])"
)
_NUMBER: Final = r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?|(?<![^\s(\[:,-])\.[0-9]{1,9})"
_DIGIT_NAMES: Final = (
    "ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE",
)  # fmt: skip


_DECIMAL_SPELLING: Final = Spelling(point=f"(?:{_SUBTITLE_CLOCK}|{_CLOCK}|{_WORDS}|{_NUMBER})")


@functools.cache
def _digit_spelling() -> Spelling:
    # ASCII, or ignoring case would take NİNE, with its dot, for the name of a digit.
    digit, dot, sign = (
        loose_token(f"(?a:TIME_(?:{'|'.join(names)}))")
        for names in (_DIGIT_NAMES, ("DOT",), (*_DIGIT_NAMES, "DOT"))
    )
    return Spelling(
        point=rf"(?:{digit}(?:\s{{0,2}}{digit}){{0,3}}(?:\s{{0,2}}{dot}\s{{0,2}}{digit})?)",
        piece=sign,
    )


@dataclass(frozen=True, slots=True)
class DecimalText(Codec):
    """Numbers as plain text: TimeChat's `61.4` seconds, or whole numbers for items.

    `seconds` writes an item as its time where one item counts as one second (`7.0`). `index`
    writes the bare item number (`7`), and times as `seconds` does: that is the paper's "w/o RPT",
    free-form language with integers for image sequences and seconds for videos.

    Attributes:
        item_decimals: decimals of an item number, 0..9.
        time_decimals: decimals of a time, 0..9.
    """

    name: str = "seconds"
    item_decimals: int = 1
    time_decimals: int = 1
    time_unit: str = "seconds"
    is_relative: bool = False
    slots: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        for decimals in (self.item_decimals, self.time_decimals):
            if type(decimals) is not int or not 0 <= decimals <= 9:
                raise CodecError(f"decimals must be an integer in 0..9, got {decimals!r}")

    @property
    def new_token_texts(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def spelling(self) -> Spelling:
        """A number, `m:ss`, `h:mm:ss` or `1 min 20 s`, with or without decimals."""
        return _DECIMAL_SPELLING

    def format_point(self, position: Position) -> str:
        """The number, rounded half to even as Python formats it."""
        is_item = isinstance(position, ItemPosition)
        decimals = self.item_decimals if is_item else self.time_decimals
        return f"{position.seconds:.{decimals}f}"

    def resolution(self, duration_seconds: float) -> float:
        """One unit of the last decimal, whatever the duration."""
        checked_duration(duration_seconds)
        return 10.0**-self.time_decimals

    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """Seconds, also of `h:mm:ss` and of a decimal comma."""
        seconds = 0.0
        for part in re.findall(r"[0-9.]+", text.replace(",", ".")):
            seconds = seconds * 60 + float(part)  # 61.4 is 1:01.4 is 0:01:01.4 is 1m1.4s
        return seconds


@dataclass(frozen=True, slots=True)
class AbsoluteDigits(Codec):
    """`absolute_digits`: VTG-LLM's seconds as digit tokens, `0120.5` in six of them."""

    name: str = "absolute_digits"
    time_unit: str = "seconds"
    is_relative: bool = False

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """Four digits, the dot, one digit."""
        digits, dot = self.new_tokens[:10], self.new_tokens[10:]
        return (digits, digits, digits, digits, dot, digits)

    @property
    def new_token_texts(self) -> dict[str, str]:
        """`<TIME_SEVEN>` starts as "7", `<TIME_DOT>` as "."."""
        tokens = (f"<TIME_{name}>" for name in (*_DIGIT_NAMES, "DOT"))
        return dict(zip(tokens, "0123456789.", strict=True))

    @property
    def spelling(self) -> Spelling:
        """Tokens that keep one bracket at least; leading zeros and the decimal may be missing."""
        return _digit_spelling()

    def format_point(self, position: Position) -> str:
        """Four digits, dot and decimal of the time.

        Raises:
            CodecError: a time of 9999.95 seconds or more, which six tokens cannot hold.
        """
        text = f"{position.seconds:06.1f}"
        if len(text) > len(self.slots):
            raise CodecError(
                f"absolute_digits writes times below 9999.95 seconds, got {position.seconds}"
            )
        tokens = self.new_tokens
        return "".join(tokens["0123456789.".index(character)] for character in text)

    def resolution(self, duration_seconds: float) -> float:
        """A tenth of a second, whatever the duration."""
        checked_duration(duration_seconds)
        return 0.1

    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """Seconds that the digits spell."""
        words = re.findall("TIME_([A-Z]+)", text.upper())
        digits = ("." if word == "DOT" else str(_DIGIT_NAMES.index(word)) for word in words)
        return float("".join(digits))

"""Codecs that write a place as a share of the whole: `rpt`, `percent`, `bins`."""

import functools
import re
from dataclasses import dataclass
from typing import Final, SupportsIndex

from timetokens.codec import Codec, Spelling, loose_token
from timetokens.errors import CodecError
from timetokens.position import Position, checked_duration, checked_item, nearest_step
from timetokens.rpt import (
    DEFAULT_DIGITS,
    TOKENS,
    checked_digits,
    code_of,
    item_of_code,
    num_codes_of,
    tokens_of_code,
)

_PERCENT_SPELLING: Final = Spelling(
    point="(?:100|[0-9]{1,2})", unit=r"(?:%|percent\b)", lone="[0-9]{2}"
)


@functools.cache
def _digit_spelling(digits: int) -> Spelling:
    rest = digits - 1
    one = loose_token("[0-9]")
    together = rf"<[0-9](?:\s?[0-9]){{{rest}}}>"
    return Spelling(
        point=rf"(?:{together}|{one}(?:\s{{0,2}}{one}){{{rest}}})",
        piece=rf"(?:{together}|{one})",
        bare=rf"[0-9]{{{digits}}}",
    )


@dataclass(frozen=True, slots=True)
class RelativeDigits(Codec):
    """`rpt`: the paper's relative position tokens, `<0><7><2><9>` for 0.0729 of the way.

    Attributes:
        digits: 1..6; the paper has 4.
    """

    digits: int = DEFAULT_DIGITS
    name: str = "rpt"
    time_unit: str = ""
    is_relative: bool = True

    def __post_init__(self) -> None:
        checked_digits(self.digits)

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """Every place in a code takes every digit."""
        return (TOKENS,) * self.digits

    @property
    def new_token_texts(self) -> dict[str, str]:
        """`<7>` starts as "7"."""
        return dict(zip(TOKENS, "0123456789", strict=True))

    @property
    def spelling(self) -> Spelling:
        """Digits that keep at least one of their brackets, or one pair around them: `<0729>`."""
        return _digit_spelling(self.digits)

    def format_point(self, position: Position) -> str:
        """The code nearest to the place; the very end shares the highest code."""
        return tokens_of_code(code_of(position.relative, self.digits), self.digits)

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        """The item whose code this is, else the nearest; the highest code is the last item."""
        return _item(self, text, num_codes_of(self.digits), length)

    def resolution(self, duration_seconds: float) -> float:
        """One unit of the last digit."""
        return checked_duration(duration_seconds) / num_codes_of(self.digits)

    def max_error(self, duration_seconds: float) -> float:
        """A whole step, reached at the very end; half a step in front of its last half step."""
        return self.resolution(duration_seconds)

    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """The share of the whole that the digits write."""
        code = int(re.sub(r"[^0-9]", "", text))
        return code * duration_seconds / num_codes_of(self.digits)


@dataclass(frozen=True, slots=True)
class Percent(Codec):
    """`percent`: two digits of plain text, 00 to 99, as VTimeLLM writes times."""

    name: str = "percent"
    time_unit: str = ""
    is_relative: bool = True
    slots: tuple[tuple[str, ...], ...] = ()

    @property
    def new_token_texts(self) -> dict[str, str]:
        """None."""
        return {}

    @property
    def spelling(self) -> Spelling:
        """One to three digits, with or without a percent sign."""
        return _PERCENT_SPELLING

    def format_point(self, position: Position) -> str:
        """The nearest hundredth; the very end shares 99."""
        return f"{min(nearest_step(position.relative, 100), 99):02d}"

    def parse_item(self, text: str, *, length: SupportsIndex) -> int:
        """The nearest item; 99 is the last one."""
        return _item(self, text, 100, length)

    def resolution(self, duration_seconds: float) -> float:
        """A hundredth of the whole."""
        return checked_duration(duration_seconds) / 100

    def max_error(self, duration_seconds: float) -> float:
        """A whole step, reached at the very end; half a step in front of its last half step."""
        return self.resolution(duration_seconds)

    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """Hundredths of the whole."""
        return int(text) * duration_seconds / 100


@dataclass(frozen=True, slots=True)
class Bins(Codec):
    """`bins`: one special token per place, spread evenly from the start to the very end.

    100 tokens `<t0>` .. `<t99>` are LITA's. `Bins(num_bins=301, prefix="")` has the vocabulary of
    Grounded-VideoLLM, `<0>` .. `<300>`, whose first ten tokens collide with those of `rpt`; it
    takes the nearest token where that system rounds down.

    Attributes:
        num_bins: 2..100000.
        prefix: what stands before the number in a token.
    """

    num_bins: int = 100
    prefix: str = "t"
    name: str = "bins"
    time_unit: str = ""
    is_relative: bool = True

    def __post_init__(self) -> None:
        if type(self.num_bins) is not int or not 2 <= self.num_bins <= 100_000:
            raise CodecError(f"num_bins must be an integer in 2..100000, got {self.num_bins!r}")
        if re.fullmatch("[A-Za-z_]{0,16}", self.prefix) is None:
            raise CodecError(f"prefix must be 0 to 16 ASCII letters or _, got {self.prefix!r}")

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]:
        """One token is one point."""
        return (self.new_tokens,)

    @property
    def new_token_texts(self) -> dict[str, str]:
        """`<t17>` starts as "17"."""
        return {f"<{self.prefix}{number}>": str(number) for number in range(self.num_bins)}

    @property
    def spelling(self) -> Spelling:
        """The token, of which one bracket may be missing, or both where letters are left."""
        body = self.prefix + "[0-9]{1,6}"
        token = loose_token(body)
        return Spelling(point=token, piece=token, bare=body if self.prefix else "")

    def format_point(self, position: Position) -> str:
        """The token nearest to the place."""
        return f"<{self.prefix}{nearest_step(position.relative, self.num_bins - 1)}>"

    def resolution(self, duration_seconds: float) -> float:
        """The whole, divided by the gaps between the tokens."""
        return checked_duration(duration_seconds) / (self.num_bins - 1)

    def seconds_of(self, text: str, *, duration_seconds: float) -> float:
        """The place of the token."""
        number = int(re.sub(r"[^0-9]", "", text))
        if number >= self.num_bins:
            raise CodecError(f"bins go from 0 to {self.num_bins - 1}, got {text[:80]!r}")
        return number * duration_seconds / (self.num_bins - 1)


def _item(codec: Codec, text: str, num_codes: int, length: SupportsIndex) -> int:
    code = round(codec.parse_point(text, duration_seconds=1.0) * num_codes)
    return item_of_code(code, num_codes, checked_item(1, length)[1])

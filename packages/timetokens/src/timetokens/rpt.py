"""Relative position tokens (section 3.3 of the paper): `<0><7><2><9>` is 0.0729 of the way.

A code of n digits names the place k / 10**n, k = 0 .. 10**n - 1. The place 1.0 (the last item, the
end of a video) has no code; it shares the highest one, 9999 for four digits. So does every place
that rounds up to 1.0 (rows 2 and 3 of docs/decisions.md).
"""

import functools
import re
from typing import Final, SupportsIndex

from timetokens.errors import CodecError
from timetokens.position import (
    checked_duration,
    checked_item,
    checked_seconds,
    clamped_seconds,
    nearest_step,
)

TOKENS: Final = ("<0>", "<1>", "<2>", "<3>", "<4>", "<5>", "<6>", "<7>", "<8>", "<9>")
"""The ten tokens a vocabulary gains."""

DEFAULT_DIGITS: Final = 4
MAX_DIGITS: Final = 6

_NUM_CODES: Final = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)

# Decoders of SentencePiece tokenizers put spaces between added tokens, hence the white space.
_CODE = re.compile(r"\s*(?:<[0-9]>\s*){1,6}")


def encode(item_number: SupportsIndex, length: SupportsIndex, digits: int = DEFAULT_DIGITS) -> str:
    """The time tokens of item `item_number` (counted from 1) of a sequence of `length`.

    Args:
        item_number: 1..length.
        length: number of items, at least 1.
        digits: digits of the code, 1..6; the paper uses 4.

    Raises:
        CodecError: a number outside its range.
        TypeError: an item_number or length that is not an integer.

    Example:
        >>> encode(7, 96)
        '<0><7><2><9>'
        >>> encode(96, 96)
        '<9><9><9><9>'
    """
    item_number, length = checked_item(item_number, length)
    return tokens_of_code(code_of(item_number / length, digits), digits)


def decode(text: str) -> float:
    """The relative place, in [0, 1), that a text of time tokens names.

    White space between the tokens is allowed; anything else is not.

    Raises:
        CodecError: text that is not one code of 1 to 6 digit tokens.

    Example:
        >>> decode("<0><7><2><9>")
        0.0729
    """
    code, num_codes = _read_code(text)
    return code / num_codes


def decode_item(text: str, length: SupportsIndex) -> int:
    """The number (from 1) of the item of a sequence of `length` that a code names.

    Inverts `encode` for every length up to 6666 with four digits; longer sequences have items that
    share a code. A code that no item has gives the nearest item.

    Raises:
        CodecError: text that is not one code, or a length below 1.

    Example:
        >>> decode_item("<0><7><2><9>", 96)
        7
    """
    code, num_codes = _read_code(text)
    _, length = checked_item(1, length)
    return item_of_code(code, num_codes, length)


def encode_seconds(
    seconds: float,
    *,
    duration_seconds: float,
    digits: int = DEFAULT_DIGITS,
    clamp: bool = False,
) -> str:
    """The time tokens of a time in a video.

    Args:
        seconds: 0..duration_seconds.
        duration_seconds: length of the whole video, above 0.
        digits: digits of the code, 1..6.
        clamp: move a time outside the video to its nearer end instead of raising.

    Raises:
        CodecError: NaN, a bad duration, or (without `clamp`) a time outside the video.

    Example:
        >>> encode_seconds(61.4, duration_seconds=148.8)
        '<4><1><2><6>'
    """
    duration_seconds = checked_duration(duration_seconds)
    if clamp:
        seconds = clamped_seconds(seconds, duration_seconds)
    seconds = checked_seconds(seconds, duration_seconds)
    return tokens_of_code(code_of(seconds / duration_seconds, digits), digits)


def decode_seconds(text: str, *, duration_seconds: float) -> float:
    """The time in seconds that a code names in a video of `duration_seconds`.

    With four digits it lies within duration / 20000 of the encoded time. Only the last 1/20000 of
    a video, which shares the code 9999, comes back up to duration / 10000 early.

    Raises:
        CodecError: text that is not one code, or a bad duration.

    Example:
        >>> decode_seconds("<5><0><0><0>", duration_seconds=120.0)
        60.0
    """
    duration_seconds = checked_duration(duration_seconds)
    code, num_codes = _read_code(text)
    return code * duration_seconds / num_codes


def code_of(relative: float, digits: int) -> int:
    """The code, 0 .. 10**digits - 1, of a place in [0, 1]: the nearest, the end clamped."""
    num_codes = _NUM_CODES[checked_digits(digits)]
    code = nearest_step(relative, num_codes)
    return code if code < num_codes else num_codes - 1


def item_of_code(code: int, num_codes: int, length: int) -> int:
    """The item number nearest to code / num_codes; the highest code is the last item."""
    if code == num_codes - 1:
        return length
    # Half up, in integers. The place of an item is off by half a code at most, so this inverts
    # `encode` wherever half a code is less than half an item.
    return (2 * code * length + num_codes) // (2 * num_codes) or 1


@functools.lru_cache(maxsize=16384)  # every code of four digits
def tokens_of_code(code: int, digits: int) -> str:
    """The code written as digit tokens: 729 with four digits is `<0><7><2><9>`."""
    return "<" + "><".join(f"{code:0{digits}d}") + ">"


def num_codes_of(digits: int) -> int:
    """How many codes that many digits can write."""
    return _NUM_CODES[digits]


def checked_digits(digits: int) -> int:
    """The number of digits.

    Raises:
        CodecError: not an integer in 1..6.
    """
    if type(digits) is not int or not 1 <= digits <= MAX_DIGITS:  # a bool is no number of digits
        raise CodecError(f"digits must be an integer in 1..{MAX_DIGITS}, got {digits!r}")
    return digits


@functools.lru_cache(maxsize=16384)
def _read_code(text: str) -> tuple[int, int]:
    """The code and the number of codes that many digits can write."""
    if _CODE.fullmatch(text) is None:
        raise CodecError(
            f"expected 1 to {MAX_DIGITS} digit tokens such as <0><7><2><9>, got {text[:80]!r}"
        )
    digits = re.sub(r"[<>\s]", "", text)
    return int(digits), num_codes_of(len(digits))

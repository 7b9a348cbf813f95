"""Where something is: item i of a sequence of L, or t seconds into a video of D seconds.

Section 3.3 of the paper writes a place as round(i / L, 4). This module settles, once, what that
leaves open: items count from 1 (the paper's seventh of 96 is 7 / 96 = 0.0729), the place of a video
time is t / D of the raw video and not of the sampled frames, and rounding is exact integer
arithmetic. These are rows 1 to 6 of docs/decisions.md.
"""

import math
import operator
from dataclasses import dataclass
from typing import SupportsIndex

from timetokens.errors import CodecError


@dataclass(frozen=True, slots=True)
class ItemPosition:
    """Item `item_number` (counted from 1) of a sequence of `length` items.

    Raises:
        CodecError: item_number < 1 or > length.
        TypeError: a value that is not an integer.
    """

    item_number: int
    length: int

    def __post_init__(self) -> None:
        item_number, length = checked_item(self.item_number, self.length)
        object.__setattr__(self, "item_number", item_number)
        object.__setattr__(self, "length", length)

    @property
    def relative(self) -> float:
        """The place as a fraction in (0, 1]: the last item lies at 1."""
        return self.item_number / self.length

    @property
    def seconds(self) -> float:
        """The place in seconds where one item counts as one second: item 7 lies at 7.0."""
        return float(self.item_number)

    @property
    def duration_seconds(self) -> float:
        """Seconds of the whole sequence where one item counts as one second."""
        return float(self.length)


@dataclass(frozen=True, slots=True)
class TimePosition:
    """`seconds` into a video that lasts `duration_seconds`.

    Raises:
        CodecError: a duration that is not a finite number above 0, or seconds outside the video.

    Example:
        >>> TimePosition(30.0, 120.0).relative
        0.25
    """

    seconds: float
    duration_seconds: float

    def __post_init__(self) -> None:
        duration_seconds = checked_duration(self.duration_seconds)
        seconds = checked_seconds(self.seconds, duration_seconds)
        object.__setattr__(self, "seconds", seconds)
        object.__setattr__(self, "duration_seconds", duration_seconds)

    @property
    def relative(self) -> float:
        """The place as a fraction in [0, 1]."""
        return self.seconds / self.duration_seconds


Position = ItemPosition | TimePosition


def time_position(seconds: float, *, duration_seconds: float, clamp: bool = False) -> TimePosition:
    """The position of a time; with `clamp`, a time outside the video moves to its nearer end.

    Raises:
        CodecError: NaN, a bad duration, or (without `clamp`) a time outside the video.
    """
    duration_seconds = checked_duration(duration_seconds)
    if clamp:
        seconds = clamped_seconds(seconds, duration_seconds)
    return TimePosition(seconds, duration_seconds)


def checked_item(item_number: SupportsIndex, length: SupportsIndex) -> tuple[int, int]:
    """Item number and length as plain integers.

    Raises:
        CodecError: length < 1, item_number < 1 or item_number > length.
        TypeError: a value that is not an integer (floats and booleans included).
    """
    item_number = _integer(item_number, "item_number")
    length = _integer(length, "length")
    if length < 1:
        raise CodecError(f"length must be at least 1, got {length}")
    if not 1 <= item_number <= length:
        raise CodecError(
            f"item_number must lie in 1..{length} (items count from 1), got {item_number}"
        )
    return item_number, length


def checked_duration(duration_seconds: float) -> float:
    """The duration as a float.

    Raises:
        CodecError: NaN, infinite (or so large that arithmetic overflows), zero or negative.
    """
    if not 0 < duration_seconds < 1e300:  # also false for NaN
        raise CodecError(
            f"duration_seconds must lie above 0 and below 1e300, got {duration_seconds}"
        )
    return float(duration_seconds)


def checked_seconds(seconds: float, duration_seconds: float) -> float:
    """The time as a float.

    Raises:
        CodecError: NaN, or outside [0, duration_seconds].
    """
    if not 0 <= seconds <= duration_seconds:  # also false for NaN
        hint = "" if math.isnan(seconds) else " (clamp=True or --clamp moves it to the nearer end)"
        raise CodecError(f"seconds must lie in 0..{duration_seconds}, got {seconds}{hint}")
    return float(seconds)


def clamped_seconds(seconds: float, duration_seconds: float) -> float:
    """The time moved to the nearer end of the video if it lies outside; NaN stays NaN."""
    if seconds < 0:
        return 0.0
    return duration_seconds if seconds > duration_seconds else seconds


def nearest_step(relative: float, num_steps: int) -> int:
    """The step k of `num_steps` for which k / num_steps is nearest to `relative`.

    Exact, halves to even: with num_steps = 10**n it equals Python's `round(relative, n)`, the
    paper's formula, for every double. The result lies in 0..num_steps.

    Args:
        relative: a place in [0, 1].
        num_steps: steps from 0 to 1, in 1..10**6.
    """
    scaled = relative * num_steps  # off by less than 1e-9, so only near a half it may mislead
    step = int(scaled)
    rest = scaled - step
    if rest < 0.499999:
        return step
    if rest > 0.500001:
        return step + 1
    numerator, denominator = relative.as_integer_ratio()
    step, remainder = divmod(numerator * num_steps, denominator)
    twice = 2 * remainder
    if twice > denominator or (twice == denominator and step % 2 == 1):
        step += 1
    return step


def _integer(value: SupportsIndex, name: str) -> int:
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None

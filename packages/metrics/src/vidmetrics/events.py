"""What is scored: spans and captioned events as plain tuples, checked once and made arrays.

Times are seconds. Model output is data: reversed, negative and absurdly long spans are scored by
the rules of the protocol; only what has no meaning as a number (NaN, infinity, text) is an error,
and the error names the video and the event.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from vidmetrics.errors import InputError

Event = tuple[float, float, str]
"""`(start_seconds, end_seconds, caption)`."""
Span = tuple[float, float]
"""`(start_seconds, end_seconds)`."""
ScoredSpan = Span | tuple[float, float, float]
"""The same, perhaps with a score behind."""
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

# Beyond this no difference of two times can overflow; no real span comes near it.
MAX_SECONDS = 1e100
# METEOR needs seconds and half a gigabyte to align a caption of this length; files with longer ones
# are broken, and would hang it.
MAX_CAPTION_CHARACTERS = 100_000


def seconds(value: object, place: Callable[[], str]) -> float:
    """One time as a float, clamped to ±1e100 so that no length overflows.

    Args:
        value: an int or float; NumPy scalars count.
        place: names the event, called only for an error.

    Raises:
        InputError: not a number, NaN or infinite.
    """
    if type(value) is float and -MAX_SECONDS < value < MAX_SECONDS:
        return value  # almost every time there is; the checks below cost more than the scores
    return min(max(finite(value, "a time", place), -MAX_SECONDS), MAX_SECONDS)


def finite(value: object, what: str, place: Callable[[], str]) -> float:
    """One number as a float.

    Args:
        value: an int or float; NumPy scalars count.
        what: what it is, for an error.
        place: where it stands, likewise.

    Raises:
        InputError: not a number, NaN, infinite, or too large for a float.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{place()}: {what} must be a number, got {value!r:.60}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{place()}: {what} must be finite, got {value!r:.60}")
    return number


def check_event(event: object, place: Callable[[], str]) -> Event:
    """The event as `(float, float, str)`.

    Raises:
        InputError: not three values, a time that is no finite number, a caption that is no text or
            longer than `MAX_CAPTION_CHARACTERS`.
    """
    if not is_list(event) or len(event) != 3:
        raise InputError(
            f"{place()}: an event must be (start_seconds, end_seconds, caption), got {event!r:.80}"
        )
    start, end, caption = event
    if not isinstance(caption, str):
        raise InputError(f"{place()}: a caption must be text, got {caption!r:.60}")
    if len(caption) > MAX_CAPTION_CHARACTERS:
        raise InputError(
            f"{place()}: a caption of {len(caption):,} characters ({caption[:40]!r}...) cannot be "
            f"scored, the longest allowed has {MAX_CAPTION_CHARACTERS:,}"
        )
    return seconds(start, place), seconds(end, place), caption


def check_span(span: object, place: Callable[[], str]) -> Span:
    """The span as `(float, float)`; NumPy rows count.

    Raises:
        InputError: not two values, or a time that is no finite number.
    """
    ordinary = _ordinary_span(span)
    if ordinary is not None:
        return ordinary
    span = plain(span)
    if not is_list(span) or len(span) != 2:
        raise InputError(
            f"{place()}: a span must be (start_seconds, end_seconds), got {span!r:.80}"
        )
    return seconds(span[0], place), seconds(span[1], place)


def check_scored_span(span: object, place: Callable[[], str]) -> ScoredSpan:
    """The span as floats, with its score if it carries one.

    Raises:
        InputError: not two or three values, or one that is no finite number.
    """
    ordinary = _ordinary_span(span)
    if ordinary is not None:
        return ordinary
    span = plain(span)
    if is_list(span) and len(span) == 3:
        start, end = check_span(list(span[:2]), place)
        return start, end, finite(span[2], "a score", place)
    return check_span(span, place)


def _ordinary_span(span: Any) -> Span | None:
    """The span if it is a pair of ordinary floats, as nearly all are: the checks cost more."""
    if type(span) not in (list, tuple) or len(span) != 2:
        return None
    start, end = span
    if type(start) is not float or type(end) is not float:
        return None
    bounded = -MAX_SECONDS < start < MAX_SECONDS and -MAX_SECONDS < end < MAX_SECONDS
    return (start, end) if bounded else None


def check_videos(
    videos: Mapping[str, Sequence[Event]], name: str, *, allow_empty: bool
) -> dict[str, list[Event]]:
    """A checked copy of `{video: events}`.

    Args:
        videos: the argument of a public function.
        name: how that argument is called, for errors.
        allow_empty: whether a video may have no event.

    Raises:
        InputError: names the video and the event (0-based, as in the caller's list).
    """
    if not isinstance(videos, Mapping):
        raise InputError(
            f"{name} must be a mapping of video to events, got {type(videos).__name__}"
        )
    checked: dict[str, list[Event]] = {}
    for video, events in videos.items():
        if not is_list(events):
            raise InputError(
                f"{name}[{video!r}] must be a list of events, got {type(events).__name__}"
            )
        if not events and not allow_empty:
            raise InputError(
                f"{name}[{video!r}] has no event: recall against nothing is undefined, leave it out"
            )
        checked[video] = [
            check_event(event, lambda v=video, i=index: f"{name}[{v!r}][{i}]")  # type: ignore[misc]
            for index, event in enumerate(events)
        ]
    return checked


def span_array(events: Sequence[Event] | Sequence[Span]) -> FloatArray:
    """The times of events or spans: (n, 2) float64, seconds."""
    return np.array([event[:2] for event in events], dtype=np.float64).reshape(-1, 2)


def plain(value: object) -> object:
    """An array as nested lists, anything else as it is."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Whether the value is a sequence and not text."""
    return type(value) in (list, tuple) or (
        isinstance(value, Sequence) and not isinstance(value, str | bytes)
    )

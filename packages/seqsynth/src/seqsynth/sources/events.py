"""Spans that people wrote down: checked, cut to the video, and never dropped without a word."""

from __future__ import annotations

from collections.abc import Iterable

import timetokens as tt
from seqsynth.sources.fields import as_number, checked_text, shown
from seqsynth.sources.rows import RowError

_TOLERANCE_SECONDS = 1e-6  # 207.0000001 of 207 is a matter of writing


def event_of(span: object, caption: object) -> tt.Event:
    """One span, [start, end] in seconds, with its caption.

    Raises:
        RowError: not two finite numbers, reversed, of no length, or no caption.
    """
    if not isinstance(span, list | tuple) or len(span) != 2:
        raise RowError("span is no pair of times", shown(span))
    start, end = (as_number(value, "time") for value in span)
    if start > end:
        raise RowError("reversed span", f"{start:g} - {end:g}")
    if start == end:
        raise RowError("span of no length", f"{start:g} - {end:g}")
    if not isinstance(caption, str):
        raise RowError("caption is no text", shown(caption))
    caption = checked_text(caption.strip(), "caption")
    if not caption:
        raise RowError("empty caption")
    return tt.Event(start, end, caption)


def events_of(
    pairs: Iterable[tuple[object, object]],
) -> tuple[tuple[tt.Event, ...], tuple[str, ...]]:
    """Events of pairs of span and caption, and the reasons of those that were left out.

    Raises:
        RowError: not one of them can be used.
    """
    events, errors = [], []
    for span, caption in pairs:
        try:
            events.append(event_of(span, caption))
        except RowError as error:
            errors.append(error)
    if not events:
        raise errors[0] if errors else RowError("no events")
    return tuple(events), tuple(f"event left out: {error.reason}" for error in errors)


def within(
    events: tuple[tt.Event, ...], duration_seconds: float
) -> tuple[tuple[tt.Event, ...], tuple[str, ...]]:
    """Events cut to [0, duration], and what was changed.

    Raises:
        RowError: all of them lie outside.
    """
    kept, flaws = [], []
    for event in events:
        start = max(event.start_seconds, 0.0)
        end = min(event.end_seconds, duration_seconds)
        if start >= end:
            flaws.append("event left out: span outside the video")
            continue
        if start != event.start_seconds:
            flaws.append("event cut: starts before 0")
        if event.end_seconds > duration_seconds + _TOLERANCE_SECONDS:
            flaws.append("event cut: ends after the video")
        kept.append(tt.Event(start, end, event.caption))
    if events and not kept:
        raise RowError("span outside the video", f"the video has {duration_seconds:g} seconds")
    return tuple(kept), tuple(flaws)

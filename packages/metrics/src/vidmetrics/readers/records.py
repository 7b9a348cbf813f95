"""What every reader yields: one record a video or query, checked, with its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vidmetrics.errors import InputError
from vidmetrics.events import (
    Event,
    ScoredSpan,
    check_event,
    check_scored_span,
    is_list,
    seconds,
)


class Record(NamedTuple):
    """One video's events or one query's spans.

    Attributes:
        id: the video of dense captions, the query of grounding.
        place: the file and line, for errors.
        events: captioned events (dense captioning).
        spans: windows of a reference or an answer's spans, best first (grounding).
        task: `"dvc"`, `"tvg"`, `"iig"`, or `""` where the format has one task only.
        benchmark: which benchmark it belongs to; `""` in formats that hold one.
        system: which system predicted it; `""` for references and one-system formats.
        video: the video of a query.
        query: what is looked for.
        duration_seconds: of the video, where the file says so.
        malformed: parts of the model's text that could not be read.
    """

    id: str
    place: Callable[[], str]
    events: tuple[Event, ...] = ()
    spans: tuple[ScoredSpan, ...] = ()
    task: str = ""
    benchmark: str = ""
    system: str = ""
    video: str = ""
    query: str = ""
    duration_seconds: float | None = None
    malformed: int = 0


def numbered(place: Callable[[], str], what: str, number: int) -> Callable[[], str]:
    """The place of one part, counted from 1."""
    return lambda: f"{place()}, {what} {number}"


def named(place: Callable[[], str], what: str, name: str) -> Callable[[], str]:
    """The place with what stands there."""
    return lambda: f"{place()}, {what} {name!r}"


def member(
    value: object, key: str, kinds: type | tuple[type, ...], place: Callable[[], str]
) -> Any:
    """`value[key]`, checked to be there and of one of the kinds.

    Raises:
        InputError: names the place, the key and what stands there.
    """
    if not isinstance(value, dict):
        raise InputError(f"{place()}: expected an object with {key!r}, got {value!r:.60}")
    if key not in value:
        raise InputError(f"{place()}: {key!r} is missing; there are {_keys(value)}")
    found = value[key]
    if not isinstance(found, kinds) or (isinstance(found, bool) and bool not in _tuple(kinds)):
        wanted = " or ".join(_NAMES.get(kind, kind.__name__) for kind in _tuple(kinds))
        raise InputError(f"{place()}: {key!r} must be {wanted}, got {found!r:.60}")
    return found


def text_member(value: object, key: str, place: Callable[[], str], default: str = "") -> str:
    """`value[key]` as text, or the default where the key is missing."""
    if isinstance(value, dict) and value.get(key) is None:
        return default
    return str(member(value, key, (str, int), place))


def duration_member(value: dict[str, Any], place: Callable[[], str]) -> float | None:
    """The positive number under `duration_seconds` or `duration`, if there is one.

    Raises:
        InputError: it is no positive number.
    """
    key = "duration" if value.get("duration_seconds") is None else "duration_seconds"
    if value.get(key) is None:
        return None
    duration = seconds(value[key], lambda: f"{place()}, {key}")
    if duration <= 0.0:
        raise InputError(f"{place()}: {key} must be positive, got {duration:g}")
    return duration


def events_of(items: object, place: Callable[[], str]) -> tuple[Event, ...]:
    """A list of `[start_seconds, end_seconds, caption]` as events.

    Raises:
        InputError: names the event, counted from 1.
    """
    if not is_list(items):
        raise InputError(f"{place()}: expected a list of events, got {items!r:.60}")
    return tuple(
        [
            check_event(item, numbered(place, "event", number))
            for number, item in enumerate(items, start=1)
        ]
    )


def spans_of(items: object, place: Callable[[], str]) -> tuple[ScoredSpan, ...]:
    """A list of `[start_seconds, end_seconds]`, perhaps with a score, or one such pair.

    Raises:
        InputError: names the span, counted from 1.
    """
    if items is None:
        return ()
    if not is_list(items):
        raise InputError(f"{place()}: expected a list of spans, got {items!r:.60}")
    if len(items) in (2, 3) and not any(is_list(item) for item in items):
        items = [items]
    return tuple(
        [
            check_scored_span(item, numbered(place, "span", number))
            for number, item in enumerate(items, start=1)
        ]
    )


def without_duplicates(records: Sequence[Record]) -> list[Record]:
    """The records, none of which may name the same thing twice.

    Raises:
        InputError: names both places.
    """
    seen: dict[tuple[str, str, str], Record] = {}
    for record in records:
        key = (record.benchmark, record.system, record.id)
        if key in seen:
            raise InputError(
                f"{record.place()}: {record.id!r} was there before, at {seen[key].place()}"
            )
        seen[key] = record
    return list(records)


_NAMES = {str: "text", dict: "an object", list: "a list", int: "a number", float: "a number"}


def _tuple(kinds: type | tuple[type, ...]) -> tuple[type, ...]:
    return kinds if isinstance(kinds, tuple) else (kinds,)


def _keys(value: dict[str, Any]) -> str:
    names = ", ".join(repr(key)[:40] for key in list(value)[:6])
    return names + (", ..." if len(value) > 6 else "") if value else "no keys"

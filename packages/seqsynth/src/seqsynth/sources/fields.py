"""Fields of records that strangers wrote: of the right type, or a `RowError` that says why not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from seqsynth.sources.rows import RowError

_MAX_SHOWN = 80

Record = Mapping[str, Any]


def shown(value: object) -> str:
    """A value for a message, cut short; what is no Unicode is escaped."""
    text = repr(value)
    text = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    return text.encode("utf-8", "backslashreplace").decode()


def object_of(value: object) -> dict[str, Any]:
    """The value, if it is a JSON object."""
    if not isinstance(value, dict):
        raise RowError("not an object", shown(value))
    return value


def list_of(record: Record, name: str) -> list[Any]:
    """A list that has to be there; it may be empty."""
    value = _field(record, name)
    if not isinstance(value, list):
        raise RowError(f"{name} is no list", shown(value))
    return value


def text_of(record: Record, name: str) -> str:
    """A text that has to be there, without blanks around it."""
    text = _as_text(name, _field(record, name))
    if not text:
        raise RowError(f"empty {name}")
    return text


def optional_text(record: Record, name: str) -> str:
    """A text, "" where it is absent or null."""
    value = record.get(name)
    return "" if value is None else _as_text(name, value)


def key_of(record: Record, name: str) -> str:
    """A text or whole number that has to be there, as text."""
    value = _field(record, name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(record, name)


def number_of(record: Record, name: str) -> float:
    """A finite number that has to be there, also when it is written as text."""
    return as_number(_field(record, name), name)


def as_number(value: object, name: str) -> float:
    """The value as a finite number."""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            number = math.nan
        if math.isfinite(number):
            return number
    raise RowError(f"{name} is no number", shown(value))


def duration_of(record: Record, name: str) -> float:
    """A playing time that has to be there, in seconds."""
    seconds = number_of(record, name)
    if seconds <= 0:
        raise RowError(f"{name} is not positive", shown(seconds))
    return seconds


def optional_duration(record: Record, name: str) -> float | None:
    """A playing time in seconds, None where it is absent, null or ""."""
    return None if record.get(name) in (None, "") else duration_of(record, name)


def checked_text(text: str, name: str) -> str:
    """The text, if it can be written as UTF-8: lone surrogates cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RowError(f"{name} is not UTF-8", shown(text)) from None
    return text


def _field(record: Record, name: str) -> Any:
    if record.get(name) is None:
        raise RowError(f"no {name}")
    return record[name]


def _as_text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RowError(f"{name} is no text", shown(value))
    return checked_text(value.strip(), name)

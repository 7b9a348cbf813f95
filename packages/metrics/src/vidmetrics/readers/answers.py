"""Spans and captions in a model's raw answer, for formats that keep only the text.

Model text is data: what cannot be read is counted, never an error. Only the two notations of the
formats below are read; a project that knows its model's notation should parse it itself and hand
over events.
"""

from __future__ import annotations

import json
import re

from vidmetrics.events import Event, Span

_NUMBER = r"(?<![\d.])(\d{1,9}(?:\.\d{1,9})?)"
_SECONDS = re.compile(rf"{_NUMBER}\s*(?:-|–|—|to)\s*{_NUMBER}(?:\s*(?:seconds?|secs?|s)\b)?")
_PERCENT = re.compile(r"\b(\d{1,3})\s+(?:to|and)\s+(\d{1,3})\b")


def spans_in_seconds(text: str) -> list[Span]:
    """Every `12.0 - 15.5 seconds` in the text, in order."""
    return [(float(found[1]), float(found[2])) for found in _SECONDS.finditer(text)]


def events_in_seconds(text: str) -> tuple[list[Event], int]:
    """Every `12.0 - 15.5 seconds, caption` of the text.

    Returns:
        The events, and how many spans had no caption behind them (they are left out).
    """
    found = list(_SECONDS.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)][: len(found)]
    events: list[Event] = []
    for match, end in zip(found, ends, strict=True):
        caption = text[match.end() : end].strip(" \t\r\n,.:;-")
        if caption:
            events.append((float(match[1]), float(match[2]), caption))
    return events, len(found) - len(events)


def span_in_percent(text: str, *, duration_seconds: float) -> Span | None:
    """The first `from 12 to 34` of the text, hundredths of the video, in seconds; None if none."""
    found = _PERCENT.search(text)
    if found is None:
        return None
    return float(found[1]) * duration_seconds / 100.0, float(found[2]) * duration_seconds / 100.0


def events_in_percent(text: str, *, duration_seconds: float) -> tuple[list[Event], int]:
    """VTimeLLM's JSON list of `{"event": ..., "timestamps": "from 12 to 34"}` as events.

    The last hundredth counts whole: `to 34` ends at 35 % of the video, as its scorer has it.

    Returns:
        The events, and how many parts could not be read (the whole answer is one part).
    """
    try:
        items = json.loads(text[text.find("[") : text.rfind("]") + 1])
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        return [], 1
    events: list[Event] = []
    for item in items:
        times = item.get("timestamps") if isinstance(item, dict) else None
        numbers = _PERCENT.search(times) if isinstance(times, str) else None
        if numbers is not None and isinstance(item.get("event"), str):
            start = float(numbers[1]) * duration_seconds / 100.0
            end = (float(numbers[2]) + 1.0) * duration_seconds / 100.0
            events.append((start, end, item["event"]))
    return events, len(items) - len(events)

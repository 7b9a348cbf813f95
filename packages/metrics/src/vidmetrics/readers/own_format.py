"""Our `references.jsonl` and `predictions.jsonl`: one query a line, any task, any benchmark.

And `examples.jsonl` as references: sequences with the places that their questions ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vidmetrics.errors import InputError
from vidmetrics.readers.documents import Document
from vidmetrics.readers.records import (
    Record,
    duration_member,
    events_of,
    member,
    named,
    text_member,
)

TASKS = ("dvc", "tvg", "iig")
UNSCORED_TASKS = ("iic", "alr", "video", "caption")  # may stand between the others


def is_own(document: Document) -> bool:
    """Whether the file is JSON lines with `id` and `events`."""
    first = document.first_entry()
    return document.kind == "lines" and isinstance(first, dict) and {"id", "events"} <= first.keys()


def is_own_references(document: Document) -> bool:
    """Whether it is that and no file of predictions.

    Each line of those names its system, which a reference may too (`human`), and says nothing of
    what is asked for or how long the video is.
    """
    first = document.first_entry()
    said = ("query", "duration_seconds", "duration")
    return is_own(document) and ("system" not in first or any(key in first for key in said))


def read_own(document: Document) -> Iterator[Record]:
    """Every line as a record; its events are also its spans.

    Raises:
        InputError: names the line.
    """
    for line_place, item in document.entries():
        name = _id(item, line_place)
        place = named(line_place, "id", name)
        task = text_member(item, "task", place)
        if task not in TASKS + UNSCORED_TASKS:
            raise InputError(f"{place()}: 'task' must be one of {', '.join(TASKS)}, got {task!r}")
        events = events_of(member(item, "events", list, place), place)
        malformed = item.get("malformed", 0)
        if not isinstance(malformed, int) or malformed < 0:
            raise InputError(f"{place()}: 'malformed' must be a count, got {malformed!r:.40}")
        yield Record(
            id=name,
            place=place,
            events=events,
            spans=tuple((start, end) for start, end, _ in events),
            task=task,
            benchmark=text_member(item, "benchmark", place),
            system=text_member(item, "system", place),
            query=text_member(item, "query", place),
            duration_seconds=duration_member(item, place),
            malformed=malformed,
        )


def is_examples(document: Document) -> bool:
    """Whether the file is JSON lines with `turns` and `targets`: what `seqsynth build` writes."""
    first = document.first_entry()
    return isinstance(first, dict) and {"id", "turns", "targets"} <= first.keys()


def read_examples(document: Document) -> Iterator[Record]:
    """What each turn asks for, in seconds; turn 0 of example `x` is query `x.0`.

    Raises:
        InputError: names the line.
    """
    for line_place, item in document.entries():
        example = _id(item, line_place)
        place = named(line_place, "id", example)
        seconds = duration_member(item, place)
        if seconds is None:
            raise InputError(f"{place()}: 'duration_seconds' is missing")
        for number, targets in enumerate(member(item, "targets", list, place)):
            events = tuple(
                (start * seconds, end * seconds, caption)
                for start, end, caption in events_of(targets, place)
            )
            yield Record(
                id=f"{example}.{number}",
                place=place,
                events=events,
                spans=tuple((start, end) for start, end, _ in events),
                task=text_member(item, "task", place),
                benchmark=example.rpartition("-")[0],
                duration_seconds=seconds,
            )


def _id(item: dict[str, Any], place: Callable[[], str]) -> str:
    name = text_member(item, "id", place)
    if not name:
        raise InputError(f"{place()}: 'id' is missing or empty")
    return name

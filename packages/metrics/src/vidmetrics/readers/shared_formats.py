"""Files that hold dense captions and grounding alike, and how both tables of formats tell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from vidmetrics.readers.documents import Document, has_keys
from vidmetrics.readers.records import named, text_member

_NUMBER = re.compile(r"\s*[-+]?[\d.]+(e[-+]?\d+)?\s*", re.IGNORECASE)


def is_activitynet(document: Document) -> bool:
    """Whether the file is ActivityNet Captions: `{video: {"timestamps", "sentences"}}`."""
    value = document.value
    first = next(iter(value.values()), None) if isinstance(value, dict) else None
    return has_keys(first, "timestamps", "sentences")


def is_vtimellm(document: Document) -> bool:
    """Whether the file is a log of VTimeLLM: lines of `{"video_id", "task", "answer"}`."""
    return has_keys(document.first_entry(), "video_id", "task", "answer")


def is_etbench(document: Document) -> bool:
    """Whether the file is of E.T. Bench: `[{"task", "video", "tgt"}]`, with answers or without."""
    return has_keys(document.first_entry(), "task", "video", "tgt")


def is_answered_etbench(document: Document) -> bool:
    """Whether the file is of E.T. Bench and holds answers, not the questions alone."""
    return is_etbench(document) and any(has_keys(item, "a") for _, item in document.entries())


def is_annotations(document: Document) -> bool:
    """Whether the file is TimeChat's `{"annotations": [{"image_id", ...}]}`, of any task."""
    items = document.value.get("annotations") if isinstance(document.value, dict) else None
    return bool(isinstance(items, list) and items and has_keys(items[0], "image_id"))


def first_part(document: Document) -> Any:
    """The first event or span of a file of lists by name; None where there is none."""
    value = document.value
    lists = value.values() if isinstance(value, dict) else ()
    return next((item[0] for item in lists if isinstance(item, list) and item), None)


def is_span(part: Any) -> bool:
    """Whether a part of a list is `[start, end]`, two numbers."""
    return (
        isinstance(part, list)
        and len(part) == 2
        and all(isinstance(time, int | float) and not isinstance(time, bool) for time in part)
    )


def is_captioned(part: Any) -> bool:
    """Whether a part of a list is `[start, end, caption]` or an object with a caption."""
    if isinstance(part, dict):
        return "caption" in part or "sentence" in part
    is_event = isinstance(part, list) and len(part) == 3 and isinstance(part[2], str)
    return is_event and not _NUMBER.fullmatch(part[2])  # a score that is written as text


def etbench_items(
    document: Document, tasks: Collection[str], *, key: str, what: str
) -> Iterator[tuple[str, Callable[[], str], dict[str, Any]]]:
    """Name, place and content of each item of these tasks.

    Args:
        document: the file.
        tasks: of E.T. Bench; it has others in the same file.
        key: what an item is called by, behind its task.
        what: what that is, for errors.
    """
    for place, item in document.entries():
        if isinstance(item, dict) and item.get("task") in tasks:
            name = f"{item['task']}/{text_member(item, key, place)}"
            yield name, named(place, what, name), item

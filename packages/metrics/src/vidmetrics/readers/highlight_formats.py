"""Files of clip ratings and of predicted saliency, as QVHighlights and TimeChat write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vidmetrics.errors import InputError
from vidmetrics.events import finite
from vidmetrics.highlights import Saliency
from vidmetrics.readers.documents import load_document
from vidmetrics.readers.records import duration_member, member, named, text_member


def read_saliency(path: str | Path) -> dict[str, Saliency]:
    """Ratings of each query: `{"qid", "duration", "relevant_clip_ids", "saliency_scores"}`.

    Raises:
        InputError: another format, or ratings that do not fit the video (names file and query).
    """
    ratings: dict[str, Saliency] = {}
    for name, place, item in _items(path):
        duration = duration_member(item, place)
        if duration is None:
            raise InputError(f"{place()}: 'duration' is missing")
        saliency = Saliency(
            duration_seconds=duration,
            clip_indices=member(item, "relevant_clip_ids", list, place),
            ratings=member(item, "saliency_scores", list, place),
        )
        try:
            saliency.matrix()
        except InputError as error:
            raise InputError(f"{place()}: {error}") from None
        ratings[name] = saliency
    return ratings


def read_clip_scores(path: str | Path) -> dict[str, list[float]]:
    """Predicted saliency of each query: `{"qid", "pred_saliency_scores": [one a clip]}`.

    Raises:
        InputError: another format, or a score that is no finite number (names file and query).
    """
    return {
        name: [
            finite(score, "a clip's score", place)
            for score in member(item, "pred_saliency_scores", list, place)
        ]
        for name, place, item in _items(path)
    }


def _items(path: str | Path) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    document = load_document(path)
    if document.first_entry() is None:
        raise InputError(f"{path}: expected JSON lines or a list of objects with 'qid'")
    seen: set[str] = set()
    for place, item in document.entries():
        name = text_member(item, "qid", place)
        if not name:
            raise InputError(f"{place()}: 'qid' is missing")
        if name in seen:
            raise InputError(f"{place()}: query {name!r} was there before")
        seen.add(name)
        yield name, named(place, "query", name), item

"""Files of clip ratings and of predicted saliency, as QVHighlights and TimeChat write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vidmetrics.errors import InputError
from vidmetrics.events import finite
from vidmetrics.highlights import Saliency
from vidmetrics.readers.documents import Document, has_keys, load_document
from vidmetrics.readers.highlight_answers import clip_scores_in_text
from vidmetrics.readers.records import duration_member, member, named, text_member


def read_saliency(path: str | Path) -> dict[str, Saliency]:
    """Ratings of each query: `{"qid", "duration", "relevant_clip_ids", "saliency_scores"}`.

    Raises:
        InputError: another format, or ratings that do not fit the video (names file and query).
    """
    ratings: dict[str, Saliency] = {}
    document = load_document(path)
    if _is_predictions(document) and not _is_rated(document):
        raise _turned(document, "a QVHighlights submission, or results of TimeChat")
    for name, place, item in _items(document):
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


def read_clip_scores(
    path: str | Path, *, references: Mapping[str, Saliency] | None = None
) -> tuple[dict[str, list[float]], int]:
    """Predicted saliency of each query: `{"qid", "pred_saliency_scores": [one a clip]}`.

    TimeChat's results before they are formatted, `{"id", "vname", "generated_cap"}`, are read as
    its script reads them; see `highlight_answers`.

    Args:
        path: the file.
        references: say how long the videos are, for answers that are text.

    Returns:
        The scores, and how many answers did not say two highlights (their clips may all have 0).

    Raises:
        InputError: another format, or a score that is no finite number (names file and query).
    """
    document = load_document(path)
    if has_keys(document.first_entry(), "id", "generated_cap"):
        return _in_answers(document, references or {})
    if _is_rated(document) and not _is_predictions(document):
        raise _turned(document, "annotations of QVHighlights")
    scores = {
        name: [
            finite(score, "a clip's score", place)
            for score in member(item, "pred_saliency_scores", list, place)
        ]
        for name, place, item in _items(document)
    }
    return scores, 0


def _is_predictions(document: Document) -> bool:
    first = document.first_entry()
    return has_keys(first, "pred_saliency_scores") or has_keys(first, "generated_cap")


def _is_rated(document: Document) -> bool:
    return has_keys(document.first_entry(), "relevant_clip_ids", "saliency_scores")


def _turned(document: Document, what: str) -> InputError:
    return InputError(f"{document.path}: it is {what}: give REFERENCES first, then PREDICTIONS")


def _in_answers(
    document: Document, references: Mapping[str, Saliency]
) -> tuple[dict[str, list[float]], int]:
    scores: dict[str, list[float]] = {}
    num_unread = 0
    for name, place, item in _items(document, key="id"):
        text = member(item, "generated_cap", str, place)
        scores[name] = []
        if name in references:  # else nobody knows its clips, and it is counted as unknown
            seconds = references[name].duration_seconds
            scores[name], is_read = clip_scores_in_text(text, duration_seconds=seconds)
            num_unread += not is_read
    return scores, num_unread


def _items(document: Document, *, key: str = "qid") -> Iterator[tuple[str, Any, dict[str, Any]]]:
    if document.first_entry() is None:
        raise InputError(f"{document.path}: expected JSON lines or a list of objects with '{key}'")
    seen: set[str] = set()
    for place, item in document.entries():
        name = text_member(item, key, place)
        if not name:
            raise InputError(f"{place()}: '{key}' is missing")
        if name in seen:
            raise InputError(f"{place()}: query {name!r} was there before")
        seen.add(name)
        yield name, named(place, "query", name), item

"""Files of queries and of answers to them, as the projects of the field write them.

The tables at the end work like those of `dense_formats`. A query's id is what the file calls it:
`qid`, the number of a line, or `video>>>sentence` where a query has no name of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vidmetrics.errors import InputError
from vidmetrics.events import ScoredSpan
from vidmetrics.readers.answers import span_in_percent, spans_in_seconds
from vidmetrics.readers.documents import (
    Document,
    always,
    has_keys,
    item_place,
    load_document,
    unknown_format,
    video_place,
)
from vidmetrics.readers.own_format import (
    is_examples,
    is_own,
    is_own_references,
    read_examples,
    read_own,
)
from vidmetrics.readers.records import (
    Record,
    duration_member,
    member,
    named,
    numbered,
    spans_of,
    text_member,
    without_duplicates,
)
from vidmetrics.readers.shared_formats import (
    etbench_items,
    first_part,
    is_activitynet,
    is_annotations,
    is_answered_etbench,
    is_captioned,
    is_etbench,
    is_span,
    is_vtimellm,
)

Queries = Mapping[str, Record]
GROUNDING_TASKS = ("tvg", "iig")
SEPARATOR = ">>>"
_CHARADES = re.compile(r"(\S+)\s+(\S+)\s+(\S+)\s*##(.*)")


class GroundingFormat(NamedTuple):
    """One file format.

    Attributes:
        name: for error messages.
        matches: whether a parsed file has this format.
        read: yields the records; the queries are the references, by id.
        is_certain: whether a file that matches may be called one of this format.
    """

    name: str
    matches: Callable[[Document], bool]
    read: Callable[[Document, Queries], Iterator[Record]]
    is_certain: Callable[[Document], bool] = always


def read_queries(path: str | Path) -> list[Record]:
    """Reference windows of each query.

    Raises:
        InputError: an unknown or broken format (names file, line, query), no queries.
    """
    records = _read(load_document(path), QUERY_FORMATS, {}, ANSWER_FORMATS)
    for record in records:
        if not record.spans:
            raise InputError(f"{record.place()}: no window, but a reference needs at least one")
    if not records:
        raise InputError(f"{path} holds no queries; dense captions alone are for dvc")
    return records


def read_answers(path: str | Path, *, queries: Sequence[Record] = ()) -> list[Record]:
    """Predicted spans of each query; an answer that could not be read has none.

    Args:
        path: the file.
        queries: the references, for formats that keep hundredths of a video or name a query by its
            sentence.

    Raises:
        InputError: an unknown or broken format (names file, line, query).
    """
    by_id = {query.id: query for query in queries}
    return _read(load_document(path), ANSWER_FORMATS, by_id, QUERY_FORMATS)


def _read(
    document: Document,
    formats: tuple[GroundingFormat, ...],
    queries: Queries,
    turned: tuple[GroundingFormat, ...],
) -> list[Record]:
    for one in formats:
        if one.matches(document):
            return without_duplicates(list(one.read(document, queries)))
    # Either table of formats tells files of the other one.
    from vidmetrics.readers.dense_formats import PREDICTION_FORMATS, REFERENCE_FORMATS

    raise unknown_format(
        document,
        "grounding",
        formats,
        turned,
        (*REFERENCE_FORMATS, *PREDICTION_FORMATS),
        "dense captions (dvc)",
    )


def _read_own(document: Document, queries: Queries) -> Iterator[Record]:
    del queries
    return (record for record in read_own(document) if record.task in GROUNDING_TASKS)


def _read_examples(document: Document, queries: Queries) -> Iterator[Record]:
    del queries
    return (record for record in read_examples(document) if record.task in GROUNDING_TASKS)


def _is_charades(document: Document) -> bool:
    return document.kind == "text" and any("##" in line for _, line in document.lines[:1])


def _read_charades(document: Document, queries: Queries) -> Iterator[Record]:
    """Charades-STA's `AO8RW 0.0 6.9##a person is reading.`; the id is the 0-based line."""
    del queries
    for number, (line, text) in enumerate(document.lines):
        place = document.line_place(line)
        found = _CHARADES.fullmatch(text.strip())
        if found is None:
            raise InputError(f"{place}: expected 'VIDEO START END##SENTENCE', got {text!r:.60}")
        video, start, end, sentence = found.groups()
        try:
            span = [float(start), float(end)]
        except ValueError:
            raise InputError(f"{place}: {start!r} and {end!r} must be numbers") from None
        yield Record(
            id=str(number),
            place=lambda p=place, v=video: f"{p}, video {v!r}",  # type: ignore[misc]
            spans=spans_of([span], lambda p=place, v=video: f"{p}, video {v!r}"),  # type: ignore[misc]
            video=video,
            query=sentence.strip(),
        )


def _is_coco(document: Document) -> bool:
    items = document.value.get("annotations") if isinstance(document.value, dict) else None
    return bool(isinstance(items, list) and items and has_keys(items[0], "id", "timestamp"))


def _read_coco(document: Document, queries: Queries) -> Iterator[Record]:
    """TimeChat's `{"annotations": [{"id", "image_id", "caption", "timestamp": [s, e]}]}`."""
    del queries
    for number, item in enumerate(document.value["annotations"], start=1):
        place = item_place(document, number)
        name = text_member(item, "id", place)
        place = named(place, "query", name)
        yield Record(
            id=name,
            place=place,
            spans=spans_of(member(item, "timestamp", list, place), place),
            video=text_member(item, "image_id", place),
            query=text_member(item, "caption", place),
            duration_seconds=duration_member(item, place),
        )


def _is_qvhighlights(document: Document) -> bool:
    return has_keys(document.first_entry(), "qid", "relevant_windows")


def _read_qvhighlights(document: Document, queries: Queries) -> Iterator[Record]:
    """QVHighlights' lines `{"qid", "query", "vid", "duration", "relevant_windows"}`."""
    del queries
    for place, item in document.entries():
        name = text_member(item, "qid", place)
        named_place = named(place, "query", name)
        yield Record(
            id=name,
            place=named_place,
            spans=spans_of(member(item, "relevant_windows", list, named_place), named_place),
            video=text_member(item, "vid", place),
            query=text_member(item, "query", place),
            duration_seconds=duration_member(item, named_place),
        )


def _read_activitynet(document: Document, queries: Queries) -> Iterator[Record]:
    """ActivityNet Captions, every sentence a query; ids are `VIDEO>>>NUMBER`, from 0."""
    del queries
    for video, item in document.value.items():
        place = video_place(document, video)
        spans = member(item, "timestamps", list, place)
        sentences = member(item, "sentences", list, place)
        if len(spans) != len(sentences):
            raise InputError(f"{place()}: {len(spans)} spans but {len(sentences)} sentences")
        for number, (span, sentence) in enumerate(zip(spans, sentences, strict=True)):
            yield Record(
                id=f"{video}{SEPARATOR}{number}",
                place=place,
                spans=spans_of([span], numbered(place, "sentence", number + 1)),
                video=video,
                query=str(sentence).strip(),
                duration_seconds=duration_member(item, place),
            )


def _etbench_items(
    document: Document,
) -> Iterator[tuple[str, Callable[[], str], dict[str, Any]]]:
    return etbench_items(document, ("tvg", "epm"), key="idx", what="query")


def _read_etbench_queries(document: Document, queries: Queries) -> Iterator[Record]:
    """E.T. Bench: `[{"task": "tvg", "idx", "video", "duration", "tgt": [[s, e]]}]`."""
    del queries
    for name, place, item in _etbench_items(document):
        yield Record(
            id=name,
            place=place,
            spans=spans_of(member(item, "tgt", list, place), place),
            video=text_member(item, "video", place),
            query=text_member(item, "q", place),
            duration_seconds=duration_member(item, place),
        )


def _read_etbench_answers(document: Document, queries: Queries) -> Iterator[Record]:
    """The same with the model's raw text under `"a"`."""
    del queries
    for name, place, item in _etbench_items(document):
        spans = spans_in_seconds(member(item, "a", str, place))
        yield Record(id=name, place=place, spans=tuple(spans), malformed=int(not spans))


def _is_submission(document: Document) -> bool:
    return has_keys(document.first_entry(), "qid", "pred_relevant_windows")


def _read_submission(document: Document, queries: Queries) -> Iterator[Record]:
    """QVHighlights' submission: `{"qid", "pred_relevant_windows": [[s, e, score]]}`."""
    del queries
    for place, item in document.entries():
        name = text_member(item, "qid", place)
        named_place = named(place, "query", name)
        windows = member(item, "pred_relevant_windows", list, named_place)
        yield Record(id=name, place=named_place, spans=spans_of(windows, named_place))


def _is_timechat_answers(document: Document) -> bool:
    return has_keys(document.first_entry(), "id", "vname", "generated_cap")


def _read_timechat_answers(document: Document, queries: Queries) -> Iterator[Record]:
    """TimeChat's results before they are formatted: `[{"id", "vname", "generated_cap"}]`."""
    del queries
    for place, item in document.entries():
        name = str(member(item, "id", (int, str), place))
        spans = tuple(spans_in_seconds(member(item, "generated_cap", str, place)))
        yield Record(
            id=name,
            place=named(place, "query", name),
            spans=spans,
            malformed=0 if spans else 1,
        )


def _read_vtimellm(document: Document, queries: Queries) -> Iterator[Record]:
    """VTimeLLM's log lines `{"video_id", "task": "grounding", "answer", "info"}`."""
    for place, item in document.entries():
        if text_member(item, "task", place) != "grounding":
            continue
        video = text_member(item, "video_id", place)
        info = member(item, "info", dict, place)
        name = f"{video}{SEPARATOR}{member(info, 'sentence_id', int, place)}"
        query = queries.get(name)
        if query is None or query.duration_seconds is None:
            raise InputError(
                f"{place()}: query {name!r} is not in the references or has no duration there, "
                "and this format keeps hundredths of the video"
            )
        span = span_in_percent(
            member(item, "answer", str, place), duration_seconds=query.duration_seconds
        )
        yield Record(
            id=name,
            place=named(place, "query", name),
            spans=(span,) if span else (),
            malformed=int(span is None),
        )


def _is_mapping(document: Document) -> bool:
    # `results` is what files of dense captions have, and captions.
    return (
        isinstance(document.value, dict)
        and not has_keys(document.value, "results")
        and not is_annotations(document)
        and not is_captioned(first_part(document))
    )


def _is_query_lists(document: Document) -> bool:
    return _is_mapping(document) and not _is_answers(document)


def _is_answers(document: Document) -> bool:
    # An object with times for a query is an answer.
    first = next(iter(document.value.values()), None)
    return has_keys(first, "timestamp") or has_keys(first, "timestamps")


def _holds_spans(document: Document) -> bool:
    return _is_answers(document) or is_span(first_part(document))


def _read_query_lists(document: Document, queries: Queries) -> Iterator[Record]:
    """`{query: [[start, end], ...]}`."""
    del queries
    for name, value in document.value.items():
        place = _query_place(document, name)
        yield Record(id=name, place=place, spans=spans_of(value, place))


def _read_answer_lists(document: Document, queries: Queries) -> Iterator[Record]:
    """TimeChat's `{query: {"timestamp": [[s, e]]}}`, TimeLens' `"timestamps"`, or plain lists."""
    by_sentence = {(query.video, query.query): query.id for query in queries.values()}
    for name, value in document.value.items():
        place = _query_place(document, name)
        spans: tuple[ScoredSpan, ...]
        if isinstance(value, dict):
            key = "timestamps" if "timestamps" in value else "timestamp"
            spans = spans_of(member(value, key, (list, type(None)), place), place)
        else:
            spans = spans_of(value, place)
        record = Record(id=name, place=place, spans=spans)
        if name not in queries and name.count(SEPARATOR) >= 1:
            video, sentence = name.split(SEPARATOR)[:2]
            record = record._replace(id=by_sentence.get((video, sentence), name))
        yield record


def _query_place(document: Document, name: str) -> Callable[[], str]:
    return lambda: f"{document.place(name)}, query {name!r}"


QUERY_FORMATS: tuple[GroundingFormat, ...] = (
    GroundingFormat("references.jsonl", is_own_references, _read_own),
    GroundingFormat("examples.jsonl", is_examples, _read_examples),
    GroundingFormat("Charades-STA", _is_charades, _read_charades),
    GroundingFormat("TimeChat annotations", _is_coco, _read_coco),
    GroundingFormat("QVHighlights", _is_qvhighlights, _read_qvhighlights),
    GroundingFormat("ActivityNet Captions", is_activitynet, _read_activitynet),
    GroundingFormat("E.T. Bench", is_etbench, _read_etbench_queries),
    GroundingFormat("{query: [[start, end]]}", _is_query_lists, _read_query_lists, _holds_spans),
)

ANSWER_FORMATS: tuple[GroundingFormat, ...] = (
    GroundingFormat("predictions.jsonl", is_own, _read_own),
    GroundingFormat("QVHighlights submission", _is_submission, _read_submission),
    GroundingFormat("TimeChat's raw results", _is_timechat_answers, _read_timechat_answers),
    GroundingFormat("VTimeLLM log", is_vtimellm, _read_vtimellm),
    GroundingFormat("E.T. Bench answers", is_answered_etbench, _read_etbench_answers),
    GroundingFormat(
        "TimeChat, TimeLens or {query: [[start, end]]}",
        _is_mapping,
        _read_answer_lists,
        _holds_spans,
    ),
)

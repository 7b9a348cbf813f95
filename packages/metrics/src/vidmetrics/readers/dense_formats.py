"""Files of dense captions, as the projects of the field write them.

Every format is one line in a table: a name, a test on the parsed file, and a reader. The first test
that holds decides, so a format must not look like an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vidmetrics.errors import InputError
from vidmetrics.events import Event, check_event, is_list
from vidmetrics.readers.answers import events_in_percent, events_in_seconds
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
    events_of,
    member,
    named,
    numbered,
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

Durations = Mapping[str, float]
DENSE_TASKS = ("dvc",)


class DenseFormat(NamedTuple):
    """One file format.

    Attributes:
        name: for error messages.
        matches: whether a parsed file has this format.
        read: yields the records; the durations are those of the references.
        is_certain: whether a file that matches may be called one of this format.
    """

    name: str
    matches: Callable[[Document], bool]
    read: Callable[[Document, Durations], Iterator[Record]]
    is_certain: Callable[[Document], bool] = always


def read_dense_references(path: str | Path, *, split: str = "validation") -> list[Record]:
    """Reference events of each video.

    Args:
        path: the file.
        split: which videos of a YouCook2 annotation file (its `subset`), `"all"` for every one.

    Raises:
        InputError: an unknown or broken format (names file, line, video), no videos.
    """
    return dense_references(load_document(path), split=split)


def read_dense_predictions(path: str | Path, *, durations: Durations | None = None) -> list[Record]:
    """Predicted events of each video.

    Args:
        path: the file.
        durations: seconds of each video, for formats that keep hundredths of it (VTimeLLM).

    Raises:
        InputError: an unknown or broken format (names file, line, video).
    """
    return dense_predictions(load_document(path), durations or {})


def dense_references(document: Document, *, split: str) -> list[Record]:
    """As `read_dense_references`, of a file that has been read."""
    formats = (
        *REFERENCE_FORMATS,
        DenseFormat("YouCook2", _is_youcook2, lambda d, _: _read_youcook2(d, split)),
    )
    records = _read(document, formats, {}, PREDICTION_FORMATS)
    for record in records:
        if not record.events:
            raise InputError(f"{record.place()}: no events, but a reference needs at least one")
    if not records:
        raise InputError(f"{document.path} holds no dense captions; queries alone are for tvg")
    return records


def dense_predictions(document: Document, durations: Durations) -> list[Record]:
    """As `read_dense_predictions`, of a file that has been read."""
    return _read(document, PREDICTION_FORMATS, durations, REFERENCE_FORMATS)


def _read(
    document: Document,
    formats: tuple[DenseFormat, ...],
    durations: Durations,
    turned: tuple[DenseFormat, ...],
) -> list[Record]:
    for one in formats:
        if one.matches(document):
            return without_duplicates(list(one.read(document, durations)))
    # Either table of formats tells files of the other one.
    from vidmetrics.readers.grounding_formats import ANSWER_FORMATS, QUERY_FORMATS

    raise unknown_format(
        document,
        "dense captions",
        formats,
        turned,
        (*QUERY_FORMATS, *ANSWER_FORMATS),
        "grounding (tvg)",
    )


def _read_own(document: Document, durations: Durations) -> Iterator[Record]:
    del durations
    return (record for record in read_own(document) if record.task in DENSE_TASKS)


def _read_examples(document: Document, durations: Durations) -> Iterator[Record]:
    del durations
    return (record for record in read_examples(document) if record.task in DENSE_TASKS)


def _is_coco(document: Document) -> bool:
    items = document.value.get("annotations") if isinstance(document.value, dict) else None
    return bool(isinstance(items, list) and items and has_keys(items[0], "image_id", "segments"))


def _read_coco(document: Document, durations: Durations) -> Iterator[Record]:
    """TimeChat's `{"annotations": [{"image_id", "duration", "segments", "pure_cap"}]}`."""
    del durations
    for number, item in enumerate(document.value["annotations"], start=1):
        image_id = text_member(item, "image_id", item_place(document, number))
        video = image_id.rsplit("/", 1)[-1]
        place = video_place(document, video, image_id)
        spans = member(item, "segments", list, place)
        if isinstance(item.get("pure_cap"), str):
            captions = item["pure_cap"].split(". ")
        else:
            parts = member(item, "caption", str, place).split(".")
            captions = [part.strip(" ") for part in parts if len(part) > 5]
        if len(captions) != len(spans):
            raise InputError(
                f"{place()}: {len(spans)} segments but {len(captions)} sentences; a caption with "
                "a full stop and a space inside (as in 'tbsp. of') splits in two"
            )
        yield Record(
            id=video,
            place=place,
            events=_zip_events(spans, captions, place),
            duration_seconds=duration_member(item, place),
        )


def _is_youcook2(document: Document) -> bool:
    return has_keys(document.value, "database")


def _read_youcook2(document: Document, split: str) -> Iterator[Record]:
    """`{"database": {video: {"duration", "subset", "annotations": [{"segment", "sentence"}]}}}`."""
    database = member(document.value, "database", dict, document.place)
    subsets = sorted({str(item.get("subset")) for item in database.values() if has_keys(item)})
    if split != "all" and split not in subsets:
        raise InputError(f"{document.path}: no subset {split!r}; there are {', '.join(subsets)}")
    for video, item in database.items():
        place = video_place(document, video)
        if split not in ("all", text_member(item, "subset", place)):
            continue
        annotations = member(item, "annotations", list, place)
        yield Record(
            id=video,
            place=place,
            events=_events(annotations, "segment", "sentence", place),
            duration_seconds=duration_member(item, place),
        )


def _read_activitynet(document: Document, durations: Durations) -> Iterator[Record]:
    """`{video: {"duration", "timestamps": [[s, e]], "sentences": [...]}}`."""
    del durations
    for video, item in document.value.items():
        place = video_place(document, video)
        yield Record(
            id=video,
            place=place,
            events=_zip_events(
                member(item, "timestamps", list, place),
                member(item, "sentences", list, place),
                place,
            ),
            duration_seconds=duration_member(item, place),
        )


def _is_results(document: Document) -> bool:
    return has_keys(document.value, "results") and isinstance(document.value["results"], dict)


def _read_results(document: Document, durations: Durations) -> Iterator[Record]:
    """ActivityNet's and SODA's `{"results": {video: [{"timestamp", "sentence"}]}}`."""
    del durations
    return _videos(document, document.value["results"])


def _is_video_lists(document: Document) -> bool:
    value = document.value
    if not isinstance(value, dict) or is_annotations(document) or is_span(first_part(document)):
        return False
    return all(isinstance(item, list) for item in value.values())


def _holds_captions(document: Document) -> bool:
    return is_captioned(first_part(document))


def _read_video_lists(document: Document, durations: Durations) -> Iterator[Record]:
    """TimeChat's `{video: [{"timestamp", "caption"}]}`, or `{video: [[s, e, caption]]}`."""
    del durations
    return _videos(document, document.value)


def _videos(document: Document, videos: dict[str, Any]) -> Iterator[Record]:
    for video, items in videos.items():
        place = video_place(document, video)
        if not isinstance(items, list):
            raise InputError(f"{place()}: expected a list of events, got {items!r:.60}")
        if items and isinstance(items[0], dict):
            caption = "sentence" if "sentence" in items[0] else "caption"
            yield Record(id=video, place=place, events=_events(items, "timestamp", caption, place))
        else:
            yield Record(id=video, place=place, events=events_of(items, place))


def _etbench_items(
    document: Document,
) -> Iterator[tuple[str, Callable[[], str], dict[str, Any]]]:
    return etbench_items(document, ("dvc", "slc"), key="video", what="video")


def _read_etbench_references(document: Document, durations: Durations) -> Iterator[Record]:
    """E.T. Bench: `[{"task": "dvc", "video", "duration", "tgt": [[s, e]], "g": [caption]}]`."""
    del durations
    for video, place, item in _etbench_items(document):
        spans, captions = member(item, "tgt", list, place), member(item, "g", list, place)
        yield Record(
            id=video,
            place=place,
            events=_zip_events(spans, captions, place),
            duration_seconds=duration_member(item, place),
        )


def _read_etbench_answers(document: Document, durations: Durations) -> Iterator[Record]:
    """The same with the model's raw text under `"a"`."""
    del durations
    for video, place, item in _etbench_items(document):
        events, malformed = events_in_seconds(member(item, "a", str, place))
        if not events:
            malformed = max(malformed, 1)
        yield Record(id=video, place=place, events=tuple(events), malformed=malformed)


def _is_timechat_answers(document: Document) -> bool:
    return has_keys(document.first_entry(), "vname", "generated_cap")


def _read_timechat_answers(document: Document, durations: Durations) -> Iterator[Record]:
    """TimeChat's results before they are formatted: `[{"vname", "generated_cap"}]`."""
    del durations
    for place, item in document.entries():
        video = text_member(item, "vname", place)
        events, malformed = events_in_seconds(member(item, "generated_cap", str, place))
        yield Record(
            id=video,
            place=named(place, "video", video),
            events=tuple(events),
            malformed=malformed if events else max(malformed, 1),
        )


def _read_vtimellm(document: Document, durations: Durations) -> Iterator[Record]:
    """VTimeLLM's log lines `{"video_id", "task": "captioning", "answer"}`, in hundredths."""
    for place, item in document.entries():
        if text_member(item, "task", place) != "captioning":
            continue
        video = text_member(item, "video_id", place)
        if video not in durations:
            raise InputError(
                f"{place()}: video {video!r} is not in the references or has no duration there, "
                "and this format keeps hundredths of the video"
            )
        events, malformed = events_in_percent(
            member(item, "answer", str, place), duration_seconds=durations[video]
        )
        yield Record(
            id=video,
            place=named(place, "video", video),
            events=tuple(events),
            malformed=malformed,
        )


def _events(
    items: list[Any], span: str, caption: str, place: Callable[[], str]
) -> tuple[Event, ...]:
    """Objects with a span and a caption as events."""
    events: list[Event] = []
    for number, item in enumerate(items, start=1):
        event_place = numbered(place, "event", number)
        times = member(item, span, list, event_place)
        if len(times) != 2:
            raise InputError(f"{event_place()}: {span!r} must be [start, end], got {times!r:.60}")
        text = member(item, caption, str, event_place)
        events.append(check_event((times[0], times[1], text), event_place))
    return tuple(events)


def _zip_events(
    spans: list[Any], captions: list[Any], place: Callable[[], str]
) -> tuple[Event, ...]:
    """Spans and captions that stand in two lists as events."""
    if len(spans) != len(captions):
        raise InputError(f"{place()}: {len(spans)} spans but {len(captions)} captions")
    return events_of(
        [
            [*span, caption] if is_list(span) else span
            for span, caption in zip(spans, captions, strict=True)
        ],
        place,
    )


REFERENCE_FORMATS: tuple[DenseFormat, ...] = (
    DenseFormat("references.jsonl", is_own_references, _read_own),
    DenseFormat("examples.jsonl", is_examples, _read_examples),
    DenseFormat("TimeChat annotations", _is_coco, _read_coco),
    DenseFormat("ActivityNet Captions", is_activitynet, _read_activitynet),
    DenseFormat("E.T. Bench", is_etbench, _read_etbench_references),
    DenseFormat(
        "{video: [[start, end, caption]]}", _is_video_lists, _read_video_lists, _holds_captions
    ),
)

PREDICTION_FORMATS: tuple[DenseFormat, ...] = (
    DenseFormat("predictions.jsonl", is_own, _read_own),
    DenseFormat("ActivityNet/SODA results", _is_results, _read_results),
    DenseFormat("E.T. Bench answers", is_answered_etbench, _read_etbench_answers),
    DenseFormat("TimeChat's raw results", _is_timechat_answers, _read_timechat_answers),
    DenseFormat("VTimeLLM log", is_vtimellm, _read_vtimellm),
    DenseFormat(
        "TimeChat or {video: [[start, end, caption]]}",
        _is_video_lists,
        _read_video_lists,
        _holds_captions,
    ),
)

import pytest

from vidmetrics.readers.answers import (
    events_in_percent,
    events_in_seconds,
    span_in_percent,
    spans_in_seconds,
)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("12.0 - 15.5 seconds", [(12.0, 15.5)]),
        ("from 12 to 15.5 s, then 20–30", [(12.0, 15.5), (20.0, 30.0)]),
        ("no numbers", []),
        ("add 2 eggs", []),
        ("30 - 10", [(30.0, 10.0)]),
    ],
)
def test_spans_in_seconds(text: str, spans: list[tuple[float, float]]) -> None:
    assert spans_in_seconds(text) == spans


def test_captions_stand_between_spans() -> None:
    text = "0 - 5 seconds, cut it.  5 - 9.5 seconds, fry it for a while; 10 - 11"
    events, malformed = events_in_seconds(text)
    assert events == [(0.0, 5.0, "cut it"), (5.0, 9.5, "fry it for a while")]
    assert malformed == 1


def test_percent_needs_a_span() -> None:
    assert span_in_percent("From 05 to 50", duration_seconds=200.0) == (10.0, 100.0)
    assert span_in_percent("at 5", duration_seconds=200.0) is None


@pytest.mark.parametrize("text", ["", "[", "no list", "[1, 2", '{"event": "a"}', "[" * 5000])
def test_an_unreadable_list_is_one_malformed_part(text: str) -> None:
    assert events_in_percent(text, duration_seconds=10.0) == ([], 1)


def test_items_without_event_or_times_are_counted() -> None:
    text = '[{"event": "a", "timestamps": "from 1 to 2"}, {"event": "b"}, 3, {"timestamps": 4}]'
    events, malformed = events_in_percent(text, duration_seconds=100.0)
    assert events == [(1.0, 3.0, "a")]
    assert malformed == 3


@pytest.mark.timeout(60)  # quadratic matching would take minutes
@pytest.mark.parametrize(
    "text", ["[" * 100_000, "1" * 100_000, "1 - " * 50_000, "1 " + " " * 100_000]
)
def test_hostile_text_is_read(text: str) -> None:
    assert len(spans_in_seconds(text)) <= len(text)
    assert events_in_seconds(text)[0] == []
    assert span_in_percent(text, duration_seconds=10.0) is None
    assert events_in_percent(text, duration_seconds=10.0)[0] == []

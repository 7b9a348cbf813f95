import math

import pytest

import timetokens as tt
from seqsynth.sources import RowError
from seqsynth.sources.events import event_of, events_of, within


@pytest.mark.parametrize(
    ("span", "caption", "reason"),
    [
        ([2.0, 1.0], "x", "reversed span"),
        ([2.0, 2.0], "x", "span of no length"),
        ([math.nan, 1.0], "x", "time is no number"),
        ([0.0, math.inf], "x", "time is no number"),
        ([0.0, 10**400], "x", "time is no number"),
        ([True, 2], "x", "time is no number"),
        (["a", 2], "x", "time is no number"),
        ([1.0], "x", "span is no pair of times"),
        (None, "x", "span is no pair of times"),
        ([0, 1], "  ", "empty caption"),
        ([0, 1], None, "caption is no text"),
        ([0, 1], "\ud83d", "caption is not UTF-8"),
    ],
)
def test_events_that_are_no_good(span: object, caption: object, reason: str) -> None:
    with pytest.raises(RowError) as caught:
        event_of(span, caption)
    assert caught.value.reason == reason
    good, flaws = events_of([([0, 1], "y"), (span, caption)])
    assert good == (tt.Event(0.0, 1.0, "y"),)
    assert flaws == (f"event left out: {reason}",)


def test_numbers_may_be_text() -> None:
    assert event_of(["1.5", 2], " pour ") == tt.Event(1.5, 2.0, "pour")


def test_the_only_event_being_bad_makes_the_row_bad() -> None:
    with pytest.raises(RowError, match="reversed span: 2 - 1"):
        events_of([([2, 1], "x")])
    with pytest.raises(RowError, match="no events"):
        events_of([])


def test_events_are_cut_to_the_video() -> None:
    events = (
        tt.Event(-1.0, 2.0, "a"),
        tt.Event(3.0, 9.0, "b"),
        tt.Event(8.0, 9.0, "c"),
        tt.Event(5.0, 8.0000001, "d"),
    )
    kept, flaws = within(events, 8.0)
    assert kept == (tt.Event(0.0, 2.0, "a"), tt.Event(3.0, 8.0, "b"), tt.Event(5.0, 8.0, "d"))
    assert flaws == (
        "event cut: starts before 0",
        "event cut: ends after the video",
        "event left out: span outside the video",
    )
    with pytest.raises(RowError, match="span outside the video: the video has 7 seconds"):
        within((tt.Event(8.0, 9.0, "c"),), 7.0)
    assert within((), 7.0) == ((), ())

"""Texts made to be slow: reading takes time in proportion to their length.

The measure is a ratio of processor times, a text of four times the length against the short one
four times over: that of a linear reader stays near 1, that of a quadratic one is 4.
"""

import time

import pytest

import timetokens as tt

ADVERSARIES = {
    "digits": "9",
    "numbers": "1 ",
    "numbers and commas": "1,",
    "dashes and numbers": "1-",
    "units and dashes": "1s-",
    "spaces": " ",
    "line breaks": "\n",
    "dots": ".",
    "dashes": "-",
    "brackets": "<",
    "open digits": "<1",
    "digit tokens": "<1>",
    "codes": "<1><2><3><4>, ",
    "spans": "<1><2><3><4> - ",
    "named digits": "<TIME_ONE>",
    "backslashes": "<\\",
    "clock": "1:00:",
    "events": "1.0 - 2.0 seconds, pour. ",
    "events without stops": "1.0 - 2.0 seconds, pour ",
    "spans in sentences": "He pours from 1.0 to 2.0 seconds, ",
    "labels": "start time 1 ",
    "lists": "sampled at 1.0, ",
    "quotes": '"',
    "markers": "1. * ",
    "highlights": "second 1.0 score 2.0 ",
}


def read_everything(text):
    for codec in ("rpt", "seconds", "absolute_digits"):
        tt.parse_events(text, codec, duration_seconds=100.0)
    for codec in ("rpt", "index"):
        tt.parse_items(text, codec, length=96)
    tt.convert_text(text, "seconds", "rpt", duration_seconds=1e9)
    tt.unescape(tt.escape(text))


def processor_seconds(text, times):
    start = time.process_time()
    for _ in range(times):
        read_everything(text)
    return time.process_time() - start


def takes_proportionally_long(piece):
    short, long = ((piece * length)[:length] for length in (4_000, 16_000))
    return processor_seconds(long, 1) < 2.2 * processor_seconds(short, 4)


@pytest.mark.parametrize("name", ADVERSARIES)
def test_four_times_the_text_takes_about_four_times_as_long(name):
    piece = ADVERSARIES[name]
    read_everything(piece)  # patterns are compiled once
    assert any(takes_proportionally_long(piece) for _ in range(4))  # a pause may fall into one


@pytest.mark.parametrize(
    "piece", ["9", " ", "<", "\n", "<a><1>", "<1><2><3><4> - <2><0><0><0>, pour.  "]
)
def test_a_megabyte(piece):
    """Quadratic work on this much would outlast every time limit."""
    text = (piece * 2**20)[: 2**20]
    result = tt.parse_events(text, duration_seconds=100.0)
    assert (len(result.events) > 0) == ("pour" in piece)

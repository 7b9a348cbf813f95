"""compat="timechat" gives what TimeChat's scripts gave, wrong or right."""

import json
from pathlib import Path

import pytest

import timetokens as tt
from timetokens import timechat_compat

GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "timechat_answers.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("case", GOLDEN["dense_captions"], ids=lambda case: case["text"][:30])
def test_dense_captions(case):
    spans, captions = timechat_compat.dense_captions(case["text"])
    assert [list(span) for span in spans] == case["spans"]
    assert captions == case["captions"]
    events = tt.parse_events(case["text"], "seconds", compat="timechat").events
    assert [[event.start_seconds, event.end_seconds] for event in events] == case["spans"]
    assert [event.caption for event in events] == case["captions"]


@pytest.mark.parametrize("case", GOLDEN["grounding"], ids=lambda case: case["text"][:30])
def test_grounding(case):
    assert [list(span) for span in timechat_compat.grounding(case["text"])] == case["spans"]
    spans = tt.parse_spans(case["text"], "seconds", compat="timechat").spans
    assert [[span.start_seconds, span.end_seconds] for span in spans] == case["spans"]


def test_failures_that_are_kept():
    """The confirmed failures of the original: ours reads all of these right."""
    spans, captions = timechat_compat.dense_captions("1.0 - 2.0 seconds, a.3.0 - 4.0 seconds, pour")
    assert (spans, captions) == ([(1.0, 2.0)], ["pour"])
    spans, _ = timechat_compat.dense_captions("5.0 - 9.0 seconds, add 1-2 cups of flour")
    assert spans == [(5.0, 9.0), (1.0, 2.0)]
    spans, _ = timechat_compat.dense_captions("from 10.0 to 20.0 seconds he walks")
    assert spans == [(0.0, 40.0)]
    spans, _ = timechat_compat.dense_captions("He walks at 180 seconds for long.")
    assert spans == [(160.0, 200.0)]


def test_time_tokens_are_brought_to_seconds_first():
    text = "<0><1><0><0> - <0><2><0><0>, Spread the margarine."
    assert timechat_compat.dense_captions(text) == ([], [])
    events = tt.parse_events(text, duration_seconds=100.0, compat="timechat").events
    assert events == (tt.Event(1.0, 2.0, "spread the margarine."),)
    answer = "The given query happens in <0><1><0><0> - <0><2><0><0>."
    spans = tt.parse_spans(answer, duration_seconds=100.0, compat="timechat").spans
    assert spans == (tt.Span(1.0, 2.0),)
    answer = "For example, it happens in <0><1><0><0> - <0><2><0><0>."
    spans = tt.parse_spans(answer, duration_seconds=100.0, compat="timechat").spans
    assert spans == (tt.Span(1.0, 2.0),)


@pytest.mark.parametrize(
    "text", ["1..2 - 3", "start time: 5.. end time: 6", "0:40.: x", "0:" + 400 * "9" + ";0:0"]
)
def test_texts_that_stop_the_original(text):
    assert timechat_compat.dense_captions(text)[0] == []
    timechat_compat.grounding(text)


@pytest.mark.parametrize(
    "case", GOLDEN["sampling_sentences"], ids=lambda case: case["sentence"][:50]
)
def test_sampling_sentence(case):
    """The sentence of TimeChat's sampler, which ends with a space that the prompt template adds."""
    seconds = case.get("seconds") or [
        round(index / case["fps"], 1) for index in case["frame_indices"]
    ]
    positions = [tt.TimePosition(time, 200.0) for time in seconds]
    sentence = tt.sampling_sentence(positions, "seconds")
    assert f"{sentence} " == case["sentence"]
    assert tt.parse_sampling_sentence(sentence, "seconds") == tuple(seconds)

"""Answers as models of many families write them, read as a person would read them.

golden/model_answers.jsonl has a text a line, with the events and the malformed pieces that are in
it, for a video of 100 seconds; golden/captions_with_numbers.txt has captions that must stay whole.
"""

import json
from pathlib import Path

import pytest

import timetokens as tt

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = [
    json.loads(line)
    for line in (GOLDEN / "model_answers.jsonl").read_text(encoding="utf-8").splitlines()
]
CAPTIONS = (GOLDEN / "captions_with_numbers.txt").read_text(encoding="utf-8").splitlines()
DURATION = 100.0


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer["text"][:40])
def test_answers(answer):
    """Where a sentence only says when ("It is from 10 to 20."), its caption is not held."""
    result = tt.parse_events(answer["text"], answer["codec"], duration_seconds=DURATION)
    read = [
        [event.start_seconds, event.end_seconds, event.caption][: len(expected)]
        for event, expected in zip(result.events, answer["events"], strict=True)
    ]
    assert read == [
        [pytest.approx(start, abs=1e-5), pytest.approx(end, abs=1e-5), *caption]
        for start, end, *caption in answer["events"]
    ]
    assert [[piece.offset, piece.text] for piece in result.malformed] == answer["malformed"]


@pytest.mark.parametrize("name", tt.CODECS)
@pytest.mark.parametrize("place", ["whole caption", "second sentence", "last"])
def test_numbers_of_captions_stay_there(name, place):
    """Behind spans as the codec writes them, no number of these captions becomes a time."""
    codec = tt.CODECS[name]
    first, second = (
        tt.span_text(tt.TimePosition(start, DURATION), tt.TimePosition(start + 1, DURATION), codec)
        for start in (1.0, 3.0)
    )
    for caption in CAPTIONS:
        if "%" in caption and name == "percent":
            continue
        said = caption if place == "whole caption" else f"He talks. {caption}"
        captions = ["Done.", said] if place == "last" else [said, "Done."]
        text = "  ".join(
            f"{span}, {tt.escape(words) if codec.new_tokens else words}"
            for span, words in zip((first, second), captions, strict=True)
        )
        result = tt.parse_events(text, codec, duration_seconds=DURATION)
        assert [event.caption for event in result.events] == captions
        assert result.malformed == ()


def test_thoughts_are_no_answer():
    text = "<think>From 1.0 to 2.0 seconds?</think> The event happens in 3.0 - 4.0 seconds."
    assert tt.parse_spans(text, "seconds").spans == (tt.Span(3.0, 4.0),)
    for answer in ("The image index is 12.", "12", " 12 "):
        text = f"<think>Maybe image 7 or image 9, {'hm ' * 30}</think><answer>{answer}</answer>"
        assert tt.parse_items(text, "index", length=96).items == (12,)


def test_a_cut_off_answer_keeps_its_last_caption_clean():
    for rest in ("<0>", "<0><3><0><0>", "<0><3><0><0> -", "<0><3><0><0> - <0><4>", "<0>" * 90):
        text = f"<0><1><0><0> - <0><2><0><0>, pour. {rest}"
        result = tt.parse_events(text, duration_seconds=DURATION)
        assert result.events == (tt.Event(1.0, 2.0, "pour."),)
        assert result.malformed[0].offset == len(text) - len(rest)


def test_brackets_are_not_lost_in_one_place_only():
    """Four digits are a code without its brackets only where no code has any."""
    text = "<0><1><0><0> - <0><2><0><0>, From 1939 to 1945, there was war."
    (event,) = tt.parse_events(text, duration_seconds=DURATION).events
    assert event.caption == "From 1939 to 1945, there was war."
    assert tt.parse_spans("0100 - 0200", duration_seconds=DURATION).spans == (tt.Span(1.0, 2.0),)

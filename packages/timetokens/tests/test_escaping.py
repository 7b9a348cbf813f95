"""Time tokens that captions hold by accident."""

import pytest

import timetokens as tt


@pytest.mark.parametrize(
    ("caption", "escaped"),
    [
        ("press <5> twice", "press <\\5> twice"),
        ("<0><7><2><9>", "<\\0><\\7><\\2><\\9>"),
        ("<t17> and <TIME_DOT> and <300>", "<\\t17> and <\\TIME_DOT> and <\\300>"),
        ("<T17> or <time_six>", "<\\T17> or <\\time_six>"),
        ("already <\\5> escaped", "already <\\\\5> escaped"),
        ("x < 5 > y, a<b, </s>, <image>", "x < 5 > y, a<b, </s>, <image>"),
        ("", ""),
    ],
)
def test_escape(caption, escaped):
    assert tt.escape(caption) == escaped
    assert tt.unescape(escaped) == caption


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_no_token_of_any_codec_survives(codec):
    caption = " ".join(codec.new_tokens)
    escaped = tt.escape(caption)
    assert not any(token in escaped for token in codec.new_tokens)
    assert tt.unescape(escaped) == caption


def test_a_caption_with_tokens_goes_through_an_answer():
    event = tt.Event(1.0, 2.0, "press <5> and <0><1><2><3> now.")
    answer = tt.dense_caption_answer([event], duration_seconds=10.0)
    assert "<5>" not in answer
    assert tt.parse_events(answer, duration_seconds=10.0).events == (event,)


def test_tokens_in_other_letter_case_are_read_and_so_escaped():
    event = tt.Event(0.0, 99.0, "press F. <T5> - <T9>, go.")
    answer = tt.dense_caption_answer([event], "bins", duration_seconds=99.0)
    assert tt.parse_events(answer, "bins", duration_seconds=99.0).events == (event,)

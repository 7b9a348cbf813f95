"""The sentences around positions: TimeChat's wording for every codec, written and read back."""

import pytest

import timetokens as tt

DURATION = 148.8
EVENTS = (
    tt.Event(0.0, 9.1, "A man opens a jar."),
    tt.Event(9.1, 61.4, "He adds 1-2 cups, then 3 more!"),
    tt.Event(120.0, 148.8, "The end"),
)
TIMES = [tt.TimePosition(seconds, DURATION) for seconds in (0.0, 61.4, 148.8)]
ITEMS = [tt.ItemPosition(item, 96) for item in (1, 7, 96)]
BY_CODEC = pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)


@pytest.mark.parametrize(
    ("codec", "times", "items"),
    [
        (
            "seconds",
            "The video contains 3 frames sampled at 0.0, 61.4, 148.8 seconds.",
            "The video contains 3 images indexed at 1.0, 7.0, 96.0.",
        ),
        (
            "rpt",
            "The video contains 3 frames sampled at <0><0><0><0>, <4><1><2><6>, <9><9><9><9>.",
            "The video contains 3 images indexed at <0><1><0><4>, <0><7><2><9>, <9><9><9><9>.",
        ),
        (
            "index",
            "The video contains 3 frames sampled at 0.0, 61.4, 148.8 seconds.",
            "The video contains 3 images indexed at 1, 7, 96.",
        ),
        (
            "percent",
            "The video contains 3 frames sampled at 00, 41, 99.",
            "The video contains 3 images indexed at 01, 07, 99.",
        ),
    ],
)
def test_sampling_sentence(codec, times, items):
    assert tt.sampling_sentence(TIMES, codec) == times
    assert tt.sampling_sentence(ITEMS, codec) == items


@pytest.mark.parametrize(
    ("codec", "time", "item"),
    [
        ("seconds", "This frame is sampled at 61.4 second.", "This image is indexed at 7.0."),
        ("rpt", "This frame is sampled at <4><1><2><6>.", "This image is indexed at <0><7><2><9>."),
        ("index", "This frame is sampled at 61.4 second.", "This image is indexed at 7."),
        ("bins", "This frame is sampled at <t41>.", "This image is indexed at <t7>."),
    ],
)
def test_frame_sentence(codec, time, item):
    assert tt.frame_sentence(TIMES[1], codec) == time
    assert tt.frame_sentence(ITEMS[1], codec) == item


def test_answers_in_seconds_are_timechats():
    assert tt.dense_caption_answer(EVENTS, "seconds", duration_seconds=DURATION) == (
        "0.0 - 9.1 seconds, A man opens a jar.  "
        "9.1 - 61.4 seconds, He adds 1-2 cups, then 3 more!  "
        "120.0 - 148.8 seconds, The end."
    )
    assert tt.grounding_answer(EVENTS[1].span, "seconds", duration_seconds=DURATION) == (
        "The given query happens in 9.1 - 61.4 seconds."
    )


def test_answers_in_time_tokens_have_no_unit():
    answer = tt.dense_caption_answer(EVENTS[:1], duration_seconds=DURATION)
    assert answer == "<0><0><0><0> - <0><6><1><2>, A man opens a jar."
    answer = tt.grounding_answer(EVENTS[0].span, duration_seconds=DURATION)
    assert answer == "The given query happens in <0><0><0><0> - <0><6><1><2>."


@BY_CODEC
def test_everything_comes_back(codec):
    def near(seconds):
        return pytest.approx(seconds, abs=codec.max_error(DURATION) * (1 + 1e-9))

    answer = tt.dense_caption_answer(EVENTS, codec, duration_seconds=DURATION)
    result = tt.parse_events(answer, codec, duration_seconds=DURATION)
    assert result.malformed == ()
    assert [(event.start_seconds, event.end_seconds) for event in result.events] == [
        (near(event.start_seconds), near(event.end_seconds)) for event in EVENTS
    ]
    assert [event.caption for event in result.events] == [
        *(event.caption for event in EVENTS[:2]),
        "The end.",
    ]
    answer = tt.grounding_answer(EVENTS[1].span, codec, duration_seconds=DURATION)
    (span,) = tt.parse_spans(answer, codec, duration_seconds=DURATION).spans
    assert (span.start_seconds, span.end_seconds) == (near(9.1), near(61.4))
    sentence = tt.sampling_sentence(TIMES, codec)
    assert list(tt.parse_sampling_sentence(sentence, codec, duration_seconds=DURATION)) == [
        near(position.seconds) for position in TIMES
    ]
    sentence = tt.frame_sentence(TIMES[1], codec)
    assert tt.parse_frame_sentence(sentence, codec, duration_seconds=DURATION) == near(61.4)
    sentence = tt.sampling_sentence(ITEMS, codec)
    assert len(tt.parse_sampling_sentence(sentence, codec, duration_seconds=96.0)) == 3


@BY_CODEC
def test_speech_comes_back(codec):
    question = "Localize 'a man opens a jar' in the video."
    text = tt.speech_question(question, EVENTS, codec, duration_seconds=DURATION)
    assert text.startswith("Transcribed speech: ")
    assert text.endswith(f" Based on the video content and possible transcribed speech, {question}")
    read = tt.parse_speech_question(text, codec, duration_seconds=DURATION)
    assert read.question == question
    assert read.malformed == ()
    assert [segment.caption for segment in read.segments][:2] == [
        event.caption for event in EVENTS[:2]
    ]


def test_no_speech():
    text = tt.speech_question("When?", [], "seconds", duration_seconds=9.0)
    assert text == (
        "Transcribed speech: None. "
        "Based on the video content and possible transcribed speech, When?"
    )
    assert tt.parse_speech_question(text, "seconds") == tt.SpeechQuestion((), "When?", ())
    assert tt.parse_speech_question("When?", "seconds") == tt.SpeechQuestion((), "When?", ())


def test_moments_have_one_position():
    moment = tt.Event(12.0, 12.0, "cut the onion")
    answer = tt.dense_caption_answer([moment], "seconds", duration_seconds=20.0)
    assert answer == "12.0 seconds, cut the onion."
    assert tt.grounding_answer(moment.span, "seconds", duration_seconds=20.0) == (
        "The given query happens in 12.0 seconds."
    )


def test_captions_are_one_line():
    event = tt.Event(0.0, 1.0, "  a man\nopens   a jar ")
    answer = tt.dense_caption_answer([event], "seconds", duration_seconds=2.0)
    assert answer == "0.0 - 1.0 seconds, a man opens a jar."


def test_events_outside_the_video():
    late = tt.Event(5.0, 21.0, "late")
    with pytest.raises(tt.CodecError, match="21"):
        tt.dense_caption_answer([late], duration_seconds=20.0)
    assert tt.dense_caption_answer([late], duration_seconds=20.0, clamp=True) == (
        "<2><5><0><0> - <9><9><9><9>, late."
    )
    with pytest.raises(tt.CodecError, match=r"9\.0 - 5\.0"):
        tt.grounding_answer(tt.Span(9.0, 5.0), duration_seconds=20.0)


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (tt.parse_sampling_sentence, "A video.", "A video"),
        (
            tt.parse_sampling_sentence,
            "The video contains 3 frames sampled at 0.0, 1.0 seconds.",
            "2 places where the sentence says 3",
        ),
        (tt.parse_sampling_sentence, "The video contains 1 frames sampled at x seconds.", "'x'"),
        (tt.parse_frame_sentence, "This frame is nice.", "nice"),
    ],
)
def test_sentences_that_are_refused(read, text, value):
    with pytest.raises(tt.CodecError, match=value):
        read(text, "seconds")


def test_mixed_or_no_positions():
    with pytest.raises(tt.CodecError, match="TimePosition"):
        tt.sampling_sentence([TIMES[0], ITEMS[0]])
    with pytest.raises(tt.CodecError, match=r"\[\]"):
        tt.sampling_sentence([])

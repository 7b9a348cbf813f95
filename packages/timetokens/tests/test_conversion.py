"""Texts of data sets from one codec to another, and back."""

import pytest

import timetokens as tt
from timetokens.conversion import UNIT_PHRASES

TIMEIT = {
    "dense captioning": (
        "0.0 - 9.1 seconds, a man cooks for 5 - 10 seconds.  9.1 - 14.0 seconds, add 1-2 cups, "
        "press <5>.",
        "<0><0><0><0> - <0><6><1><2>, a man cooks for 5 - 10 seconds.  "
        "<0><6><1><2> - <0><9><4><1>, add 1-2 cups, press <\\5>.",
        4,
    ),
    "moments": (
        "0.0 seconds, intro. 12.0 seconds, cut the onion. ",
        "<0><0><0><0>, intro. <0><8><0><6>, cut the onion. ",
        2,
    ),
    "grounding": (
        "The given query happens in 24.3 - 30.4 seconds.",
        "The given query happens in <1><6><3><3> - <2><0><4><3>.",
        2,
    ),
    "one time": (
        "The given query happens in 12.0 seconds.",
        "The given query happens in <0><8><0><6>.",
        1,
    ),
    "highlights": (
        "The highlight timestamps are in the 82.0, 84.0, 86.0 seconds. Their saliency scores are "
        "1.3, 1.7, 1.7.",
        "The highlight timestamps are in the <5><5><1><1>, <5><6><4><5>, <5><7><8><0>. Their "
        "saliency scores are 1.3, 1.7, 1.7.",
        3,
    ),
    "speech": (
        "Transcribed speech: 0.0 - 2.1 seconds, hello.  2.1 - 3.0 seconds, take 2 eggs. Based on "
        "the video content and possible transcribed speech, Localize 'x'.",
        "Transcribed speech: <0><0><0><0> - <0><1><4><1>, hello.  <0><1><4><1> - <0><2><0><2>, "
        "take 2 eggs. Based on the video content and possible transcribed speech, Localize 'x'.",
        4,
    ),
    "prompt": (
        "The video contains 3 frames sampled at 0.0, 1.3, 101.2 seconds. When does 'a' happen?",
        "The video contains 3 frames sampled at <0><0><0><0>, <0><0><8><7>, <6><8><0><1>. When "
        "does 'a' happen?",
        3,
    ),
    "frame": (
        "This frame is sampled at 2.0 second.",
        "This frame is sampled at <0><1><3><4>.",
        1,
    ),
    "question with an example": (
        "Output the start and end. The output format of each predicted event should be like: "
        "'start - end seconds, event description'. A specific example is: ' 90.0 - 102.0 seconds, "
        "spread margarine on two slices of white bread in the video'.",
        "Output the start and end. The output format of each predicted event should be like: "
        "'start - end, event description'. A specific example is: ' <7><5><0><0> - <8><5><0><0>, "
        "spread margarine on two slices of white bread in the video'.",
        2,
    ),
    "question with a list": (
        "The output format should be like: 'The highlight timestamps are in the 82.0, 84.0 "
        "seconds. Their saliency scores are 1.3, 1.7'.",
        "The output format should be like: 'The highlight timestamps are in the <6><8><3><3>, "
        "<7><0><0><0>. Their saliency scores are 1.3, 1.7'.",
        2,
    ),
    "question that names the unit": (
        "Localize 'a man waves' and output the start and end timestamps in seconds.",
        "Localize 'a man waves' and output the start and end timestamps as relative positions.",
        0,
    ),
    "no positions": (
        "A cat sleeps on 2 sofas for 30 seconds.",
        "A cat sleeps on 2 sofas for 30 seconds.",
        0,
    ),
}
DURATION = 148.8


@pytest.mark.parametrize("name", TIMEIT)
def test_seconds_to_rpt_and_back(name):
    seconds, rpt, num_positions = TIMEIT[name]
    there = tt.convert_text(seconds, "seconds", "rpt", duration_seconds=DURATION)
    assert there == tt.Conversion(rpt, num_positions, ())
    back = tt.convert_text(there.text, "rpt", "seconds", duration_seconds=DURATION)
    assert back == tt.Conversion(seconds, num_positions, ())


@pytest.mark.parametrize("target", tt.CODECS)
@pytest.mark.parametrize("name", TIMEIT)
def test_every_codec_there_and_back(name, target):
    """Positions move by the two resolutions at most; every other character stays."""
    text, _, num_positions = TIMEIT[name]
    there = tt.convert_text(text, "seconds", target, duration_seconds=DURATION)
    back = tt.convert_text(there.text, target, "seconds", duration_seconds=DURATION)
    assert there.num_positions == back.num_positions == num_positions
    limit = tt.CODECS[target].max_error(DURATION) + 0.05 + 1e-9
    before, after = (tt.parse_events(part, "seconds") for part in (text, back.text))
    for one, other in zip(before.events, after.events, strict=True):
        assert one.caption == other.caption
        assert abs(one.start_seconds - other.start_seconds) <= limit
        assert abs(one.end_seconds - other.end_seconds) <= limit


def test_other_spellings_lose_their_unit_once():
    text = "10s-38s, he cuts.\nFrom 40 to 50 seconds, he goes. 60 - 70, he ends."
    assert tt.convert_text(text, "seconds", "rpt", duration_seconds=100.0).text == (
        "<1><0><0><0>-<3><8><0><0>, he cuts.\n"
        "From <4><0><0><0> to <5><0><0><0>, he goes. <6><0><0><0> - <7><0><0><0>, he ends."
    )


def test_rounding_at_the_end_of_the_video_is_no_error():
    # 9.97 seconds were written as 10.0.
    text = tt.convert_text("9.0 - 10.0 seconds, x.", "seconds", "rpt", duration_seconds=9.97).text
    assert text == "<9><0><2><7> - <9><9><9><9>, x."


def test_times_after_the_end():
    text = "9.0 - 12.0 seconds, he goes."
    with pytest.raises(tt.CodecError, match=r"'12\.0' at character 6 lies after the end"):
        tt.convert_text(text, "seconds", "rpt", duration_seconds=10.0)
    clamped = tt.convert_text(text, "seconds", "rpt", duration_seconds=10.0, clamp=True)
    assert clamped.text == "<9><0><0><0> - <9><9><9><9>, he goes."


def test_a_single_number_after_the_end_is_left_alone():
    """Speech says such things; a span or a list would be an error in the data."""
    text = "1.0 - 2.0 seconds, wait. 300 seconds, he says."
    result = tt.convert_text(text, "seconds", "rpt", duration_seconds=10.0)
    assert result.text == "<1><0><0><0> - <2><0><0><0>, wait. 300 seconds, he says."
    assert [piece.offset for piece in result.malformed] == [25]


def test_years_are_left_alone():
    text = "From 1990 to 1995, he lived in Rome."
    result = tt.convert_text(text, "seconds", "rpt", duration_seconds=100.0)
    assert (result.text, result.num_positions) == (text, 0)
    assert [piece.text for piece in result.malformed] == ["1990"]


def test_examples_need_no_duration():
    text = "For example, ' 90 - 102 seconds, spread'."
    assert tt.convert_text(text, "seconds", "rpt").text == (
        "For example, ' <7><5><0><0> - <8><5><0><0>, spread'."
    )


@pytest.mark.parametrize(
    "before",
    [
        "For example, ",
        "For example, the man's dog runs: ",
        "For example, both dogs' bowls are filled: ",
        'For example, the "red" bowl is filled: ',
    ],
)
def test_for_example_in_a_caption_shows_no_form(before):
    text = f"{before}10.0 - 20.0 seconds, he stirs."
    converted = tt.convert_text(text, "seconds", "percent", duration_seconds=40.0).text
    assert converted == f"{before}25 - 50, he stirs."


@pytest.mark.parametrize(
    "before",
    ["It should be like: ", "An example is : ' ", "An example is \u201cthe man\u2019s dog, "],
)
def test_a_form_that_is_shown_says_nothing_of_the_video(before):
    text = f"{before}90.0 - 102.0 seconds, he stirs."
    converted = [
        tt.convert_text(text, "seconds", "percent", duration_seconds=seconds).text
        for seconds in (40.0, 120.0, None)
    ]
    assert converted == [f"{before}75 - 85, he stirs."] * 3


@pytest.mark.parametrize("named", list(UNIT_PHRASES))
def test_units_named_in_questions(named):
    text = f"Find it, and give the {named} please."
    there = tt.convert_text(text, "seconds", "rpt").text
    assert "seconds" not in there
    assert tt.convert_text(there, "rpt", "seconds").text == text
    assert tt.convert_text(text, "seconds", "absolute_digits").text == text


def test_a_duration_is_needed_only_where_there_is_a_position():
    assert tt.convert_text("A cat sleeps.", "seconds", "rpt").text == "A cat sleeps."
    assert tt.convert_text("A cat sleeps.", "rpt", "seconds").text == "A cat sleeps."
    for source, target, text in (
        ("seconds", "rpt", "1.0 - 2.0 seconds, x."),
        ("rpt", "seconds", "<0><0><0><0> - <0><0><0><1>, x."),
    ):
        with pytest.raises(tt.CodecError, match="needs duration_seconds"):
            tt.convert_text(text, source, target)
    absolute = tt.convert_text("1.0 - 2.0 seconds, x.", "seconds", "absolute_digits")
    assert absolute.num_positions == 2


def test_malformed_pieces_stay():
    text = "<0><1><2> - <0><2><0><0>, x."
    result = tt.convert_text(text, "rpt", "seconds", duration_seconds=100.0)
    assert [piece.offset for piece in result.malformed] == [0, 12]
    assert result.text.startswith("<0><1><2> - ")


def test_bad_durations():
    with pytest.raises(tt.CodecError, match="-1"):
        tt.convert_text("x", "seconds", "rpt", duration_seconds=-1)


@pytest.mark.parametrize("target", tt.CODECS)
@pytest.mark.parametrize("source", tt.CODECS)
def test_every_pair_of_codecs(source, target):
    """Frames, events, a moment and numbers in captions, from any codec to any other and back."""
    first, second = tt.CODECS[source], tt.CODECS[target]
    captions = ["It is 12:30.", "At 5:30, he adds 1-2 cups <t5>.", "The score: 9.5, 9.7, a draw."]
    events = [
        tt.Event(start, end, caption)
        for start, end, caption in zip(
            (3.0, 40.0, 90.0), (20.5, 40.0, DURATION), captions, strict=True
        )
    ]
    frames = [tt.TimePosition(seconds, DURATION) for seconds in (0.0, 70.0, DURATION)]
    sentence = tt.sampling_sentence(frames, source)
    question = tt.speech_question("What happens?", events, source, duration_seconds=DURATION)
    text = f"{sentence} {question}"
    there = tt.convert_text(text, source, target, duration_seconds=DURATION)
    back = tt.convert_text(there.text, target, source, duration_seconds=DURATION)
    assert (there.num_positions, there.malformed) == (8, ())
    assert (back.num_positions, back.malformed) == (8, ())
    limit = first.max_error(DURATION) + second.max_error(DURATION) + 1e-9
    question = back.text[back.text.index("Transcribed") :]
    read = tt.parse_speech_question(question, source, duration_seconds=DURATION)
    assert read.question == "What happens?"
    for event, other in zip(read.segments, events, strict=True):
        assert event.caption == other.caption
        assert event.start_seconds == pytest.approx(other.start_seconds, abs=limit)
        assert event.end_seconds == pytest.approx(other.end_seconds, abs=limit)

"""Reading what models write: every codec, every slip, nothing invented, never an exception."""

import pytest

import timetokens as tt

A, B, C, D = ("<0><1><0><0>", "<0><2><0><0>", "<0><3><0><0>", "<0><4><0><0>")


def events(text, codec="rpt", duration_seconds=100.0, **options):
    result = tt.parse_events(text, codec, duration_seconds=duration_seconds, **options)
    return [(event.start_seconds, event.end_seconds, event.caption) for event in result.events]


def malformed(text, codec="rpt", duration_seconds=100.0):
    result = tt.parse_events(text, codec, duration_seconds=duration_seconds)
    for piece in result.malformed:
        assert text.startswith(piece.text, piece.offset)
    return [(piece.offset, piece.text) for piece in result.malformed]


def spans(text, codec="rpt", duration_seconds=100.0):
    result = tt.parse_spans(text, codec, duration_seconds=duration_seconds)
    return [(span.start_seconds, span.end_seconds) for span in result.spans]


@pytest.mark.parametrize(
    "span",
    [
        f"{A} - {B}",
        f"{A}-{B}",
        f"{A}   -   {B}",
        f"{A} \u2013 {B}",
        f"{A} {B}",
        f"{A}{B}",
        f"from {A} to {B}",
        f"From {A} until {B}",
        f"Start time: {A}, end time: {B}",
        f"{A} to {B} seconds",
        f"{B} - {A}",
        "<0> <1> <0> <0> - <0> <2> <0> <0>",
        "< 0 ><1><0><0> - <0><2><0>< 0 >",
        "<0><1><0><0 - <0><2><0>0>",
        "0><1><0><0> - <0<2<0<0>",
        "<0100> - <0200>",
        "<0 1 0 0> - <0 2 0 0>",
        "0100 - 0200",
    ],
)
def test_spellings_of_a_span_of_time_tokens(span):
    assert events(f"{span}, pour.") == [(1.0, 2.0, "pour.")]
    assert malformed(f"{span}, pour.") == []


@pytest.mark.parametrize(
    "span",
    [
        "10.0 - 20.0 seconds",
        "10.0-20.0 seconds",
        "10-20 s",
        "10s-20s",
        "10 - 20 sec",
        "10.0 - 20.0 seonds",
        "10 \u2014 20 seconds",
        "from 10.0 to 20.0 seconds",
        "From 10.0 to 20.0 seconds",
        "Between 10 and 20 seconds",
        "10 to 20 seconds",
        "0:10 - 0:20",
        "00:00:10 - 00:00:20",
        "0:10.0 to 0:20.0",
        "20 - 10 seconds",
        "10 - 20",
        "**10.0 - 20.0 seconds**",
        "(10.0 - 20.0 seconds)",
        "1. 10 - 20 seconds",
        "- 10 - 20 seconds",
        "Event 1: 10 - 20 seconds",
        "Start time: 10 seconds\nEnd time: 20 seconds",
        "start time 10, end time 20",
        "Starts at 10 s and ends at 20 s",
    ],
)
@pytest.mark.parametrize("codec", ["seconds", "index"])
def test_spellings_of_a_span_of_seconds(span, codec):
    for separator in (", ", ": "):
        assert events(f"{span}{separator}pour.", codec, 100.0) == [(10.0, 20.0, "pour.")]


@pytest.mark.parametrize("span", ["10 - 20", "10% - 20%", "from 10 to 20", "From 10% to 20%"])
def test_spellings_of_a_span_of_percent(span):
    assert events(f"{span}, pour. 30 - 40, stir.", "percent", 50.0) == [
        (5.0, 10.0, "pour."),
        (15.0, 20.0, "stir."),
    ]


@pytest.mark.parametrize(
    "span", ["<t11> - <t22>", "<t11><t22>", "from <t11> to <t22>", "<t11 - t22>", "< t11 > - <t22>"]
)
def test_spellings_of_a_span_of_bins(span):
    assert events(f"{span}, pour.", "bins", 99.0) == [(11.0, 22.0, "pour.")]


@pytest.mark.parametrize(
    "digits",
    [
        "<TIME_ZERO><TIME_ZERO><TIME_ONE><TIME_ZERO><TIME_DOT><TIME_FIVE>",
        "<TIME_ZERO> <TIME_ZERO> <TIME_ONE> <TIME_ZERO> <TIME_DOT> <TIME_FIVE>",
        "<TIME_ONE><TIME_ZERO><TIME_DOT><TIME_FIVE>",
        "TIME_ONE><TIME_ZERO><TIME_DOT<TIME_FIVE>",
    ],
)
def test_spellings_of_absolute_digits(digits):
    assert events(f"{digits} - {digits} seconds, pour.", "absolute_digits") == [
        (10.5, 10.5, "pour.")
    ]


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_several_events(codec):
    """Several events in a row, with and without spaces, on lines, numbered."""
    times = [(0.0, 9.0), (9.0, 30.0), (45.0, 99.0)]
    captions = ["a.", "He adds 1-2 cups, then 3 more.", "The end"]
    written = [
        tt.span_text(
            tt.TimePosition(start, 99.0),
            tt.TimePosition(end, 99.0),
            codec,
        )
        for start, end in times
    ]
    expected = [
        (pytest.approx(start, abs=codec.max_error(99.0)), pytest.approx(end, abs=0.991), caption)
        for (start, end), caption in zip(times, captions, strict=True)
    ]
    pairs = [f"{span}, {caption}" for span, caption in zip(written, captions, strict=True)]
    for text in (
        "  ".join(pairs),
        "".join(pairs),
        "\n".join(pairs),
        "\n".join(f"{number}. {pair}" for number, pair in enumerate(pairs, start=1)),
        "Sure! Here are the events:\n" + "\n".join(f"- {pair}" for pair in pairs),
    ):
        assert events(text, codec, 99.0) == expected
        assert malformed(text, codec, 99.0) == []


class TestFailuresOfThePeer:
    """What timechat.md lists as read wrongly by TimeChat's script."""

    def test_short_captions_stay_with_their_span(self):
        text = "1.0 - 2.0 seconds, a.3.0 - 4.0 seconds, pour"
        assert events(text, "seconds") == [(1.0, 2.0, "a."), (3.0, 4.0, "pour")]

    def test_amounts_are_no_times(self):
        text = "1.0 - 2.0 seconds, add 1-2 cups. 3.0 - 4.0 seconds, stir 2 - 3 times."
        assert events(text, "seconds") == [
            (1.0, 2.0, "add 1-2 cups."),
            (3.0, 4.0, "stir 2 - 3 times."),
        ]

    def test_a_span_that_ends_like_another(self):
        text = "1.0 - 2.0 seconds, pour. 21.0 - 2.0 seconds, stir."
        assert events(text, "seconds") == [(1.0, 2.0, "pour."), (2.0, 21.0, "stir.")]

    def test_from_to(self):
        assert events("From 10.0 to 20.0 seconds, he pours.", "seconds") == [
            (10.0, 20.0, "he pours.")
        ]

    def test_time_tokens(self):
        assert events(f"{A} - {B}, he pours.") == [(1.0, 2.0, "he pours.")]

    def test_more_than_one_event_in_any_form(self):
        assert events("0:10 - 0:20: pour\n0:30 - 0:40: stir", "seconds") == [
            (10.0, 20.0, "pour"),
            (30.0, 40.0, "stir"),
        ]

    def test_a_lone_time_is_not_blown_up_to_a_span(self):
        assert events("start - 180 seconds, add oil", "seconds") == []
        assert malformed("start - 180 seconds, add oil", "seconds") == [(8, "180 seconds")]


@pytest.mark.parametrize(
    "caption",
    [
        "add 1-2 cups of flour.",
        "bake for 5 - 10 seconds, then wait about 20 to 30 seconds.",
        "cut into 3 - 4 cm pieces and 2.5 - 3.5 inch strips.",
        "the score is 3-2 and mp4 v1.2.3 plays at 30 fps.",
        "in 1990 - 1995 he moved; the 1990s ended.",
        "use 1/2 cup, 3, 4 or 5 eggs.",
        "it weighs 2.5 kg.",
    ],
)
def test_numbers_in_captions_are_no_times(caption):
    for codec in ("seconds", "index", "percent", "rpt"):
        text = f"The man talks. {caption}"
        assert events(text, codec) == []
        assert malformed(text, codec) == []
    assert events(f"10.0 - 20.0 seconds, {caption}", "seconds") == [(10.0, 20.0, caption)]


def test_labels_on_lines():
    text = "1. Start time: 5\nEnd time: 9\nDescription: pour\n2. Start time: 10 s\nEnd time: 20 s\n"
    assert events(f"{text}Description: stir", "seconds") == [(5, 9, "pour"), (10, 20, "stir")]


def test_answers_as_data():
    """JSON, lists, tables and subtitles, as chat models like to write."""
    expected = [(3.2, 5.6, "walk"), (6.0, 8.0, "run, run")]
    text = '[{"start": 3.2, "end": 5.6, "caption": "walk"}, {"start": 6, "end": 8, "caption": '
    assert events(f'{text}"run, run"}}]', "seconds") == expected
    assert events("| 3.2 - 5.6 | walk |\n| 6.0 - 8.0 | run, run |", "seconds") == expected
    assert events("[3.2, 5.6]: walk\n[6.0, 8.0]: run, run", "seconds") == expected
    assert spans("[[3.2, 5.6], [6, 8.0]]", "seconds") == [(3.2, 5.6), (6.0, 8.0)]
    text = "1\n0:00:03,200 --> 0:00:05,600\nwalk\n\n2\n0:00:06,000 --> 0:00:08,000\nrun, run"
    assert [event[:2] for event in events(text, "seconds")] == [(3.2, 5.6), (6.0, 8.0)]
    assert events(f"[{A}, {B}] walk") == [(1.0, 2.0, "walk")]


def test_a_third_position_is_malformed():
    assert events(f"{A} - {B} - {C}, x") == [(1.0, 2.0, f"{C}, x")]
    assert malformed(f"{A} - {B} - {C}, x") == [(30, C)]


def test_captions_before_their_span():
    text = "A man opens a jar from 0.0 to 9.1 seconds. He stirs (9.1 - 14.0 seconds). Bye."
    assert events(text, "seconds") == [
        (0.0, 9.1, "A man opens a jar."),
        (9.1, 14.0, "He stirs."),
    ]
    text = f"A man opens a jar from {A} to {B}. He stirs ({C} - {D})."
    assert events(text) == [(1.0, 2.0, "A man opens a jar."), (3.0, 4.0, "He stirs.")]


def test_a_span_inside_a_caption_stays_there():
    text = "0.0 - 9.0 seconds, the man waits from 3.0 to 5.0 seconds. 9.0 - 10.0 seconds, he goes."
    assert events(text, "seconds") == [
        (0.0, 9.0, "the man waits from 3.0 to 5.0 seconds."),
        (9.0, 10.0, "he goes."),
    ]


def test_moments():
    """ViTT names moments, not spans."""
    text = "0.0 seconds, intro. 12.0 seconds, cut the onion."
    assert events(text, "seconds") == [(0.0, 0.0, "intro."), (12.0, 12.0, "cut the onion.")]
    assert events(f"{A}, intro. {B}, cut the onion.") == [
        (1.0, 1.0, "intro."),
        (2.0, 2.0, "cut the onion."),
    ]
    assert events("At 12.0 seconds, he cuts the onion.", "seconds") == [
        (12.0, 12.0, "he cuts the onion.")
    ]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("<0><1><2>, three digits.", [(0, "<0><1><2>")]),
        (f"{A} - <0><1>, half.", [(0, A), (15, "<0><1>")]),
        (f"<0><1><2><3><4> - {A}, five.", [(0, "<0><1><2><3><4>"), (18, A)]),
        (f"The man {A} walks.", [(8, A)]),
        (f"start - {A}, pour.", [(8, A)]),
        (f"{A} - end, pour.", [(0, A)]),
        (f"It starts at {A}.", [(13, A)]),
        ("if x<5 and y>3 then", []),
    ],
)
def test_malformed_time_tokens(text, pieces):
    assert events(text) == []
    assert malformed(text) == pieces


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("-3.0 - 4.0 seconds, pour.", [(1, "3.0 - 4.0 seconds")]),
        ("It starts at 0:40. Then it goes on.", [(13, "0:40")]),
        ("180 seconds - end, pour.", [(0, "180 seconds")]),
    ],
)
def test_malformed_seconds(text, pieces):
    assert events(text, "seconds") == []
    assert malformed(text, "seconds") == pieces


def test_bins_that_do_not_exist_are_malformed():
    assert malformed("<t5> - <t100>, pour.", "bins") == [(0, "<t5>"), (7, "<t100>")]


def test_the_reason_is_given():
    (piece,) = tt.parse_events("<0><1><2>, x", duration_seconds=1.0).malformed
    assert piece == tt.Malformed(0, "<0><1><2>", "time tokens that are no rpt position")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The given query happens in 20.8 - 30.0 seconds.", [(20.8, 30.0)]),
        ("The event 'turn 1-2 lights on' happens in the 24.3 - 30.4 seonds.", [(24.3, 30.4)]),
        ("30.0 - 20.0 seconds", [(20.0, 30.0)]),
        ("The start time for this event is 0 seconds, and the end time is 12 seconds.", [(0, 12)]),
        ("It starts at 00:00:18 and ends at 00:00:23.", [(18, 23)]),
        ("Starting time: 0.8 seconds\nEnding time: 1.1 seconds", [(0.8, 1.1)]),
        ("The event happens at 5.0 seconds.", [(5, 5)]),
        ("The event happens in 24 - 30.", [(24, 30)]),
        ("24 to 30", [(24, 30)]),
        ("no idea", []),
        ("", []),
    ],
)
def test_grounding_answers(text, expected):
    assert spans(text, "seconds") == expected


def test_grounding_answers_in_time_tokens():
    assert spans(f"The given query happens in {A} - {B}.") == [(1.0, 2.0)]
    assert spans(f"The given query happens in {A}.") == [(1.0, 1.0)]
    assert spans(f"{A} - {B} or {C} - {D}") == [(1.0, 2.0), (3.0, 4.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The image index is 7.", [7]),
        ("You should look at image number 7.", [7]),
        ("The image indices are 7, 12 and 96.", [7, 12, 96]),
        ("Image numbers 7, 12 are the correct ones.", [7, 12]),
        ("Refer to image 7. It shows 3 dogs and 12 cats.", [7]),
        (
            "The image with index 7 describes: two men. The image with index 9 shows: 5 cats.",
            [7, 9],
        ),
        ("7", [7]),
        ("7, 12", [7, 12]),
        ("7. It shows 3 dogs.", [7]),
        ("7 and 12", [7, 12]),
        ("7 is the one.", [7]),
        ("7\nIt shows 3 dogs.", [7]),
        ("It shows 3 dogs.", []),
        ("3 dogs are in image 7.", [7]),
        ("7 has it.", [7]),
        ("7 of 20", [7]),
        ("7 out of 20 images", [7]),
        ("3 of the dogs are in image 7.", [7]),
    ],
)
def test_items_in_plain_numbers(text, expected):
    result = tt.parse_items(text, "index", length=96)
    assert list(result.items) == expected
    assert result.malformed == ()


def test_items_in_time_tokens():
    codes = [tt.encode(item, 96) for item in (7, 12, 96)]
    text = f"The image indices are {', '.join(codes)}. Not 5."
    assert tt.parse_items(text, length=96).items == (7, 12, 96)


def test_items_that_are_not_there_are_malformed():
    result = tt.parse_items("The image index is 97.", "index", length=96)
    assert result.items == ()
    assert [(piece.offset, piece.text) for piece in result.malformed] == [(19, "97")]


def test_arguments_are_checked_whatever_the_text():
    for text in ("", "no time here"):
        with pytest.raises(tt.CodecError, match="duration_seconds"):
            tt.parse_events(text)
        with pytest.raises(tt.CodecError, match="-1"):
            tt.parse_events(text, duration_seconds=-1)
        with pytest.raises(tt.CodecError, match="rpd"):
            tt.parse_events(text, "rpd", duration_seconds=1)
        with pytest.raises(tt.CodecError, match="vtg"):
            tt.parse_events(text, duration_seconds=1, compat="vtg")
        with pytest.raises(tt.CodecError, match="-1"):
            tt.parse_spans(text, "seconds", duration_seconds=-1, compat="timechat")
        with pytest.raises(TypeError, match="positional"):
            tt.parse_events(text, "rpt", 1.0)
        with pytest.raises(tt.CodecError, match="0"):
            tt.parse_items(text, length=0)


def test_times_after_the_end_are_kept_as_written():
    assert events("90.0 - 120.0 seconds, pour.", "seconds", 100.0) == [(90.0, 120.0, "pour.")]
    late = tt.CODECS["absolute_digits"].format_point(tt.TimePosition(120.0, duration_seconds=120.0))
    for compat in (None, "timechat"):
        text = f"{late} - {late} seconds, pour it."
        assert events(text, "absolute_digits", 100.0, compat=compat) == [(120.0, 120.0, "pour it.")]


@pytest.mark.parametrize("name", ["TIME_N\u0130NE", "TIME_\u017fIX", "T\u0130ME_TWO"])
def test_letters_that_only_ignore_case_like_others_make_no_digit(name):
    text = f"<{name}> - <{name}>, pour."
    assert events(text, "absolute_digits") == []
    with pytest.raises(tt.CodecError, match="no position"):
        tt.CODECS["absolute_digits"].parse_point(f"<{name}>")


def test_a_span_inside_a_caption_is_not_reported():
    text = "0.0 - 9.0 seconds, the man waits from 3.0 seconds to 5.0 seconds."
    assert events(text, "seconds") == [(0.0, 9.0, "the man waits from 3.0 seconds to 5.0 seconds.")]
    assert malformed(text, "seconds") == []

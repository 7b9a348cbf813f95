"""Each representation: what it writes, how exactly, what it refuses."""

import itertools
import pickle

import pytest

import timetokens as tt

ITEM = tt.ItemPosition(7, 96)
TIME = tt.TimePosition(61.4, 148.8)


@pytest.mark.parametrize(
    ("name", "item", "time", "end"),
    [
        ("rpt", "<0><7><2><9>", "<4><1><2><6>", "<9><9><9><9>"),
        ("seconds", "7.0", "61.4", "148.8"),
        ("index", "7", "61.4", "148.8"),
        ("percent", "07", "41", "99"),
        ("bins", "<t7>", "<t41>", "<t99>"),
        (
            "absolute_digits",
            "<TIME_ZERO><TIME_ZERO><TIME_ZERO><TIME_SEVEN><TIME_DOT><TIME_ZERO>",
            "<TIME_ZERO><TIME_ZERO><TIME_SIX><TIME_ONE><TIME_DOT><TIME_FOUR>",
            "<TIME_ZERO><TIME_ONE><TIME_FOUR><TIME_EIGHT><TIME_DOT><TIME_EIGHT>",
        ),
    ],
)
def test_points(name, item, time, end):
    codec = tt.CODECS[name]
    assert codec.name == name
    assert codec.format_point(ITEM) == item
    assert codec.format_point(TIME) == time
    assert codec.format_point(tt.TimePosition(148.8, 148.8)) == end
    assert codec.format_span(TIME, tt.TimePosition(148.8, 148.8)) == f"{time} - {end}"


def test_the_codecs_of_the_field():
    assert list(tt.CODECS) == ["rpt", "seconds", "index", "percent", "bins", "absolute_digits"]
    assert {name: len(codec.new_tokens) for name, codec in tt.CODECS.items()} == {
        "rpt": 10,
        "seconds": 0,
        "index": 0,
        "percent": 0,
        "bins": 100,
        "absolute_digits": 11,
    }


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_every_item_of_a_sequence_comes_back(codec):
    # percent writes the last two of 67 both as 99.
    length = 66 if codec.name == "percent" else 96
    for item in range(1, length + 1):
        text = codec.format_point(tt.ItemPosition(item, length))
        assert codec.parse_item(text, length=length) == item


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
@pytest.mark.parametrize("duration_seconds", [0.7, 10.0, 148.8, 3600.0])
def test_max_error_is_kept_and_is_reached(codec, duration_seconds):
    """The stated error is an upper bound, and no more than a tenth too large."""
    errors = []
    num_steps = 1_997  # a prime, so that the times meet every phase of the codec's steps
    for step in range(num_steps + 1):
        seconds = duration_seconds * step / num_steps
        text = codec.format_point(tt.TimePosition(seconds, duration_seconds))
        read = codec.parse_point(text, duration_seconds=duration_seconds)
        errors.append(abs(read - seconds))
    limit = codec.max_error(duration_seconds)
    assert max(errors) <= limit * (1 + 1e-9) + 1e-12
    assert max(errors) >= 0.9 * limit


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_resolution_is_the_step_between_readable_times(codec):
    duration_seconds = 100.0
    resolution = codec.resolution(duration_seconds)
    seconds = [40.0 + resolution * step / 7 for step in range(70)]
    points = [codec.format_point(tt.TimePosition(time, duration_seconds)) for time in seconds]
    times = [
        codec.parse_point(point, duration_seconds=duration_seconds)
        for point in dict.fromkeys(points)
    ]
    steps = [after - before for before, after in itertools.pairwise(times)]
    assert len(steps) >= 8
    assert steps == pytest.approx([resolution] * len(steps))


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_places_of_new_tokens(codec):
    """A point is one token per slot, slots rise, and every new token has a plain text."""
    assert codec.new_tokens == tuple(codec.new_token_texts)
    used = {token for slot in codec.slots for token in slot}
    assert used == set(codec.new_tokens)
    if codec.slots:
        lowest = "".join(slot[0] for slot in codec.slots)
        assert codec.parse_point(lowest, duration_seconds=50.0) == 0
        highest = "".join(slot[-1] for slot in codec.slots)
        assert codec.parse_point(highest, duration_seconds=50.0) > 49


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_errors_carry_the_value(codec):
    with pytest.raises(tt.CodecError, match="nonsense"):
        codec.parse_point("nonsense", duration_seconds=50.0)
    with pytest.raises(tt.CodecError, match="nonsense"):
        codec.parse_span("nonsense", duration_seconds=50.0)
    late, early = tt.TimePosition(4.0, duration_seconds=9.0), tt.TimePosition(2.0, 9.0)
    with pytest.raises(tt.CodecError, match=r"4\.0 - 2\.0"):
        codec.format_span(late, early)
    reversed_span = f"{codec.format_point(late)} - {codec.format_point(early)}"
    with pytest.raises(tt.CodecError, match=f"ends before it starts: '{reversed_span[:80]}'"):
        codec.parse_span(reversed_span, duration_seconds=9.0)
    with pytest.raises(tt.CodecError, match="-3"):
        codec.parse_point(codec.format_point(TIME), duration_seconds=-3)
    with pytest.raises(tt.CodecError, match="nan"):
        codec.resolution(float("nan"))


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_a_missing_duration_is_an_error_for_relative_codecs_only(codec):
    text = codec.format_point(TIME)
    if codec.is_relative:
        with pytest.raises(tt.CodecError, match="duration_seconds"):
            codec.parse_point(text)
    else:
        assert codec.parse_point(text) == 61.4


@pytest.mark.parametrize("codec", tt.CODECS.values(), ids=tt.CODECS)
def test_codecs_travel_to_other_processes(codec):
    assert pickle.loads(pickle.dumps(codec)) == codec


def test_items_that_are_none():
    assert tt.CODECS["index"].parse_item("7", length=96) == 7
    for text in ("0", "97", "7.5"):
        with pytest.raises(tt.CodecError, match=text):
            tt.CODECS["index"].parse_item(text, length=96)


def test_clock_readings():
    seconds = tt.CODECS["seconds"]
    assert seconds.parse_point("1:01.4") == 61.4
    assert seconds.parse_point("0:01:01.4") == 61.4
    assert seconds.parse_span("0:10 - 1:02:03") == (10.0, 3723.0)


def test_absolute_digits_end_where_six_tokens_end():
    codec = tt.CODECS["absolute_digits"]
    assert codec.parse_point(codec.format_point(tt.TimePosition(9999.9, 20_000.0))) == 9999.9
    with pytest.raises(tt.CodecError, match=r"9999\.96"):
        codec.format_point(tt.TimePosition(9999.96, 20_000.0))


def test_grounded_videollm_vocabulary():
    codec = tt.Bins(num_bins=301, prefix="")
    assert codec.new_tokens[0] == "<0>"
    assert codec.new_tokens[-1] == "<300>"
    assert codec.format_point(tt.TimePosition(30.0, 60.0)) == "<150>"
    with pytest.raises(tt.CodecError, match="301"):
        codec.parse_point("<301>", duration_seconds=60.0)


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: tt.Bins(num_bins=1), "1"),
        (lambda: tt.Bins(num_bins=10.0), r"10\.0"),
        (lambda: tt.DecimalText(time_decimals=-1), "-1"),
        (lambda: tt.DecimalText(item_decimals=10), "10"),
        (lambda: tt.DecimalText(time_decimals=0.5), r"0\.5"),
        (lambda: tt.Bins(prefix="<"), "<"),
        (lambda: tt.RelativeDigits(digits=7), "7"),
        (lambda: tt.as_codec("rtp"), "did you mean 'rpt'"),
        (lambda: tt.as_codec("quux"), "one of: rpt, seconds"),
    ],
)
def test_settings_that_are_refused(make, value):
    with pytest.raises(tt.CodecError, match=value):
        make()


def test_positions():
    assert tt.time_position(70.0, duration_seconds=60.0, clamp=True) == tt.TimePosition(60.0, 60.0)
    assert tt.ItemPosition(7, 96).seconds == 7.0
    assert tt.ItemPosition(7, 96).duration_seconds == 96.0
    with pytest.raises(tt.CodecError, match="61"):
        tt.TimePosition(61.0, 60.0)
    with pytest.raises(tt.CodecError, match="97"):
        tt.ItemPosition(97, 96)

"""What holds for every position, caption and text, not only for examples."""

import math
from collections import Counter
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

import timetokens as tt
from timetokens import timechat_compat
from timetokens.position import nearest_step

CODECS = st.sampled_from(
    [
        *tt.CODECS.values(),
        *(tt.RelativeDigits(digits=digits) for digits in (1, 2, 3, 5, 6)),
        tt.Bins(num_bins=301, prefix=""),
        tt.DecimalText(name="seconds", time_decimals=2),
    ]
)
DURATIONS = st.floats(min_value=0.5, max_value=9000.0)
SHARES = st.floats(min_value=0.0, max_value=1.0)
# With everything that could be taken for a time or a token, or be damaged by escaping.
WORD_LIST = r"""the man opens 3 jars don't über 切る (slowly) 30 seconds mp4 50% add 1-2 cups
<5> <0><1><2><3> <t7> <TIME_DOT> x<y y>5 \ <\5> \5> <\\t7>"""
WORDS = st.sampled_from(WORD_LIST.split())
# A caption as sets have them: words, ended by a full stop, and not itself a time.
ENDS = st.sampled_from(["now.", "it is 12:30.", "9.5, 9.7 and 9.9.", "3 - 4 of them!", "at 5.5."])
CAPTIONS = st.tuples(st.lists(WORDS, min_size=1, max_size=8), ENDS).map(
    lambda parts: f"see {' '.join(parts[0])} {parts[1]}"
)
FRAGMENTS = st.sampled_from(
    [
        "<0>", "<7>", "<7", "9>", "<0><1><2><3>", "<t5>", "<t500>", "<TIME_ONE>", "<TIME_DOT>",
        "1.0 - 2.0 seconds", "10-20", "from ", " to ", " - ", "-", ", ", ". ", "\n", "start time: ",
        "end time: ", "description: ", "happens in ", "0:40", "1:02:03", "seconds", "s", "%", "12",
        "3.5", "for ", "(", ")", "1. ", "* ", "add 1-2 cups", "see it", "\0", "\u2028", "\u0663",
        "start - ", " - end", "sampled at ", "the 82, 84 seconds", "score 1.3",
    ]
)  # fmt: skip
TEXTS = st.one_of(
    st.text(), st.lists(st.one_of(FRAGMENTS, st.text(max_size=3)), max_size=20).map("".join)
)


def time(share, duration_seconds):
    return tt.time_position(share * duration_seconds, duration_seconds=duration_seconds, clamp=True)


@given(CODECS, SHARES, DURATIONS)
def test_times_come_back_within_the_stated_error(codec, share, duration_seconds):
    position = time(share, duration_seconds)
    text = codec.format_point(position)
    read = codec.parse_point(text, duration_seconds=duration_seconds)
    limit = codec.max_error(duration_seconds)
    assert abs(read - position.seconds) <= limit * (1 + 1e-9) + 1e-9
    # What was read is written the same way again.
    if read <= duration_seconds:
        again = codec.format_point(tt.TimePosition(read, duration_seconds))
        assert again == text


@given(CODECS, SHARES, SHARES, DURATIONS)
def test_codes_keep_the_order_of_times(codec, one, other, duration_seconds):
    early, late = (time(share, duration_seconds) for share in sorted((one, other)))
    start, end = codec.parse_span(codec.format_span(early, late), duration_seconds=duration_seconds)
    assert start <= end


@given(CODECS, st.data())
def test_items_come_back(codec, data):
    """As long as no two items share a code."""
    longest = {"rpt": 10 ** getattr(codec, "digits", 4) // 2, "percent": 50, "bins": 99}
    length = data.draw(st.integers(1, longest.get(codec.name, 5000)))
    item = data.draw(st.integers(1, length))
    text = codec.format_point(tt.ItemPosition(item, length))
    assert codec.parse_item(text, length=length) == item


@given(st.integers(1, 10**6), st.integers(1, 6), st.data())
def test_codes_are_the_papers_formula(length, digits, data):
    item = data.draw(st.integers(1, length))
    text = tt.encode(item, length, digits)
    rounded = round(item / length, digits)
    assert tt.decode(text) == (rounded if rounded < 1 else 1 - 10**-digits)


@given(SHARES, st.integers(1, 10**6))
def test_nearest_step_is_exact(relative, num_steps):
    # round() of a Fraction is exact and takes halves to even.
    assert nearest_step(relative, num_steps) == round(Fraction(relative) * num_steps)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_nearest_step_is_exact_on_and_beside_halves(step, num_steps):
    half = (2 * step + 1) / (2 * num_steps)
    for relative in (half, math.nextafter(half, 0), math.nextafter(half, 1)):
        assume(0 <= relative <= 1)
        assert nearest_step(relative, num_steps) == round(Fraction(relative) * num_steps)


@given(TEXTS)
def test_escape_is_undone_by_unescape(text):
    escaped = tt.escape(text)
    assert tt.unescape(escaped) == text
    for codec in tt.CODECS.values():
        assert not any(token in escaped for token in codec.new_tokens)


@given(
    st.sampled_from(list(tt.CODECS.values())),
    DURATIONS,
    st.lists(st.tuples(SHARES, SHARES, CAPTIONS), max_size=5),
)
def test_answers_come_back(codec, duration_seconds, pieces):
    events = [
        tt.Event(time(min(one, other), duration_seconds).seconds,
                 time(max(one, other), duration_seconds).seconds, caption)
        for one, other, caption in pieces
    ]  # fmt: skip
    answer = tt.dense_caption_answer(events, codec, duration_seconds=duration_seconds)
    result = tt.parse_events(answer, codec, duration_seconds=duration_seconds)
    assert result.malformed == ()
    assert [event.caption for event in result.events] == [event.caption for event in events]
    limit = codec.max_error(duration_seconds) * (1 + 1e-9) + 1e-9
    for read, event in zip(result.events, events, strict=True):
        assert abs(read.start_seconds - event.start_seconds) <= limit
        assert abs(read.end_seconds - event.end_seconds) <= limit
    for event in events:
        answer = tt.grounding_answer(event.span, codec, duration_seconds=duration_seconds)
        (span,) = tt.parse_spans(answer, codec, duration_seconds=duration_seconds).spans
        assert abs(span.start_seconds - event.start_seconds) <= limit


@given(st.sampled_from(list(tt.CODECS)), st.lists(st.tuples(SHARES, SHARES, CAPTIONS), max_size=5))
def test_conversion_there_and_back(target, pieces):
    """Tenths of a second in a video below 500 s survive rpt to the digit."""
    duration_seconds = 480.0
    events = [
        tt.Event(round(min(one, other) * 480, 1), round(max(one, other) * 480, 1), caption)
        for one, other, caption in pieces
    ]
    text = tt.dense_caption_answer(events, "seconds", duration_seconds=duration_seconds)
    text = tt.unescape(text)  # a set in seconds knows nothing of our escapes
    there = tt.convert_text(text, "seconds", target, duration_seconds=duration_seconds)
    back = tt.convert_text(there.text, target, "seconds", duration_seconds=duration_seconds)
    assert there.num_positions == back.num_positions
    if target not in ("percent", "bins"):
        assert back.text == text


@given(TEXTS, CODECS)
def test_no_text_raises_and_nothing_is_made_up(text, codec):
    result = tt.parse_events(text, codec, duration_seconds=100.0)
    spans = tt.parse_spans(text, codec, duration_seconds=100.0).spans
    assert [event.span for event in result.events] == list(spans)
    for event in result.events:
        assert 0 <= event.start_seconds <= event.end_seconds < math.inf
        written = Counter(tt.unescape(text))
        assert all(written[c] >= n for c, n in Counter(event.caption).items() if c != " ")
    for piece in result.malformed:
        assert text.startswith(piece.text, piece.offset)
        assert piece.reason
    tt.parse_items(text, codec, length=96)
    tt.convert_text(text, codec, "rpt", duration_seconds=100.0, clamp=True)


@given(TEXTS)
def test_the_peers_readers_never_raise(text):
    spans, captions = timechat_compat.dense_captions(text)
    assert len(spans) == len(captions)
    assert len(timechat_compat.grounding(text)) <= 1
    tt.parse_events(text, duration_seconds=100.0, compat="timechat")

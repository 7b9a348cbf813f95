"""The paper's tokens: its example, its formula for every length, its open ends."""

import math

import pytest

import timetokens as tt
from timetokens.position import nearest_step
from timetokens.rpt import code_of, item_of_code, tokens_of_code


def test_the_papers_example():
    assert tt.encode(7, 96) == "<0><7><2><9>"
    assert tt.decode("<0><7><2><9>") == 0.0729
    assert tt.decode_item("<0><7><2><9>", 96) == 7


def test_ten_tokens():
    assert tuple(f"<{digit}>" for digit in range(10)) == tt.TOKENS


def test_last_item_shares_the_highest_code():
    assert tt.encode(96, 96) == "<9><9><9><9>"
    assert tt.encode(1, 1) == "<9><9><9><9>"
    assert tt.decode_item("<9><9><9><9>", 96) == 96


def test_items_count_from_one():
    # Were they to count from 0, the seventh of 96 would be 6 / 96 = 0.0625.
    assert tt.encode(6, 96) == "<0><6><2><5>"


@pytest.mark.parametrize(
    ("digits", "text"),
    [
        (1, "<1>"),
        (2, "<0><7>"),
        (3, "<0><7><3>"),
        (4, "<0><7><2><9>"),
        (5, "<0><7><2><9><2>"),
        (6, "<0><7><2><9><1><7>"),
    ],
)
def test_digits(digits, text):
    assert tt.encode(7, 96, digits) == text
    assert tt.decode(text) == round(7 / 96, digits)


def test_every_code_equals_the_papers_formula():
    """round(i / L, 4), as Python rounds, for every item of every length up to 400."""
    for length in range(1, 401):
        for item in range(1, length):
            assert code_of(item / length, 4) == int(f"{item / length:.4f}"[2:]), (item, length)


def test_rounding_of_exact_halves():
    # 1/32 = 0.03125 is a double: half to even. 1/160 = 0.00625 is not; its double lies above.
    assert tt.encode(1, 32) == "<0><3><1><2>"
    assert tt.encode(3, 32) == "<0><9><3><8>"
    assert tt.encode(1, 160) == "<0><0><6><3>"


@pytest.mark.timeout(1200)  # ten seconds on a machine that does nothing else
def test_decode_item_inverts_encode_for_every_length_up_to_5000():
    """All 12,502,500 pairs of item and length.

    `encode` is `tokens_of_code(code_of(...))` and `decode_item` is `item_of_code` of the digits
    read back; the loop runs the arithmetic, the test below that the digits are written and read.
    """
    for length in range(1, 5001):
        codes = [code_of(item / length, 4) for item in range(1, length + 1)]
        items = [item_of_code(code, 10_000, length) for code in codes]
        assert items == list(range(1, length + 1)), length
        assert codes[-1] == 9999
        assert codes[0] >= 0


def test_every_code_is_written_and_read():
    for code in range(10_000):
        text = tokens_of_code(code, 4)
        assert text == "".join(f"<{digit}>" for digit in f"{code:04d}")
        assert tt.decode(text) == code / 10_000
        assert tt.decode_item(text, 5000) == item_of_code(code, 10_000, 5000)


@pytest.mark.parametrize("length", [1, 2, 7, 96, 997, 4999, 5000, 6666])
def test_public_round_trip(length):
    for item in range(1, length + 1):
        assert tt.decode_item(tt.encode(item, length), length) == item


def test_codes_collide_first_at_length_6667():
    assert tt.encode(6666, 6667) == tt.encode(6667, 6667)
    assert len({tt.encode(item, 6666) for item in range(1, 6667)}) == 6666


def test_codes_between_items_give_the_nearest_item():
    assert tt.decode_item("<0><0><0><0>", 96) == 1
    assert tt.decode_item("<0><7><8><0>", 96) == 7  # 7.488
    assert tt.decode_item("<0><7><8><2>", 96) == 8  # 7.507


def test_seconds():
    assert tt.encode_seconds(61.4, duration_seconds=148.8) == "<4><1><2><6>"
    assert tt.decode_seconds("<4><1><2><6>", duration_seconds=148.8) == pytest.approx(61.39488)
    assert tt.encode_seconds(0, duration_seconds=148.8) == "<0><0><0><0>"
    assert tt.encode_seconds(148.8, duration_seconds=148.8) == "<9><9><9><9>"
    assert tt.encode_seconds(30, duration_seconds=60, digits=2) == "<5><0>"


def test_seconds_come_back_within_half_a_step():
    duration_seconds = 148.8
    for step in range(0, 200_000, 7):
        seconds = duration_seconds * step / 200_000
        text = tt.encode_seconds(seconds, duration_seconds=duration_seconds)
        error = abs(tt.decode_seconds(text, duration_seconds=duration_seconds) - seconds)
        half_step = duration_seconds / 20_000
        # The last half step shares the code 9999, which names the place before it.
        limit = half_step if seconds <= duration_seconds - half_step else 2 * half_step
        assert error <= limit * (1 + 1e-9), seconds


def test_clamping_only_when_asked():
    for seconds, text in ((-0.001, "<0><0><0><0>"), (60.001, "<9><9><9><9>")):
        with pytest.raises(tt.CodecError, match=str(seconds)):
            tt.encode_seconds(seconds, duration_seconds=60)
        assert tt.encode_seconds(seconds, duration_seconds=60, clamp=True) == text
    with pytest.raises(tt.CodecError, match="nan"):
        tt.encode_seconds(math.nan, duration_seconds=60, clamp=True)


def test_decode_takes_the_spaces_of_sentencepiece_decoders():
    assert tt.decode(" <0> <7><2>\n<9> ") == 0.0729


@pytest.mark.parametrize(
    ("item", "length", "value"), [(0, 96, "0"), (97, 96, "97"), (-3, 96, "-3"), (1, 0, "0")]
)
def test_items_outside_the_sequence(item, length, value):
    with pytest.raises(tt.CodecError, match=value):
        tt.encode(item, length)


@pytest.mark.parametrize("item", [1.0, 1.5, math.nan, "1", None, True])
def test_items_that_are_no_integers(item):
    with pytest.raises(TypeError, match="item_number must be an integer"):
        tt.encode(item, 96)


@pytest.mark.parametrize("duration_seconds", [0, 0.0, -1.0, math.nan, math.inf])
def test_bad_durations(duration_seconds):
    with pytest.raises(tt.CodecError, match=str(duration_seconds)):
        tt.encode_seconds(0.0, duration_seconds=duration_seconds)
    with pytest.raises(tt.CodecError, match=str(duration_seconds)):
        tt.decode_seconds("<0><0><0><0>", duration_seconds=duration_seconds)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_bad_times(seconds):
    with pytest.raises(tt.CodecError, match=str(seconds)):
        tt.encode_seconds(seconds, duration_seconds=60.0)


@pytest.mark.parametrize("digits", [0, 7, -1, 4.0, True, None])
def test_bad_digits(digits):
    with pytest.raises(tt.CodecError, match="digits"):
        tt.encode(1, 96, digits)


@pytest.mark.parametrize(
    "text",
    ["", "<>", "0729", "<0><7><2><9> x", "<10>", "<0><7><2><9><0><0><0>", "<\u0667>", "<0 ><1>"],
)
def test_texts_that_are_no_code(text):
    with pytest.raises(tt.CodecError, match="digit tokens"):
        tt.decode(text)


def test_integers_of_other_libraries_are_taken():
    class Index:
        def __index__(self):
            return 7

    assert tt.encode(Index(), 96) == tt.encode(7, 96)


def test_nearest_step_is_exact_where_floats_are_not():
    # 0.00005 * 10**4 is 0.5 in floats, but the double 0.00005 lies above one half step.
    assert nearest_step(0.00005, 10_000) == round(round(0.00005, 4) * 10_000) == 1
    assert nearest_step(0.00015, 10_000) == round(round(0.00015, 4) * 10_000) == 1
    assert nearest_step(1.0, 10_000) == 10_000
    assert nearest_step(5e-324, 10_000) == 0

"""Any text where timetokens reads positions, answers or files: a value, or its own error."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

import timetokens as tt
from fuzz import FUZZED, json_bytes, jsonl_bytes, scratch_file, spoilt_bytes, value_or_error
from timetokens import timechat_compat
from timetokens.convert_file import convert_file, read_durations
from timetokens.records import Converter

CODECS = st.sampled_from(
    [*tt.CODECS.values(), *(tt.RelativeDigits(digits=n) for n in (1, 2, 6)), tt.Bins(num_bins=7)]
)
FRAGMENTS = st.sampled_from(
    [
        "<0>", "<7>", "<7", "9>", "<0><1><2><3>", "<t5>", "<t500>", "<TIME_ONE>", "<TIME_DOT>",
        "1.0 - 2.0 seconds", "10-20", "from ", " to ", " - ", "-", ", ", ". ", "\n", "start time: ",
        "0:40", "1:02:03", "99:99:99", "seconds", "s", "%", "12", "3.5", "1e9", "9" * 400, "inf",
        "for ", "(", ")", "1. ", "* ", "add 1-2 cups", "\0", "\u2028", "\u0663", "\u00b2", "\ud800",
        "<\\5>", "\\", "in_frame_3", "frame 7", "<image>", "[", "{", '"', "score 1.3",
    ]
)  # fmt: skip
TEXTS = st.one_of(st.text(), st.lists(FRAGMENTS | st.text(max_size=3), max_size=25).map("".join))
DURATIONS = st.sampled_from([0.001, 1.0, 100.0, 148.8, 1e9])
RECORDS = [
    {"video": "a.mp4", "QA": [{"q": "When?", "a": "1.0 - 2.0 seconds, pour."}], "duration": 9},
    {"video": "b", "conversations": [{"from": "gpt", "value": "at 3.0 seconds"}], "x": [1]},
]


@FUZZED
@given(TEXTS, CODECS, DURATIONS)
def test_answers(text: str, codec: tt.Codec, duration_seconds: float) -> None:
    for compat in (None, "timechat") if codec.name == "seconds" else (None,):
        found = tt.parse_events(text, codec, duration_seconds=duration_seconds, compat=compat)
        for event in found.events:
            assert 0 <= event.start_seconds <= event.end_seconds < math.inf or compat
        assert all(piece.reason for piece in found.malformed)
    tt.parse_spans(text, codec, duration_seconds=duration_seconds)
    tt.parse_items(text, codec, length=96)
    tt.unescape(text)
    spans, captions = timechat_compat.dense_captions(text)
    assert len(spans) == len(captions)


@FUZZED
@given(TEXTS, CODECS, DURATIONS, st.integers(-1, 5000))
def test_positions(text: str, codec: tt.Codec, duration_seconds: float, length: int) -> None:
    errors = tt.CodecError
    seconds = value_or_error(
        lambda: codec.parse_point(text, duration_seconds=duration_seconds), errors, ""
    )
    assert seconds is None or 0 <= seconds < math.inf
    span = value_or_error(
        lambda: codec.parse_span(text, duration_seconds=duration_seconds), errors, ""
    )
    assert span is None or span[0] <= span[1]
    item = value_or_error(lambda: codec.parse_item(text, length=length), errors, "")
    assert item is None or 1 <= item <= length
    value_or_error(lambda: tt.decode(text), errors, "")
    value_or_error(lambda: tt.decode_item(text, length), errors, "")


@FUZZED
@given(
    st.sampled_from(["json", "jsonl", "text"]),
    json_bytes([RECORDS, RECORDS[0]]) | jsonl_bytes(RECORDS) | spoilt_bytes([b"1.0 - 2.0 s\nx\n"]),
    CODECS,
)
def test_files_that_are_converted(form: str, content: bytes, codec: tt.Codec) -> None:
    path = scratch_file("records", content)
    converter = Converter(tt.as_codec("seconds"), codec, 100.0, {"a.mp4": 9.0}, False)
    done = value_or_error(
        lambda: convert_file(path, converter, format_name=form), tt.CodecError, path
    )
    if done is not None:
        done[0].encode()


@FUZZED
@given(json_bytes([{"a": 9.5, "b": {"duration": 3}}]))
def test_files_of_durations(content: bytes) -> None:
    path = scratch_file("durations.json", content)
    read = value_or_error(lambda: read_durations(path), tt.CodecError, path)
    assert read is None or all(0 < seconds < math.inf for seconds in read.values())


def test_the_records_are_good_as_they_are() -> None:
    path = scratch_file("records", json.dumps(RECORDS).encode())
    converter = Converter(tt.as_codec("seconds"), tt.as_codec("rpt"), 100.0, {"a.mp4": 9.0}, False)
    _, tally = convert_file(path, converter, format_name="json")
    assert tally.num_positions > 0

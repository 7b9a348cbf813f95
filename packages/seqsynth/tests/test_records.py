import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth import Example, FrameRef, Target, Turn

EXAMPLE = Example(
    id="iig-0",
    task="iig",
    codec="rpt",
    frames=(FrameRef("/media/a/x.png", 0), FrameRef("/elsewhere/y.webp", 7)),
    frame_codes=("<5><0><0><0>", "<9><9><9><9>"),
    turns=(Turn("Which?", "This: “é”"),),
    targets=((Target(0.0, 0.5, "a 😀\ncat"),),),
    duration_seconds=2.0,
)

positions = st.floats(0, 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_line_comes_back_as_the_same_example() -> None:
    line = EXAMPLE.to_json()
    assert "\n" not in line
    assert Example.from_json(line) == EXAMPLE


@given(text=texts, start=positions, end=positions, seconds=st.floats(0.1, 1e6))
def test_any_text_and_number_survives_the_line(
    text: str, start: float, end: float, seconds: float
) -> None:
    example = replace(
        EXAMPLE,
        turns=(Turn(text, text),),
        targets=((Target(start, end, text),),),
        duration_seconds=seconds,
    )
    assert Example.from_json(example.to_json()) == example


def test_paths_below_the_root_are_relative_and_others_are_not() -> None:
    line = EXAMPLE.to_json("/media")
    assert json.loads(line)["frames"] == [["a/x.png", 0], ["/elsewhere/y.webp", 7]]
    assert Example.from_json(line, "/media") == EXAMPLE
    assert Example.from_json(line, "/moved").frames[0].path == "/moved/a/x.png"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not a line of JSON"),
        ("[1]", "expected a JSON object, got list"),
        ('{"id":"x"}', "'x' lacks task, codec, frames"),
    ],
)
def test_a_line_that_is_no_example_says_why(line: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Example.from_json(line)


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("frames", [["a.png"]], "'iig-0' is malformed"),
        ("frames", [["a.png", 0], ["b.webp", 2.7]], "the number of a frame, from 0, got 2.7"),
        ("frames", [["a.png", 0], ["b.webp", -1]], "the number of a frame, from 0, got -1"),
        ("duration_seconds", float("inf"), "'iig-0' is malformed.*a finite number, got inf"),
        ("targets", [[[0.0, float("nan"), "x"]]], "'iig-0' is malformed.*a finite number, got nan"),
        ("turns", [{"prompt": "p"}], "'iig-0' is malformed"),
        ("frame_codes", ["<1>"], "2 frames but 1 frame codes"),
        ("targets", [], "1 turns but targets of 0"),
    ],
)
def test_a_field_of_the_wrong_shape_names_the_example(
    field: str, value: object, reason: str
) -> None:
    record = json.loads(EXAMPLE.to_json())
    record[field] = value
    with pytest.raises(ValueError, match=reason):
        Example.from_json(json.dumps(record))


def test_an_example_that_asks_nothing_is_refused() -> None:
    record = json.loads(EXAMPLE.to_json()) | {"turns": [], "targets": []}
    with pytest.raises(ValueError, match="'iig-0' asks nothing"):
        Example.from_json(json.dumps(record))

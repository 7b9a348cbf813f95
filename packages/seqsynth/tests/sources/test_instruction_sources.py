from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import timetokens as tt
from seqsynth.records import Turn
from seqsynth.sources import Entry, SourceRow

Good = Callable[..., list[SourceRow]]
Faults = Callable[..., dict[str, str]]
Listed = Callable[..., list[Entry]]
WriteJson = Callable[..., Path]

TIMEIT = [
    {
        "video": "Anet/v_abc.mp4",
        "QA": [{"q": "Detect events.", "a": "0.0 - 9.1 seconds, text.  9.1 - 10.8 seconds, more."}],
        "source": "Activitynet_Captions",
    },
    {
        "video": "QuerYD/video-xyz",
        "QA": [
            {"q": "Localize 'a'.", "a": "The given query happens in 12.0 seconds."},
            {"q": "And 'b'?", "a": "The given query happens in 24.3 - 30.4 seconds."},
        ],
        "source": "QuerYD",
    },
]


def test_timeit(tmp_path: Path, good: Good, write_json: WriteJson) -> None:
    write_json(tmp_path / "data/instruct_time-sensitive_104k_asr.json", TIMEIT)
    one, two = good("timeit", tmp_path)
    assert one.paths == ("Anet/v_abc.mp4",)
    assert (one.kind, one.part, one.time_codec) == ("video", "Activitynet_Captions", "seconds")
    assert one.turns == (Turn(TIMEIT[0]["QA"][0]["q"], TIMEIT[0]["QA"][0]["a"]),)  # type: ignore[index]
    assert two.paths == ("QuerYD/video-xyz",)
    assert len(two.turns) == 2
    assert one.id == "instruct_time-sensitive_104k_asr.json[0]"
    assert one.id != two.id
    assert len(tt.parse_events(one.turns[0].answer, "seconds").events) == 2


def test_records_of_questions_that_cannot_be_used(
    tmp_path: Path, listed: Listed, faults: Faults, write_json: WriteJson
) -> None:
    pair = {"q": "a", "a": "b"}
    path = write_json(
        tmp_path / "a.json",
        [
            {"video": "../a.mp4", "QA": [pair]},
            {"video": "a.mp4", "QA": []},
            {"video": "a.mp4", "QA": [{"q": "", "a": "b"}]},
            {"QA": [pair]},
            {"video": "a.mp4"},
            {"video": "a.mp4", "QA": ["a"]},
            "text",
            {"video": "a.mp4", "QA": [pair, {"q": "only"}], "source": None},
        ],
    )
    assert list(faults("timeit", tmp_path, path).values()) == [
        "video leaves the root",
        "no questions and answers",
        "no questions and answers",
        "no video",
        "no QA",
        "not an object",
        "not an object",
    ]
    last = listed("timeit", tmp_path, path)[-1]
    assert isinstance(last, SourceRow)
    assert last.turns == (Turn("a", "b"),)
    assert last.flaws == ("turn left out: empty question or answer",)


def test_vtg_it_writes_times_in_digit_tokens(
    tmp_path: Path, good: Good, write_json: WriteJson
) -> None:
    answer = (
        "<TIME_ZERO><TIME_ZERO><TIME_TWO><TIME_FOUR><TIME_DOT><TIME_THREE> "
        "<TIME_ZERO><TIME_ZERO><TIME_THREE><TIME_ZERO><TIME_DOT><TIME_FOUR> pour"
    )
    record = {"video": "a.mp4", "QA": [{"q": "When?", "a": answer}], "source": "x"}
    (row,) = good("vtg_it", tmp_path, write_json(tmp_path / "vtg_it.jsonl", [record]))
    assert row.time_codec == "absolute_digits"
    assert row.time_codec in tt.CODECS
    events = tt.parse_events(row.turns[0].answer, row.time_codec).events
    assert [(event.start_seconds, event.end_seconds) for event in events] == [(24.3, 30.4)]


def valley(**changes: Any) -> dict[str, Any]:
    record = {
        "v_id": "abcDEF12345_000010_000020",
        "video": "abcDEF12345_000010_000020.mp4",
        "source": "VATEX",
        "conversations": [
            {"from": "human", "value": "<video>\nWhat happens?"},
            {"from": "gpt", "value": "A man waves."},
            {"from": "human", "value": "Where?\n<video>"},
            {"from": "gpt", "value": "In a park."},
        ],
    }
    return {**record, **changes}


def test_valley(tmp_path: Path, good: Good, write_json: WriteJson) -> None:
    converted = {"video": "x.mp4", "QA": [{"q": "a", "a": "b"}], "source": "VATEX"}
    write_json(tmp_path / "valley_instruct.json", [valley(), converted])
    one, two = good("valley", tmp_path)
    assert one.turns == (Turn("What happens?", "A man waves."), Turn("Where?", "In a park."))
    assert one.paths == (
        "abcDEF12345_000010_000020.mp4",
        "VATEX/abcDEF12345_000010_000020.mp4",
        "abcDEF12345_000010_000020",
        "VATEX/abcDEF12345_000010_000020",
    )
    assert (one.time_codec, one.part) == (None, "VATEX")
    assert two.turns == (Turn("a", "b"),)
    assert two.time_codec is None


def test_valley_conversations_that_do_not_alternate(
    tmp_path: Path, listed: Listed, faults: Faults, write_json: WriteJson
) -> None:
    odd = [
        {"from": "system", "value": "be kind"},
        {"from": "gpt", "value": "hello"},
        {"from": "human", "value": "lost"},
        {"from": "human", "value": "a"},
        {"from": "gpt", "value": "b"},
        {"from": "human", "value": "c"},
    ]
    path = write_json(
        tmp_path / "a.json", [valley(conversations=odd), valley(conversations=odd[:2])]
    )
    row = listed("valley", tmp_path, path)[0]
    assert isinstance(row, SourceRow)
    assert row.turns == (Turn("a", "b"),)
    assert row.flaws == (
        "turn left out: neither human nor gpt",
        "turn left out: empty question or answer",
        "turn left out: no answer",
        "turn left out: no answer",
    )
    assert faults("valley", tmp_path, path) == {"a.json[1]": "no questions and answers"}


def test_sharegpt4video(tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson) -> None:
    record = {
        "video_id": "ab12",
        "video_path": "panda/ab12.mp4",
        "captions": [{"idx": "1", "content": "first"}, {"idx": "-1", "content": " whole "}],
        "zip_folder": "panda/panda_videos_1.zip",
        "timestamp": ["00:00", "00:04"],
    }
    path = write_json(tmp_path / "sharegpt4video_40k.jsonl", [record])
    (row,) = good("sharegpt4video", tmp_path)
    assert row.caption == "whole"
    assert row.paths == (
        "panda/ab12.mp4",
        "ab12.mp4",
        "panda/panda_videos_1/ab12.mp4",
        "panda_videos_1/ab12.mp4",
    )
    assert (row.id, row.part, row.turns) == ("ab12", "panda", ())
    write_json(path, [{**record, "video_path": ".hidden/ab12.mp4"}])
    (row,) = good("sharegpt4video", tmp_path)
    assert row.paths[:2] == (".hidden/ab12.mp4", "ab12.mp4")
    number = {**record, "captions": [{"idx": -1, "content": "whole"}], "video_path": "x.mp4"}
    without = {**record, "captions": [{"idx": "1", "content": "first"}]}
    escaping = {**record, "zip_folder": "../../x.zip"}
    write_json(path, [number, without, escaping])
    assert faults("sharegpt4video", tmp_path) == {
        f"{path.name}:2": "no caption of the whole video",
        f"{path.name}:3": "zip_folder leaves the root",
    }


@pytest.mark.parametrize("name", ["timeit", "vtg_it", "valley"])
def test_a_list_that_was_cut_short_is_an_error(
    tmp_path: Path, listed: Listed, write_json: WriteJson, name: str
) -> None:
    path = write_json(tmp_path / "a.json", TIMEIT)
    path.write_text(path.read_text()[:-9])
    with pytest.raises(ValueError, match="cut short"):
        listed(name, tmp_path, path)

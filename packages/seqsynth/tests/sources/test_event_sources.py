from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import timetokens as tt
from seqsynth.sources import Entry, SourceRow

Good = Callable[..., list[SourceRow]]
Faults = Callable[..., dict[str, str]]
Listed = Callable[..., list[Entry]]
WriteJson = Callable[..., Path]


def youcook2(**changes: Any) -> dict[str, Any]:
    video = {
        "duration": 207.0,
        "subset": "training",
        "recipe_type": "113",
        "video_url": "elsewhere",
        "annotations": [
            {"id": 0, "segment": [41, 54], "sentence": "mix flour"},
            {"id": 1, "segment": [60, 71], "sentence": "fry it"},
        ],
    }
    return {**video, **changes}


def test_youcook2(tmp_path: Path, good: Good, write_json: WriteJson) -> None:
    database = {"-YJbxGaTf3s": youcook2(), "x": youcook2(subset="validation", recipe_type=None)}
    write_json(tmp_path / "youcookii_annotations_trainval.json", {"database": database})
    one, two = good("youcook2", tmp_path)
    assert one.events == (tt.Event(41.0, 54.0, "mix flour"), tt.Event(60.0, 71.0, "fry it"))
    assert one.paths == ("-YJbxGaTf3s", "113/-YJbxGaTf3s", "training/113/-YJbxGaTf3s")
    assert (one.id, one.part, one.label) == ("-YJbxGaTf3s", "training", "113")
    assert one.duration_seconds == 207.0
    assert (two.paths, two.part) == (("x",), "validation")


def test_youcook2_as_timechat_has_it(
    tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson
) -> None:
    video = {
        "image_id": "x.mp4",
        "duration": 207.0,
        "segments": [[47, 60], [70, 80]],
        "pure_cap": "mix flour. fry it",
        "caption": "<time_token_1>",
        "id": 0,
    }
    path = write_json(tmp_path / "val.caption_coco_format.json", {"annotations": [video]})
    (row,) = good("youcook2", tmp_path)
    assert row.events == (tt.Event(47.0, 60.0, "mix flour"), tt.Event(70.0, 80.0, "fry it"))
    assert (row.id, row.paths, row.part) == ("x.mp4", ("x.mp4",), "val")
    write_json(path, {"annotations": [{**video, "pure_cap": "one"}, {**video, "segments": 5}]})
    assert list(faults("youcook2", tmp_path).values()) == [
        "captions and spans differ in number",
        "segments is no list",
    ]


def test_youcook2_rows_that_cannot_be_used(
    tmp_path: Path, listed: Listed, faults: Faults, write_json: WriteJson
) -> None:
    reversed_step = {"segment": [9, 3], "sentence": "x"}
    good_step = {"segment": [3, 9], "sentence": "x"}
    database = {
        "a": youcook2(duration=0),
        "b": youcook2(annotations=[reversed_step]),
        "c": youcook2(annotations=[]),
        "../d": youcook2(),
        "e": youcook2(duration=None),
        "f": youcook2(subset="../x"),
        "g": youcook2(annotations=[reversed_step, good_step]),
    }
    path = write_json(tmp_path / "youcookii.json", {"database": database})
    assert faults("youcook2", tmp_path) == {
        "youcookii.json:a": "duration is not positive",
        "youcookii.json:b": "reversed span",
        "youcookii.json:c": "no events",
        "youcookii.json:../d": "id leaves the root",
        "youcookii.json:e": "no duration",
        "youcookii.json:f": "subset leaves the root",
    }
    last = listed("youcook2", tmp_path)[-1]
    assert isinstance(last, SourceRow)
    assert last.flaws == ("event left out: reversed span",)
    write_json(path, {"neither": 1})
    with pytest.raises(ValueError, match="has no list under 'annotations'"):
        listed("youcook2", tmp_path)


def test_charades_sta(tmp_path: Path, good: Good) -> None:
    (tmp_path / "charades_sta_test.txt").write_bytes(
        b"AO8RW 0.0 6.9##a person is putting a book on a shelf.\r\n"
        b"\r\n"
        b"-O8RX 3 5.5##person ## opens a door\r\n"
    )
    one, two = good("charades_sta", tmp_path)
    assert one.events == (tt.Event(0.0, 6.9, "a person is putting a book on a shelf."),)
    assert (one.duration_seconds, one.part) == (None, "test")
    assert one.id == "charades_sta_test.txt:1"
    assert one.paths[0] == "AO8RW"
    assert "Charades_v1_480/AO8RW" in one.paths
    assert two.events[0].caption == "person ## opens a door"
    assert two.id == "charades_sta_test.txt:3"


def test_charades_durations_come_from_its_own_table(
    tmp_path: Path, good: Good, listed: Listed
) -> None:
    (tmp_path / "charades_sta_train.txt").write_text("A 0 6.9##x\nB 0 2##y\n")
    table = tmp_path / "Charades_v1_train.csv"
    table.write_text("id,subject,length\nA,S,30.62\n")
    assert [row.duration_seconds for row in good("charades_sta", tmp_path)] == [30.62, None]
    table.write_text("id,subject,length\nA,S,long\n")
    with pytest.raises(ValueError, match=r"Charades_v1_train\.csv:2: length is no number: 'long'"):
        listed("charades_sta", tmp_path)


def test_charades_lines_that_cannot_be_used(tmp_path: Path, faults: Faults) -> None:
    (tmp_path / "charades_sta_test.txt").write_bytes(
        b"A 0.0##x\nA 6.9 0.0##x\nA 0 nan##x\nA 0 1##\nA 0 1 no mark\n../A 0 1##x\nA 0 1##\xff\n"
    )
    assert list(faults("charades_sta", tmp_path).values()) == [
        "not 'ID START END##TEXT'",
        "reversed span",
        "time is no number",
        "empty caption",
        "not 'ID START END##TEXT'",
        "id leaves the root",
        "not UTF-8",
    ]


def test_activitynet_captions(
    tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson
) -> None:
    video = {"duration": 55.1, "timestamps": [[0.3, 10.2]], "sentences": [" A man runs."]}
    for name in ("val_1", "val_2"):
        write_json(tmp_path / f"{name}.json", {"v_-bc": video})
    one, two = good("activitynet_captions", tmp_path)
    assert (one.id, two.id) == ("val_1/v_-bc", "val_2/v_-bc")
    assert one.events == (tt.Event(0.3, 10.2, "A man runs."),)
    assert "v_-bc" in one.paths
    assert "-bc" in one.paths
    assert "val_1/v_-bc" in one.paths
    path = tmp_path / "train.json"
    path.write_text(
        '{"v_a": {"duration": 5, "timestamps": [[0, 1], [1, 2]], "sentences": ["x"]},'
        ' "v_b": {"duration": 5, "timestamps": [[0, NaN]], "sentences": ["x"]},'
        ' "v_c": {"duration": "5", "timestamps": [[4, 3]], "sentences": ["x"]}}'
    )
    assert faults("activitynet_captions", tmp_path, path) == {
        "train.json:v_a": "captions and spans differ in number",
        "train.json:v_b": "time is no number",
        "train.json:v_c": "reversed span",
    }


def test_qvhighlights(tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson) -> None:
    record = {
        "qid": 7,
        "query": "A dog jumps",
        "duration": 150,
        "vid": "abc_60.0_210.0",
        "relevant_windows": [[26, 40], [50, 52]],
        "relevant_clip_ids": [13, 14],
        "saliency_scores": [[4, 3, 4], [2, 3, 3]],
    }
    path = write_json(tmp_path / "highlight_val_release.jsonl", [record])
    (row,) = good("qvhighlights", tmp_path)
    assert row.events == (
        tt.Event(26.0, 40.0, "A dog jumps"),
        tt.Event(50.0, 52.0, "A dog jumps"),
    )
    assert row.paths == ("abc_60.0_210.0", "videos/abc_60.0_210.0")
    assert (row.id, row.duration_seconds) == ("7", 150.0)
    test = {name: value for name, value in record.items() if name != "relevant_windows"}
    write_json(path, [test, {**record, "relevant_windows": []}, {**record, "query": " "}])
    assert list(faults("qvhighlights", tmp_path).values()) == [
        "no spans",
        "no events",
        "empty query",
    ]


def test_timelens_100k(tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson) -> None:
    record = {
        "source": "didemo",
        "video_path": "didemo/a.mp4",
        "duration": 30.0,
        "events": [
            {"query": "a cat sits", "span": [[1.0, 2.5], [5.0, 6.0]]},
            {"query": "it leaves", "span": [8, 9]},
        ],
    }
    path = write_json(tmp_path / "timelens-100k.jsonl", [record, record])
    one, two = good("timelens_100k", tmp_path)
    assert one.events == (
        tt.Event(1.0, 2.5, "a cat sits"),
        tt.Event(5.0, 6.0, "a cat sits"),
        tt.Event(8.0, 9.0, "it leaves"),
    )
    assert one.paths == ("didemo/a.mp4", "videos/didemo/a.mp4")
    assert (one.part, one.duration_seconds) == ("didemo", 30.0)
    assert one.id != two.id  # a video may come twice
    bad_events = [[{"query": "x", "span": []}], [{"query": "x", "span": [[2, 1]]}], [], ["x"]]
    write_json(path, [{**record, "events": events} for events in bad_events])
    assert list(faults("timelens_100k", tmp_path).values()) == [
        "span is no pair of times",
        "reversed span",
        "no events",
        "not an object",
    ]

from collections.abc import Callable
from pathlib import Path

import pytest

from seqsynth.sources import BadRow, Entry, SourceRow

Good = Callable[..., list[SourceRow]]
Faults = Callable[..., dict[str, str]]
Listed = Callable[..., list[Entry]]


def test_kinetics_lists_every_place_where_a_clip_may_lie(tmp_path: Path, good: Good) -> None:
    (tmp_path / "train.csv").write_bytes(
        b"label,youtube_id,time_start,time_end,split\r\n"
        b"juggling balls,abcDEF12345,12,22,train\r\n"
        b'"petting animal (not cat)",-bcDEF12345,0,10,train\r\n'
    )
    rows = good("kinetics", tmp_path)
    assert rows[0].paths == (
        "juggling balls/abcDEF12345_000012_000022",
        "juggling_balls/abcDEF12345_000012_000022",
        "abcDEF12345_000012_000022",
        "train/juggling balls/abcDEF12345_000012_000022",
        "train/juggling_balls/abcDEF12345_000012_000022",
        "train/abcDEF12345_000012_000022",
    )
    assert [(r.id, r.label, r.duration_seconds, r.kind, r.part, r.caption) for r in rows] == [
        ("abcDEF12345_000012_000022", "juggling balls", 10.0, "clip", "train", ""),
        ("-bcDEF12345_000000_000010", "petting animal (not cat)", 10.0, "clip", "train", ""),
    ]


def test_kinetics_400_has_one_more_column_and_may_lack_the_split(
    tmp_path: Path, good: Good
) -> None:
    path = tmp_path / "k400.csv"
    path.write_text("label,youtube_id,time_start,time_end,is_cc\nabseiling,x,0.0,10.0,0\n")
    (row,) = good("kinetics", tmp_path, path)
    assert (row.id, row.part) == ("x_000000_000010", "")
    assert row.paths == ("abseiling/x_000000_000010", "x_000000_000010")


def test_kinetics_rows_that_cannot_be_used(tmp_path: Path, faults: Faults) -> None:
    (tmp_path / "a.csv").write_text(
        "label,youtube_id,time_start,time_end,split\n"
        ",x,0,10,test\n"
        "a,x,10,10,train\n"
        "a,x,nan,10,train\n"
        "a,,0,10,train\n"
        "../a,x,0,10,train\n"
        "a,../../x,0,10,train\n"
        "a,x,0,10,..\n"
        "a,x,-1,10,train\n"
    )
    assert list(faults("kinetics", tmp_path).values()) == [
        "no label",
        "reversed span",
        "time_start is no number",
        "empty youtube_id",
        "label leaves the root",
        "youtube_id leaves the root",
        "split leaves the root",
        "reversed span",
    ]


def test_kinetics_needs_its_columns(tmp_path: Path, listed: Listed) -> None:
    (tmp_path / "a.csv").write_text("label,id\na,b\n")
    with pytest.raises(ValueError, match="has no column youtube_id, time_start, time_end"):
        listed("kinetics", tmp_path)


def test_clips_in_folders_of_their_labels(tmp_path: Path, good: Good) -> None:
    for name in ("juggling_balls/-a.mp4", "juggling_balls/b.webm", "wave.webp", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "juggling_balls/b.txt").write_text("three red balls\n")
    (tmp_path / "wave.txt").write_text("a hand waves")
    rows = good("clip_folder", tmp_path)
    assert [(row.id, row.label, row.caption) for row in rows] == [
        ("wave.webp", "", "a hand waves"),
        ("juggling_balls/-a.mp4", "juggling balls", ""),
        ("juggling_balls/b.webm", "juggling balls", "three red balls"),
    ]


def test_a_clip_without_label_and_caption_is_none(tmp_path: Path, faults: Faults) -> None:
    (tmp_path / "a.mp4").touch()
    assert faults("clip_folder", tmp_path) == {"a.mp4": "neither label nor caption"}


def test_tables_of_clips_may_know_lengths(tmp_path: Path, good: Good, faults: Faults) -> None:
    (tmp_path / "a.csv").write_text(
        "video,label,caption,duration_seconds,num_frames\na.mp4,wave,,2.5,50\nb.mp4,,hi,,\n"
    )
    rows = good("clip_table", tmp_path)
    assert [(r.kind, r.label, r.caption, r.duration_seconds, r.num_frames) for r in rows] == [
        ("clip", "wave", "", 2.5, 50),
        ("clip", "", "hi", None, None),
    ]
    (tmp_path / "a.csv").write_text(
        "path,label,num_frames\na.mp4,,\na.mp4,x,2.5\na.mp4,x,1e20\na.mp4,x,0\n"
    )
    assert faults("clip_table", tmp_path) == {
        "a.csv:2": "no caption",
        **{f"a.csv:{line}": "num_frames is no number of frames" for line in (3, 4, 5)},
    }


def test_a_table_of_clips_says_which_columns_it_wants(
    tmp_path: Path, good: Good, listed: Listed
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("video,class\na.mp4,juggling\n")
    assert [row.label for row in good("clip_table", tmp_path)] == ["juggling"]
    table.write_text("video,action\na.mp4,juggling\n")
    (bad,) = listed("clip_table", tmp_path)
    assert isinstance(bad, BadRow)
    assert bad.detail == (
        "one of caption, text, label, class is needed, the record has video, action"
    )
    table.write_text("clip,class\na.mp4,juggling\n")
    (bad,) = listed("clip_table", tmp_path)
    assert isinstance(bad, BadRow)
    assert bad.detail.endswith("video is needed, the record has clip, class")

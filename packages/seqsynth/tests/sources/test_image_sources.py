"""Pictures in folders and in tables of captions."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seqsynth import measure_coverage
from seqsynth.sources import BadRow, Entry, SourceRow

Listed = Callable[..., list[Entry]]
Good = Callable[..., list[SourceRow]]
Faults = Callable[..., dict[str, str]]
WritePicture = Callable[..., Path]
WriteJson = Callable[..., Path]


def test_a_folder_of_pictures_with_captions(
    tmp_path: Path, good: Good, write_picture: WritePicture
) -> None:
    write_picture(tmp_path / "birds/heron.jpg")
    (tmp_path / "birds/heron.txt").write_bytes("\ufeffa héron \r\n".encode())
    write_picture(tmp_path / "-kite.png")
    (tmp_path / "-kite.txt").write_text("a kite")
    write_picture(tmp_path / ".hidden.png")
    assert [(row.id, row.caption, row.label) for row in good("image_folder", tmp_path)] == [
        ("-kite.png", "a kite", ""),
        ("birds/heron.jpg", "a héron", "birds"),
    ]


def test_pictures_of_a_folder_that_cannot_be_used(
    tmp_path: Path, faults: Faults, write_picture: WritePicture
) -> None:
    for name in ("alone.png", "empty.png", "latin.png", "folder.png"):
        write_picture(tmp_path / name)
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    strange = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(strange, "wb"):  # noqa: PTH123
        pass
    assert faults("image_folder", tmp_path) == {
        "alone.png": "no caption file",
        "empty.png": "empty caption",
        "latin.png": "caption is not UTF-8",
        "folder.png": "caption cannot be read",
        "folder": "name is not UTF-8",
    }


def test_links_are_followed_and_never_in_circles(
    tmp_path: Path, good: Good, write_picture: WritePicture
) -> None:
    write_picture(tmp_path / "elsewhere/a.png")
    (tmp_path / "elsewhere/a.txt").write_text("x")
    (tmp_path / "elsewhere/up").symlink_to(tmp_path / "root")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/again").symlink_to(tmp_path / "elsewhere")
    assert [row.id for row in good("image_folder", tmp_path / "root")] == [
        "again/a.png",
        "linked/a.png",
    ]


def test_tables_of_pictures(tmp_path: Path, good: Good, write_json: WriteJson) -> None:
    (tmp_path / "metadata.csv").write_bytes(
        b'\xef\xbb\xbffile_name,text,label\r\na/-1.png,"red, a kite",kite\r\n'
    )
    write_json(
        tmp_path / "more.jsonl", [{"id": 7, "image": "b.png", "caption": " x ", "split": "val"}]
    )
    rows = good("image_table", tmp_path)
    assert [(r.id, r.paths, r.caption, r.label, r.part) for r in rows] == [
        ("a/-1.png", ("a/-1.png",), "red, a kite", "kite", ""),
        ("7", ("b.png",), "x", "", "val"),
    ]
    assert [row.origin for row in rows] == ["metadata.csv:2", "more.jsonl:1"]
    # Much that is no table is JSON: where there is another table it is left alone.
    write_json(tmp_path / "instances.json", {"images": [], "annotations": []})
    assert len(good("image_table", tmp_path)) == 2


def test_rows_of_tables_that_cannot_be_used(tmp_path: Path, faults: Faults) -> None:
    path = tmp_path / "a.jsonl"
    records = [
        {"image": "../a.png", "caption": "x"},
        {"image": "a.png", "caption": ""},
        {"image": "a.png"},
        {"caption": "x"},
        {"image": 5, "caption": "x"},
        {"image": "a.png", "caption": ["x"]},
        {"image": "a.png", "caption": "x", "duration_seconds": "nan"},
        {"image": "a.png", "caption": "x", "num_frames": 0},
        {"image": "a.png", "caption": "x", "duration_seconds": -1},
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert list(faults("image_table", tmp_path).values()) == [
        "path leaves the root",
        "empty caption",
        "no caption",
        "no path",
        "image is no text",
        "caption is no text",
        "duration_seconds is no number",
        "num_frames is no number of frames",
        "duration_seconds is not positive",
    ]
    with pytest.raises(ValueError, match=r"must end in \.csv, \.jsonl or \.json"):
        faults("image_table", tmp_path, path.rename(tmp_path / "a.yaml"))


def test_json_tables_of_pictures(
    tmp_path: Path, good: Good, faults: Faults, write_json: WriteJson
) -> None:
    write_json(tmp_path / "a_map.json", {"a.png": "a kite", "b.png": {"text": " x ", "label": "y"}})
    write_json(tmp_path / "b_list.json", [{"file_name": "c.png", "caption": "a boat"}])
    rows = good("image_table", tmp_path)
    assert [(row.origin, row.paths, row.caption, row.label) for row in rows] == [
        ("a_map.json:a.png", ("a.png",), "a kite", ""),
        ("a_map.json:b.png", ("b.png",), "x", "y"),
        ("b_list.json[0]", ("c.png",), "a boat", ""),
    ]
    write_json(tmp_path / "a_map.json", {"../a.png": "a kite", "b.png": 5, "c.png": ""})
    assert list(faults("image_table", tmp_path).values()) == [
        "path leaves the root",
        "not an object",
        "empty caption",
    ]


def test_captions_in_the_form_of_coco(
    tmp_path: Path, listed: Listed, write_json: WriteJson, write_picture: WritePicture
) -> None:
    path = write_json(
        tmp_path / "annotations/captions_train2017.json",
        {
            "images": [
                {"id": 7, "file_name": "a.png"},
                {"id": "x", "file_name": "b.png"},
                {"id": 8, "file_name": "c.png"},
                {"id": 9, "file_name": "../d.png"},
            ],
            "annotations": [
                {"image_id": "x", "caption": "a boat"},
                {"image_id": 7, "caption": " "},
                {"image_id": 7, "caption": " a kite "},
                {"image_id": 7, "caption": "the kite again"},
                {"image_id": 7, "caption": "and again"},
                {"image_id": None, "caption": "of nothing"},
                {"image_id": 99, "caption": "of a picture that is not listed"},
                "no annotation",
            ],
        },
    )
    kite, boat, bare, outside = listed("coco_captions", tmp_path)
    assert isinstance(kite, SourceRow)
    assert isinstance(boat, SourceRow)
    assert (kite.id, kite.caption, kite.part) == ("7", "a kite", "train2017")
    assert (boat.caption, boat.flaws) == ("a boat", ())
    left_out = "caption left out: one a picture is taken"
    assert kite.flaws == (left_out, left_out)
    assert {"a.png", "images/a.png", "train2017/a.png"} <= set(kite.paths)
    assert isinstance(bare, BadRow)
    assert (bare.reason, bare.part) == ("no caption", "train2017")
    assert isinstance(outside, BadRow)
    assert outside.reason == "file_name leaves the root"
    write_picture(tmp_path / "train2017/a.png")
    coverage = measure_coverage("coco_captions", tmp_path)
    assert coverage.totals.present == 1
    assert coverage.flaws == {left_out: 2}
    with pytest.raises(ValueError, match="the source coco_captions reads it"):
        listed("image_table", tmp_path, path)

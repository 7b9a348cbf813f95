"""Pictures that lie in shards: rows of parquet files, members of tars."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from seqsynth import measure_coverage
from seqsynth.shard_paths import open_media, shard_path
from seqsynth.sources import BadRow, Entry, SourceRow

Listed = Callable[..., list[Entry]]
Good = Callable[..., list[SourceRow]]
Faults = Callable[..., dict[str, str]]


def png(colour: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 6), colour).save(content, "PNG")
    return content.getvalue()


def recap_row(number: int, colour: str, caption: str | None) -> dict[str, Any]:
    return {
        "id": f"{number:04d}",
        "image": {"bytes": png(colour), "path": f"{number:04d}.png"},
        "conversations": [
            {"from": "human", "value": "<image>\nDescribe."},
            {"from": "gpt", "value": caption},
        ],
        "data_source": "coco",
    }


def write_recap(path: Path, rows: list[dict[str, Any]], row_group_size: int = 2) -> Path:
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            (
                "conversations",
                pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
            ),
            ("data_source", pa.string()),
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=row_group_size)
    return path


def colour_of(path: str) -> tuple[int, ...]:
    with open_media(path) as handle, Image.open(handle) as picture:
        pixel = picture.convert("RGB").getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def test_recap_pictures_are_found_by_their_row(tmp_path: Path, good: Good) -> None:
    colours = ["red", "lime", "blue", "white", "black"]
    rows = [recap_row(k, colour, f" A {colour} kite. ") for k, colour in enumerate(colours)]
    write_recap(tmp_path / "data/train-0.parquet", rows[:3])
    write_recap(tmp_path / "data/train-1.parquet", rows[3:])
    found = good("llava_recap", tmp_path)
    assert [row.caption for row in found] == [f"A {colour} kite." for colour in colours]
    assert [row.id for row in found] == ["0000", "0001", "0002", "0003", "0004"]
    assert [row.origin for row in found[2:4]] == [
        "data/train-0.parquet[2]",
        "data/train-1.parquet[0]",
    ]
    assert {(row.kind, row.part) for row in found} == {("image", "coco")}
    for row, colour in zip(found, colours, strict=True):
        assert row.shard_offset is not None
        path = shard_path(str(tmp_path / row.paths[0]), row.shard_offset)
        assert colour_of(path) == colour_of_name(colour)


def colour_of_name(name: str) -> tuple[int, ...]:
    pixel = Image.new("RGB", (1, 1), name).getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def test_recap_rows_that_cannot_be_used(tmp_path: Path, faults: Faults) -> None:
    no_answer = recap_row(1, "red", "x")
    no_answer["conversations"] = no_answer["conversations"][:1]
    rows = [recap_row(0, "red", "  "), no_answer, dict(recap_row(2, "red", "x"), id=None)]
    rows += [recap_row(3, "red", None), dict(recap_row(4, "red", "x"), conversations=None)]
    write_recap(tmp_path / "a.parquet", rows)
    assert faults("llava_recap", tmp_path) == {
        "a.parquet[0]": "empty caption",
        "a.parquet[1]": "no turn of gpt",
        "a.parquet[2]": "no id",
        "a.parquet[3]": "no caption",
        "a.parquet[4]": "no conversations",
    }
    assert set(measure_coverage("llava_recap", tmp_path).parts) == {"coco"}


def test_recap_rows_with_unusual_values(tmp_path: Path, good: Good) -> None:
    more = recap_row(0, "red", "first")
    more["conversations"] += [{"from": "gpt", "value": "second"}]
    no_source = dict(recap_row(1, "red", " x "), data_source=None)
    write_recap(tmp_path / "a.parquet", [more, no_source])
    rows = [recap_row(number, "red", "y") for number in (7, 8)]
    table = pa.table(
        {
            "id": [7, 8],  # numbers
            "image": [row["image"] for row in rows],
            "conversations": [row["conversations"] for row in rows],
        }
    )
    pq.write_table(table, tmp_path / "b.parquet")
    found = good("llava_recap", tmp_path)
    assert [(row.id, row.caption, row.part) for row in found] == [
        ("0000", "first", "coco"),
        ("0001", "x", ""),
        ("7", "y", ""),
        ("8", "y", ""),
    ]


def test_recap_text_that_is_no_unicode_costs_its_own_row(tmp_path: Path, listed: Listed) -> None:
    path = write_recap(
        tmp_path / "a.parquet", [recap_row(k, "red", f"caption {k}") for k in range(3)]
    )
    content = path.read_bytes()
    assert content.count(b"caption 1") >= 1
    path.write_bytes(content.replace(b"caption 1", b"c\xffption 1"))
    one, two, three = listed("llava_recap", tmp_path)
    assert isinstance(one, SourceRow)
    assert isinstance(two, BadRow)
    assert (two.origin, two.reason) == ("a.parquet[1]", "not UTF-8")
    assert isinstance(three, SourceRow)


def test_a_damaged_parquet_file_does_not_stop_the_others(tmp_path: Path, listed: Listed) -> None:
    write_recap(tmp_path / "b.parquet", [recap_row(0, "red", "x")])
    (tmp_path / "a.parquet").write_bytes((tmp_path / "b.parquet").read_bytes()[:-30])
    damaged, whole = listed("llava_recap", tmp_path)
    assert (damaged.origin, getattr(damaged, "reason", "")) == (
        "a.parquet",
        "damaged parquet file",
    )
    assert isinstance(whole, SourceRow)


def test_another_parquet_file_is_refused_by_its_columns(tmp_path: Path, listed: Listed) -> None:
    pq.write_table(pa.table({"id": ["a"], "text": ["b"]}), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet has no column conversations, image"):
        listed("llava_recap", tmp_path)


def test_shards_say_when_something_is_not_in_them(tmp_path: Path) -> None:
    row = recap_row(0, "red", "x")
    path = str(write_recap(tmp_path / "a.parquet", [row, dict(row, image=None)]))
    with pytest.raises(ValueError, match="has 2 rows, no row 2"):
        open_media(f"{path}::2")
    with pytest.raises(ValueError, match="has no picture in row 1"):
        open_media(f"{path}::1")
    (tmp_path / "a.tar").write_bytes(b"12345")
    with pytest.raises(ValueError, match="ends 2 bytes before the end"):
        open_media(f"{tmp_path / 'a.tar'}::3:4")
    with open_media(f"{tmp_path / 'a.tar'}::1:3") as handle:
        assert handle.read() == b"234"


def test_a_file_whose_name_looks_like_a_shard_path_is_that_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tar::1:3"
    path.write_bytes(b"itself")
    with open_media(str(path)) as handle:
        assert handle.read() == b"itself"


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def test_pictures_in_tars_are_found_by_their_bytes(tmp_path: Path, good: Good) -> None:
    long_name = "d" * 150
    write_tar(
        tmp_path / "00.tar",
        [
            ("a/0001.png", png("red")),
            ("a/0001.txt", "\ufeffred \n".encode()),
            ("a/0002.json", b'{"caption": "lime", "url": "x"}'),
            ("a/0002.png", png("lime")),
            (f"{long_name}.png", png("blue")),
            (f"{long_name}.json", b'{"text": "blue"}'),
        ],
    )
    rows = good("image_tar", tmp_path)
    assert [row.caption for row in rows] == ["red", "lime", "blue"]
    assert [row.id for row in rows[:2]] == ["00.tar:a/0001", "00.tar:a/0002"]
    for row in rows:
        assert row.shard_offset is not None
        path = shard_path(str(tmp_path / row.paths[0]), row.shard_offset, row.num_bytes)
        assert colour_of(path) == colour_of_name(row.caption)


def test_what_is_wrong_in_tars(tmp_path: Path, faults: Faults) -> None:
    whole = write_tar(
        tmp_path / "a.tar",
        [
            ("1.png", png("red")),
            ("2.txt", b"text alone"),
            ("3.png", png("red")),
            ("3.jpg", png("red")),
            ("3.txt", b"x"),
            ("4.png", png("red")),
            ("4.json", b"{"),
            ("5.png", png("red")),
            ("5.txt", b""),
            ("6.png", png("red")),
            ("6.txt", b"\xff"),
        ],
    )
    (tmp_path / "b.tar").write_bytes(whole.read_bytes()[:1024])  # between two members
    (tmp_path / "c.tar").write_bytes(b"no tar" * 200)
    big = write_tar(tmp_path / "d.tar", [("1.png", b"x" * 3000)])
    big.write_bytes(big.read_bytes()[:2000])
    garbled = bytearray(whole.read_bytes())
    garbled[1024:1536] = b"?" * 512  # the header of 2.txt
    (tmp_path / "e.tar").write_bytes(garbled)
    assert faults("image_tar", tmp_path) == {
        "a.tar:1": "no caption",
        "a.tar:2": "not one picture",
        "a.tar:3": "not one picture",
        "a.tar:4": "not JSON",
        "a.tar:5": "empty caption",
        "a.tar:6": "caption is not UTF-8",
        "b.tar:1": "no caption",
        "b.tar": "damaged tar file",
        "c.tar": "damaged tar file",
        "d.tar": "damaged tar file",
        "e.tar:1": "no caption",
        "e.tar": "damaged tar file",
    }

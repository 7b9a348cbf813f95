"""Pictures of a build in tar and in parquet files, read as strangers would read them."""

import io
import json
import struct
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from seqsynth import SequenceDataset, load_frames
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, PictureFormat
from seqsynth.frame_parquet import SCHEMA, read_frame_parquet
from seqsynth.frame_tar import FrameTarWriter, read_frame_tar

PLAN = BuildPlan(count=50, shard_size=8)

MakeStream = Callable[..., SequenceDataset]


def test_pictures_are_those_of_the_frames(tmp_path: Path, make_stream: MakeStream) -> None:
    stream = make_stream()
    build_examples(stream, tmp_path, replace(PLAN, count=20, pictures=PictureFormat(size=16)))
    read = []
    for path in sorted(tmp_path.glob("frames-*-of-00003.tar")):
        for example, frames in read_frame_tar(path, media_root=stream.corpus.root):
            expected = load_frames(example.frames, 16)
            assert frames.shape == expected.shape
            assert np.abs(frames.astype(int) - expected).max() <= 3  # JPEG of one colour
            read.append(example)
    assert read == [stream[index] for index in range(20)]


def test_parquet_files_hold_the_same_examples_and_pictures_as_tars(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    stream = make_stream()
    read = {}
    for container, reader in (("tar", read_frame_tar), ("parquet", read_frame_parquet)):
        pictures = PictureFormat(size=16, container=container)  # type: ignore[arg-type]
        build_examples(stream, tmp_path / container, replace(PLAN, count=20, pictures=pictures))
        read[container] = [
            pair
            for path in sorted((tmp_path / container).glob(f"frames-*-of-00003.{container}"))
            for pair in reader(path, media_root=stream.corpus.root)
        ]
    assert len(read["tar"]) == 20
    for (one, one_frames), (two, two_frames) in zip(read["tar"], read["parquet"], strict=True):
        assert one == two
        assert np.array_equal(one_frames, two_frames)


def test_parquet_files_can_be_read_without_us(tmp_path: Path, make_stream: MakeStream) -> None:
    stream = make_stream()
    pictures = PictureFormat(size=16, container="parquet")
    build_examples(stream, tmp_path, replace(PLAN, count=8, pictures=pictures))
    table = pq.read_table(tmp_path / "frames-00000-of-00001.parquet")
    assert table.schema == SCHEMA
    for index, row in enumerate(table.to_pylist()):
        example = stream[index]
        assert row["key"] == f"{index:09d}-{example.id}"
        assert [turn["answer"] for turn in row["turns"]] == [t.answer for t in example.turns]
        assert row["frame_paths"] == [f"{Path(ref.path).name}" for ref in example.frames]
        assert row["frame_codes"] == list(example.frame_codes)
        assert [[list(t.values()) for t in turn] for turn in row["targets"]] == [
            [[t.start, t.end, t.caption] for t in turn] for turn in example.targets
        ]
        with Image.open(io.BytesIO(row["images"][0]["bytes"])) as image:
            assert (image.format, image.size) == ("JPEG", (16, 16))


def test_what_is_no_parquet_file_of_examples_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match=r"x\.parquet is no parquet file of examples"):
        next(read_frame_parquet(tmp_path / "x.parquet"))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "y.parquet")
    with pytest.raises(ValueError, match=r"y\.parquet is no .*: its columns are a"):
        next(read_frame_parquet(tmp_path / "y.parquet"))


def test_the_index_of_a_tar_leads_to_its_examples(tmp_path: Path, make_stream: MakeStream) -> None:
    plan = replace(PLAN, count=20, pictures=PictureFormat(size=8))
    build_examples(make_stream(), tmp_path, plan)
    counts = json.loads((tmp_path / ".nv-meta/.info.json").read_text())["shard_counts"]
    assert list(counts.values()) == [8, 8, 4]
    splits = json.loads((tmp_path / ".nv-meta/split.yaml").read_text())["split_parts"]
    assert splits == {"train": list(counts), "val": [], "test": []}
    for name, count in counts.items():
        content = (tmp_path / f"{name}.idx").read_bytes()
        offsets = struct.unpack(f"<{len(content) // 8}Q", content)
        assert len(offsets) == count + 1
        with tarfile.open(tmp_path / name) as tar:
            members = tar.getmembers()
        first = [member.offset for member in members if member.name.endswith(".json")]
        assert list(offsets[:-1]) == first
        assert offsets[-1] == members[-1].offset_data + -(-members[-1].size // 512) * 512


def test_tars_have_the_layout_of_webdataset(tmp_path: Path, make_stream: MakeStream) -> None:
    """Its readers take everything before the first dot as the key and join equal neighbours."""
    build_examples(make_stream(), tmp_path, replace(PLAN, count=8, pictures=PictureFormat(size=8)))
    with tarfile.open(tmp_path / "frames-00000-of-00001.tar") as tar:
        names = tar.getnames()
        assert {member.mtime for member in tar} == {0}
    keys = [name.partition(".")[0] for name in names]
    samples: dict[str, list[str]] = {}
    for key, name in zip(keys, names, strict=True):
        samples.setdefault(key, []).append(name.partition(".")[2])
    assert list(samples) == sorted(samples)
    assert len(samples) == 8
    for key, endings in samples.items():
        assert "/" not in key
        assert endings == ["json", *(f"{k:03d}.jpg" for k in range(len(endings) - 1))]


def names_in(folder: Path) -> set[str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in paths}


def test_a_smaller_build_leaves_no_tar_of_the_larger_one(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    plan = replace(PLAN, count=20, pictures=PictureFormat(size=8))
    out = tmp_path / "out"
    build_examples(make_stream(), out, plan)
    build_examples(make_stream(), out, replace(plan, count=8))
    assert names_in(out) == {
        "examples.jsonl", "manifest.json", "frames-00000-of-00001.tar",
        "frames-00000-of-00001.tar.idx", ".nv-meta/.info.json", ".nv-meta/dataset.yaml",
        ".nv-meta/split.yaml",
    }  # fmt: skip
    in_parquet = PictureFormat(size=8, container="parquet")
    build_examples(make_stream(), out, replace(plan, count=8, pictures=in_parquet))
    assert names_in(out) == {
        "examples.jsonl", "manifest.json", "frames-00000-of-00001.parquet"
    }  # fmt: skip
    build_examples(make_stream(), out, replace(plan, pictures=None))
    assert names_in(out) == {"examples.jsonl", "manifest.json"}


def test_a_damaged_tar_is_named(tmp_path: Path, make_stream: MakeStream) -> None:
    example = make_stream()[0]
    pictures = np.zeros((len(example.frames), 4, 4, 3), dtype=np.uint8)
    path = tmp_path / "x.tar"
    with FrameTarWriter(path) as writer:
        with pytest.raises(ValueError, match=r"plans \d frames, got 1 pictures"):
            writer.add("key", example, pictures[:1])
        writer.add("a.key/1", example, pictures)
    assert [e for e, _ in read_frame_tar(path)] == [example]
    cut = tmp_path / "cut.tar"
    with tarfile.open(path) as source, tarfile.open(cut, "w") as target:
        for member in list(source)[:-1]:
            target.addfile(member, source.extractfile(member))
    with pytest.raises(ValueError, match=r"cut\.tar is .* has \d pictures of \d frames"):
        list(read_frame_tar(cut))

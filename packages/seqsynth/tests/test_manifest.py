import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import manifest_writer
from seqsynth.manifest import Manifest
from seqsynth.manifest_hash import ContentHash
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from seqsynth.records import AnnotatedVideo, ClipItem, ImageItem, Turn

IMAGE = ManifestRow(id="i", kind="image", path="a/i.png", caption="a kite", source="folder")
IN_TAR = ManifestRow(
    id="t", kind="image", path="0.tar", shard_offset=512, num_bytes=7, caption="x", source="tar"
)
CLIP = ManifestRow(
    id="c",
    kind="clip",
    path="c.mp4",
    label="juggling",
    num_frames=3,
    duration_seconds=1.5,
    codec="h264",
    pts_index=[0, 5, 9],
    pts_end=12,
    source="kinetics",
    part="train",
)
VIDEO = ManifestRow(
    id="v",
    kind="video",
    path="v.mp4",
    duration_seconds=9.0,
    num_frames=90,
    events=(tt.Event(1.0, 2.5, "pour"), tt.Event(2.5, 4.0, "stir")),
    turns=(Turn("when?", "1.0 - 2.5 seconds"),),
    time_codec="seconds",
    caption="cooking",
    source="timeit",
)
ROWS = (IMAGE, CLIP, VIDEO, IN_TAR)


def write(path: Path, rows: Sequence[ManifestRow] = ROWS, root: str = "/media") -> Path:
    assert write_manifest(rows, path, root=root, command="a test") == len(rows)
    return path


def test_rows_come_back_as_items_of_their_kind(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.arrow"))
    assert list(manifest) == [
        ImageItem(id="i", caption="a kite", path="/media/a/i.png", label="a kite"),
        ClipItem(
            id="c",
            label="juggling",
            caption="juggling",
            path="/media/c.mp4",
            num_frames=3,
            duration_seconds=1.5,
        ),
        AnnotatedVideo(
            id="v",
            path="/media/v.mp4",
            duration_seconds=9.0,
            num_frames=90,
            events=VIDEO.events,
            turns=VIDEO.turns,
            time_codec="seconds",
            caption="cooking",
        ),
        ImageItem(id="t", caption="x", path="/media/0.tar::512:7", label="x"),
    ]
    assert manifest[-1] == manifest[3]
    assert manifest.command == "a test"
    with pytest.raises(IndexError):
        manifest[4]


def test_views_select_a_kind_and_keep_the_order(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.arrow"))
    images = manifest.select(kind="image")
    assert [image.id for image in images] == ["i", "t"]
    assert [image.id for image in images[1:]] == ["t"]
    assert images.column("id").to_pylist() == ["i", "t"]
    assert manifest.column("id").to_pylist() == ["i", "c", "v", "t"]
    assert manifest[1:3].column("id").to_pylist() == ["c", "v"]
    assert images.rows.tolist() == [0, 3]
    with pytest.raises(ValueError, match="unknown kind 'sound'; one of: image, clip, video"):
        manifest.select(kind="sound")  # type: ignore[call-overload]


def test_frame_times_are_there_where_they_were_read(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.arrow"))
    times = manifest.select(kind="clip").pts(0)
    assert times is not None
    assert times[0].tolist() == [0, 5, 9]
    assert times[0].dtype == np.int64
    assert times[1] == 12
    assert manifest.pts(2) is None


def test_the_root_can_be_elsewhere_and_the_hash_stays(tmp_path: Path) -> None:
    here = Manifest.open(write(tmp_path / "here.arrow", root="/media"))
    there = Manifest.open(write(tmp_path / "there.arrow", root="/elsewhere"))
    assert here.content_sha256 == there.content_sha256
    moved = Manifest.open(here.path, root=tmp_path)
    assert moved[0].path == str(tmp_path / "a/i.png")


@pytest.mark.parametrize(
    ("row", "changed"),
    [
        (IMAGE, replace(IMAGE, caption="a kit")),
        (IMAGE, replace(IMAGE, id="ia", path="/i.png")),
        (CLIP, replace(CLIP, kind="video")),
        (IMAGE, replace(IMAGE, num_bytes=0)),
    ],
)
def test_the_hash_depends_on_every_field(
    tmp_path: Path, row: ManifestRow, changed: ManifestRow
) -> None:
    before = Manifest.open(write(tmp_path / "a.arrow", [row])).content_sha256
    assert before != Manifest.open(write(tmp_path / "b.arrow", [changed])).content_sha256


def test_the_hash_depends_on_the_order_of_rows(tmp_path: Path) -> None:
    one = Manifest.open(write(tmp_path / "a.arrow", [IMAGE, CLIP]))
    two = Manifest.open(write(tmp_path / "b.arrow", [CLIP, IMAGE]))
    assert one.content_sha256 != two.content_sha256


@given(
    sizes=st.lists(st.integers(1, 3), max_size=6),
    numbers=st.lists(st.integers(0, 3), min_size=1, max_size=12),
)
def test_the_hash_does_not_depend_on_the_batches(sizes: list[int], numbers: list[int]) -> None:
    rows = [ROWS[number] for number in numbers]
    whole = manifest_writer._batch(rows)
    expected = ContentHash()
    expected.update(whole)
    divided, place = ContentHash(), 0
    for size in sizes:
        divided.update(whole.slice(place, size))  # slices start inside of buffers
        place += min(size, len(rows) - place)
    divided.update(whole.slice(place))
    assert divided.hexdigest() == expected.hexdigest()


def test_many_batches_are_one_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        ManifestRow(id=f"{k}", kind="image", path=f"{k}.png", caption=f"c{k}", source="s")
        for k in range(25)
    ]
    whole = Manifest.open(write(tmp_path / "whole.arrow", rows))
    monkeypatch.setattr(manifest_writer, "_ROWS_PER_BATCH", 4)
    divided = Manifest.open(write(tmp_path / "divided.arrow", rows))
    assert divided.table.column("id").num_chunks == 7
    assert list(divided) == list(whole)
    assert divided.content_sha256 == whole.content_sha256
    divided.verify()


def test_long_lists_of_frame_times_end_a_batch_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_writer, "_TIMES_PER_BATCH", 5)
    divided = Manifest.open(write(tmp_path / "divided.arrow", [CLIP, CLIP, IMAGE, CLIP, CLIP]))
    assert [len(batch) for batch in divided.table.to_batches()] == [2, 3]
    assert [item.id for item in divided] == ["c", "c", "i", "c", "c"]
    monkeypatch.undo()
    whole = Manifest.open(write(tmp_path / "whole.arrow", [CLIP, CLIP, IMAGE, CLIP, CLIP]))
    assert divided.content_sha256 == whole.content_sha256


def test_a_pickled_manifest_is_its_path(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.arrow"), root="/other")
    text = pickle.dumps(manifest.select(kind="clip"))
    assert len(text) < 1000
    assert pickle.loads(text)[0].path == "/other/c.mp4"


def test_an_empty_manifest_opens(tmp_path: Path) -> None:
    manifest = Manifest.open(write(tmp_path / "m.arrow", []))
    assert len(manifest) == 0
    assert list(manifest.select(kind="image")) == []
    manifest.verify()


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd", "a/../../b.png"])
def test_paths_never_leave_the_root(tmp_path: Path, path: str) -> None:
    row = ManifestRow(id="i", kind="image", path=path, caption="x", source="s")
    manifest = Manifest.open(write(tmp_path / "m.arrow", [row]))
    with pytest.raises(ValueError, match="'i' leaves the root"):
        manifest[0]


def test_a_changed_file_is_noticed_by_verify(tmp_path: Path) -> None:
    path = write(tmp_path / "m.arrow")
    path.write_bytes(path.read_bytes().replace(b"juggling", b"jumbling"))
    with pytest.raises(ValueError, match="damaged: its rows do not have the hash"):
        Manifest.open(path).verify()


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"seqsynth index SOURCE ROOT --out FILE\.arrow writes manifests"
    ):
        Manifest.open(tmp_path / "absent.arrow")
    text = tmp_path / "text.arrow"
    text.write_text("no arrow")
    with pytest.raises(ValueError, match=r"text\.arrow is no Arrow file"):
        Manifest.open(text)
    short = write(tmp_path / "short.arrow")
    short.write_bytes(short.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"short\.arrow is no Arrow file, or a damaged one"):
        Manifest.open(short)
    other = tmp_path / "other.arrow"
    with pa.ipc.new_file(str(other), pa.schema([("a", pa.int64())])):
        pass
    with pytest.raises(ValueError, match="no manifest of seqsynth"):
        Manifest.open(other)


def test_another_format_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest_writer, "FORMAT_VERSION", 9)
    path = write(tmp_path / "m.arrow")
    monkeypatch.undo()
    with pytest.raises(ValueError, match="manifest format 9, this version reads 1"):
        Manifest.open(path)


def test_a_file_whose_header_is_damaged_is_named(tmp_path: Path) -> None:
    """A key or a column by another name: what a flipped byte can make of them."""
    whole = write(tmp_path / "m.arrow").read_bytes()
    damaged = tmp_path / "damaged.arrow"
    for name in (b"seqsynth.manifest.root", b"content_sha256", b"num_frames"):
        assert name in whole
        damaged.write_bytes(whole.replace(name, name[:-1] + b"x"))
        with pytest.raises(ValueError, match=r"damaged\.arrow is damaged: index the corpus again"):
            Manifest.open(damaged)


@pytest.mark.parametrize(
    ("row", "change", "fault"),
    [
        (IMAGE, {"kind": "picture"}, "'i': kind 'picture' is none of image, clip, video"),
        (CLIP, {"num_frames": None}, "'c': a clip needs num_frames"),
        (CLIP, {"duration_seconds": None}, "'c': a clip needs duration_seconds"),
        (VIDEO, {"duration_seconds": None}, "'v': a video needs duration_seconds"),
    ],
)
def test_a_row_that_no_example_could_be_drawn_from_is_refused(
    row: ManifestRow, change: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        replace(row, **change)


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = write(tmp_path / "m.arrow")
    before = path.read_bytes()
    bad = ManifestRow(id="x", kind="image", path="x", caption=5, source="s")  # type: ignore[arg-type]
    with pytest.raises(pa.ArrowTypeError):
        write_manifest([IMAGE, bad], path, root="/", command="")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.arrow"]


READ_DAMAGED = """
import sys
from pathlib import Path
from seqsynth import Manifest

path, whole, num_refused = Path(sys.argv[1]), Path(sys.argv[1]).read_bytes(), 0
for start in range(0, len(whole) - 4, 4):
    path.write_bytes(whole[:start] + b"\\x7f" * 4 + whole[start + 4 :])
    try:
        Manifest.open(path).verify()
    except ValueError:
        num_refused += 1
print(num_refused)
"""


def test_damage_anywhere_is_refused_and_never_leads_out_of_memory(tmp_path: Path) -> None:
    """In a process of its own: what this looks for would end ours without a word."""
    path = write(tmp_path / "m.arrow")
    found = subprocess.run(
        [sys.executable, "-c", READ_DAMAGED, str(path)], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert int(found.stdout) > 100

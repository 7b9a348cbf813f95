"""The frame cache: the frames it says, about the size it says, and nothing done twice."""

import io
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seqsynth import FrameRef, Manifest, frame_cache, load_frames
from seqsynth.cli import main
from seqsynth.frame_cache import CacheSettings, estimate_cache
from seqsynth.frames import frame_times
from seqsynth.frames.video_index import index_video
from seqsynth.manifest_rows import rows_of
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from seqsynth.testing import NUM_FRAMES, read_number, write_zoo

FPS = 5.0


def jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (16, 16)).save(content, "JPEG")
    return content.getvalue()


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two clips of four seconds at 25 frames a second, one that is damaged, and a picture."""
    root = tmp_path / "media"
    (root / "clips").mkdir(parents=True)
    videos = write_zoo(root / "clips", ["cfr.mp4", "turned_90.mp4"])
    (root / "clips" / "bad.mp4").write_bytes(b"no video")
    rows = [
        ManifestRow(
            id=path.stem, kind="clip", path=f"clips/{path.name}", caption="x", label=path.stem,
            duration_seconds=4.0, num_frames=NUM_FRAMES, source="test",
        )
        for path in (*videos.values(), root / "clips" / "bad.mp4")
    ]  # fmt: skip
    rows.append(ManifestRow(id="still", kind="image", path="still.png", caption="y", source="test"))
    write_manifest(rows, tmp_path / "clips.arrow", root=root, command="test")
    return tmp_path / "clips.arrow"


def test_a_cache_shows_the_frames_that_it_kept(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cache"
    command = ["cache", str(manifest), "--out", str(out), "--fps", "5", "--short-edge", "48"]
    assert main([*command, "--workers", "2"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out / 'cache.arrow'}\n"
    assert "60 frames of 3 videos, about 0.000 GiB" in printed.err
    assert "left out:" in printed.err
    assert "bad.mp4" in printed.err

    cached = Manifest.open(out / "cache.arrow")
    assert [item.id for item in cached] == ["cfr", "turned_90"]
    for row in range(2):
        clip, pts = cached.select(kind="clip")[row], cached.pts(row)
        assert clip.num_frames == 20
        refs = [FrameRef(clip.path, number) for number in range(20)]
        shown = load_frames(refs, 48)
        assert [read_number(frame) for frame in shown] == list(range(0, 100, 5))
        assert frame_times(clip.path) == pytest.approx(np.arange(20) / FPS)
        assert pts is not None
        assert (pts[0] == 90_000 // 5 * np.arange(20)).all()
        assert pts[1] == 4 * 90_000
        index = index_video(clip.path)
        assert (index.codec, index.width, index.height) == ("mjpeg", 64, 48)

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.mov")}
    assert main(command) == 0  # one worker makes the same manifest and writes no video again
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.mov")} == before
    assert Manifest.open(out / "cache.arrow").content_sha256 == cached.content_sha256
    assert main([*command[:-1], "96"]) == 2
    assert "holds a cache of 5 frames/s, 48 px, quality 90" in capsys.readouterr().err


def test_a_video_that_has_been_replaced_or_damaged_is_written_anew(
    manifest: Path, tmp_path: Path
) -> None:
    out, clips = tmp_path / "cache", tmp_path / "media" / "clips"
    command = ["cache", str(manifest), "--out", str(out), "--fps", "5"]
    assert main(command) == 0
    cached = {name: out / "clips" / f"{name}.mp4.mov" for name in ("cfr", "turned_90")}
    turned = cached["turned_90"].read_bytes()

    write_zoo(tmp_path, ["vfr.mp4"])["vfr.mp4"].replace(clips / "cfr.mp4")
    os.utime(clips / "cfr.mp4", (0, 0))  # by a clock that has gone back
    before = cached["turned_90"].stat().st_mtime_ns
    assert main(command) == 0
    times = frame_times(str(clips / "cfr.mp4"))
    kept = np.unique(np.searchsorted(times, np.arange(int(times[-1] * 5) + 1) / 5 + 1e-6) - 1)
    assert frame_times(str(cached["cfr"])) == pytest.approx(times[kept], abs=1e-4)
    shown = load_frames([FrameRef(str(cached["cfr"]), k) for k in range(len(kept))], 64)
    assert [read_number(frame) for frame in shown] == kept.tolist()
    assert cached["turned_90"].stat().st_mtime_ns == before, "its source is the same"

    cached["turned_90"].write_bytes(b"cut off")
    assert main(command) == 0
    assert cached["turned_90"].read_bytes() == turned


def test_a_video_of_several_rows_is_written_once(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = next(rows_of(Manifest.open(manifest)))
    rows = [replace(clip, id=f"{clip.id}-{number}") for number in range(3)]
    write_manifest(rows, manifest, root=tmp_path / "media", command="test")
    written: list[Path] = []
    write, second_came = frame_cache._write_video, threading.Event()

    def slow_write(target: Path, *content: Any) -> None:
        written.append(target)
        if len(written) > 1:
            second_came.set()
        second_came.wait(0.5)
        write(target, *content)

    monkeypatch.setattr(frame_cache, "_write_video", slow_write)
    out = tmp_path / "cache"
    assert main(["cache", str(manifest), "--out", str(out), "--workers", "3"]) == 0
    assert len(written) == 1
    assert [item.path for item in Manifest.open(out / "cache.arrow")] == [str(written[0])] * 3


def test_a_video_of_another_corpus_is_never_taken_for_one_of_the_same_name(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cache", str(manifest), "--out", str(tmp_path / "cache")]
    assert main(command) == 0
    other = tmp_path / "other"
    (tmp_path / "media").rename(other)
    assert main([*command, "--root", str(other)]) == 2
    complaint = capsys.readouterr().err
    assert f"of videos in {tmp_path / 'media'}, not of" in complaint
    assert "correct settings.txt if the videos have only been moved" in complaint


def test_a_video_that_cannot_be_written_leaves_nothing_behind(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_file = Path.replace

    def full(path: Path, target: Path) -> Path:
        if target.suffix == ".mov":
            raise OSError(28, "No space left on device", str(path))
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        frame_cache.write_cache(
            Manifest.open(manifest), tmp_path / "cache", CacheSettings(), command="test"
        )
    assert not [path for path in (tmp_path / "cache").rglob("*") if ".mov" in path.name]


def test_the_name_of_a_video_may_be_as_long_as_a_name_can_be_and_nobody_elses_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Process numbers do not tell the machines of one disk apart."""
    target = tmp_path / f"{'x' * 247}.mp4.mov"
    built: set[Path] = set()
    replace_file = Path.replace

    def noted(path: Path, target: Path) -> Path:
        built.add(path)
        return replace_file(path, target)

    monkeypatch.setattr(Path, "replace", noted)
    for _ in range(2):
        frame_cache._write_video(target, [0], [jpeg()], "")
    assert len(built) == 2
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_is_removed_and_hidden_videos_are_not(
    manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "media/clips/cfr.mp4").rename(tmp_path / "media/clips/.hidden.mp4")
    clip = next(rows_of(Manifest.open(manifest)))
    rows = [replace(clip, path="clips/.hidden.mp4")]
    write_manifest(rows, manifest, root=tmp_path / "media", command="test")
    out = tmp_path / "cache"
    command = ["cache", str(manifest), "--out", str(out)]

    def killed(path: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        patched.setattr(Path, "unlink", lambda path, missing_ok: None)
        with pytest.raises(KeyboardInterrupt):
            frame_cache._write_video(out / "clips/x.mov", [0], [jpeg()], "")
    (left,) = (out / "clips").iterdir()
    assert main(command) == 0
    assert not left.exists()
    hidden = out / "clips/.hidden.mp4.mov"
    before = hidden.stat().st_mtime_ns
    assert main(command) == 0
    assert hidden.stat().st_mtime_ns == before


def test_a_manifest_that_leads_out_of_its_root_writes_nothing_there(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "media/clips/cfr.mp4").rename(tmp_path / "beside.mp4")
    clip = next(rows_of(Manifest.open(manifest)))
    rows = [replace(clip, path="../beside.mp4")]
    write_manifest(rows, manifest, root=tmp_path / "media", command="test")
    assert main(["cache", str(manifest), "--out", str(tmp_path / "cache")]) == 2
    assert "'cfr' leaves the root: '../beside.mp4'" in capsys.readouterr().err
    assert not (tmp_path / "beside.mp4.mov").exists()


def test_a_cache_of_another_version_is_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cache", str(manifest), "--out", str(tmp_path / "cache")]
    assert main(command) == 0
    note = tmp_path / "cache" / "settings.txt"
    first, rest = note.read_text("utf-8").split("\n", 1)
    assert first == "seqsynth cache, format 1"
    for other in ("seqsynth cache, format 2\n" + rest, rest, ""):
        note.write_text(other, "utf-8")
        capsys.readouterr()
        assert main(command) == 2
        assert "another version of seqsynth wrote it; choose another" in capsys.readouterr().err


def test_the_estimate_writes_nothing_and_is_about_right(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cache"
    assert main(["cache", str(manifest), "--out", str(out), "--estimate"]) == 0
    assert not out.exists()
    size = estimate_cache(Manifest.open(manifest), out, CacheSettings(fps=FPS))
    assert main(["cache", str(manifest), "--out", str(out), "--fps", "5"]) == 0
    written = sum(path.stat().st_size for path in out.rglob("*.mov"))
    assert 0.7 < size.num_bytes * 2 / 3 / written < 1.4  # one of the three cannot be read
    (out / "clips/of another.mov").write_bytes(bytes(1000))
    again = estimate_cache(Manifest.open(manifest), out, CacheSettings(fps=FPS))
    assert (size.written_bytes, again.written_bytes) == (0, written)


def test_wrong_requests_are_refused(
    manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["cache", str(manifest), "--out", str(tmp_path / "cache")]
    for more, complaint in {
        ("--fps", "0"): "fps must be positive, got 0",
        ("--quality", "100"): "quality must be in [1, 95], got 100",
        ("--workers", "0"): "--workers must be at least 1, got 0",
    }.items():
        assert main([*command, *more]) == 2
        assert complaint in capsys.readouterr().err
    write_manifest([], manifest, root=tmp_path, command="test")
    assert main(command) == 2
    assert "lists no clips or videos" in capsys.readouterr().err

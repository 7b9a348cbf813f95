"""Corpora that nobody would make up: odd names, one frame, three hours, nothing, very many."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from seqsynth import FrameRef, Manifest, read_examples
from seqsynth.cli import main
from seqsynth.frames import load_frames
from seqsynth.manifest_writer import write_manifest

STILLS = 'base = "paper"\nmin_images = 2\nmax_images = 3\n[tasks]\niig = 1\n'
CLIPS = 'base = "paper"\nmin_clips = 2\nmax_clips = 2\nnum_frames = 8\n[tasks]\ndvc = 1\n'
NAMES = ["with blanks", "é 猫", "-dash", "line\nbreak", "[x]*?", "$(touch oops); `x` & 'y' %s{0}"]
WHOLE_WAY = """
import os, sys
from seqsynth.cli import main
name = os.fsdecode(b"\\xc3\\xa9 \\xe7\\x8c\\xab")
steps = [
    ["index", "image_folder", name, f"--out={name}.arrow"],
    ["build", "recipe.toml", "--manifest", f"{name}.arrow", "--count=4", f"--out={name} built"],
    ["inspect", f"{name} built/examples.jsonl", f"--out={name}.html"],
    ["coverage", "image_folder", name, f"--html={name} coverage.html"],
]
sys.exit(max(main(step) for step in steps))
"""


def write_stills(folder: Path, name: str) -> None:
    folder.mkdir()
    for number in range(4):
        Image.new("RGB", (16, 16), (60 * number, 0, 0)).save(folder / f"{name} {number}.jpg")
        (folder / f"{name} {number}.txt").write_text(f"number {number} of é\n", encoding="utf-8")


def write_frames(path: Path, num_frames: int, rate: Fraction) -> Path:
    """A video of equal JPEG pictures: as many packets are written as one, nearly."""
    with av.open(str(path.absolute()), "w", format="mov") as container:
        stream = container.add_stream("mjpeg", rate=rate, width=32, height=32)
        stream.pix_fmt = "yuvj420p"
        frame = av.VideoFrame(32, 32, "yuvj420p")
        (content,) = [bytes(packet) for packet in stream.encode(frame)]
        for number in range(num_frames):
            packet = av.Packet(content)
            packet.stream, packet.time_base = stream, 1 / rate
            packet.pts = packet.dts = number
            packet.duration = 1
            packet.is_keyframe = True
            container.mux(packet)
    return path


@pytest.mark.parametrize("name", NAMES)
def test_names_of_all_kinds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_stills(tmp_path / name, name)
    (tmp_path / name / name).mkdir()
    write_frames(tmp_path / name / name / f"{name}.mov", 5, Fraction(5))
    Path("recipe.toml").write_text(STILLS, "utf-8")
    built = f"{name} built"
    assert main(["index", f"--out={name}.arrow", "--", "image_folder", name]) == 0
    assert main(["index", f"--out={name} clips.arrow", "--", "clip_folder", name]) == 0
    build = ["build", "recipe.toml", "--count=5", "--frames=16", f"--out={built}"]
    monkeypatch.setattr(sys, "argv", ["seqsynth"])
    manifest = (tmp_path / f"{name}.arrow").as_posix()  # an option takes no name with a dash
    assert main([*build, "--manifest", manifest]) == 0
    assert main(["inspect", f"--out={name}.html", "--", f"{built}/examples.jsonl"]) == 0
    assert main(["cache", f"--out={name} cache", "--", f"{name} clips.arrow"]) == 0
    export = ["export", f"--out={name} data", "--", "ms-swift", f"{built}/examples.jsonl"]
    assert main(export) == 0
    assert main(["coverage", f"--html={name} c.html", "--", "image_folder", name]) == 0
    examples = list(read_examples(tmp_path / built / "examples.jsonl", media_root=tmp_path / name))
    assert len(examples) == 5
    assert all(f"{name} " in Path(frame.path).name for frame in examples[0].frames)
    assert not (tmp_path / "oops").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="names are not bytes there")
def test_a_folder_whose_name_is_not_utf8_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / os.fsdecode(b"bad\xff")
    write_stills(root, "a")
    assert main(["index", "image_folder", str(root), "--out", str(tmp_path / "m.arrow")]) == 2
    said = capsys.readouterr().err
    assert "bad\\udcff" in said
    assert "name is not UTF-8" in said
    assert [path.name for path in tmp_path.iterdir()] == [root.name]


@pytest.mark.skipif(os.name == "nt", reason="locales are others there")
@pytest.mark.parametrize("encoding", ["ascii", "UTF-8"])
def test_a_terminal_that_knows_few_letters(tmp_path: Path, encoding: str) -> None:
    """Of names that are bytes to Python in such a locale, and of texts that it cannot print."""
    write_stills(tmp_path / "é 猫", "a")
    (tmp_path / "recipe.toml").write_text(STILLS)
    settings = {"PYTHONIOENCODING": encoding}
    settings |= {"LC_ALL": "C"} if encoding == "UTF-8" else {"LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}
    finished = subprocess.run(
        [sys.executable, "-c", WHOLE_WAY],
        cwd=tmp_path,
        env={**os.environ, **settings},
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr.decode()
    shown = r"\xe9 \u732b.html" if encoding == "ascii" else "é 猫.html"
    assert shown in finished.stdout.decode()
    assert "number" in (tmp_path / "é 猫.html").read_text(encoding="utf-8")
    assert len((tmp_path / "é 猫 built/examples.jsonl").read_bytes().splitlines()) == 4


@pytest.mark.skipif(os.name == "nt", reason="locales are others there")
def test_a_locale_in_which_names_are_not_utf8_is_told_so(tmp_path: Path) -> None:
    write_stills(tmp_path / "é 猫", "a")
    few = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    finished = subprocess.run(
        [sys.executable, "-c", WHOLE_WAY],
        cwd=tmp_path,
        env={**os.environ, **few, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert finished.returncode == 2
    said = finished.stderr.decode("ascii")
    assert "Traceback" not in said
    assert "PYTHONUTF8=1" in said


def build(manifest: Path, recipe: str, out: Path, *more: str) -> int:
    path = manifest.with_suffix(".toml")
    path.write_text(recipe)
    words = ["build", str(path), "--manifest", str(manifest), "--count", "3", "--out", str(out)]
    return main([*words, *more])


def test_a_video_of_three_hours(tmp_path: Path) -> None:
    root = tmp_path / "media" / "waiting"
    root.mkdir(parents=True)
    write_frames(root / "long.mov", 3 * 3600, Fraction(1))
    write_frames(root / "other.mov", 9, Fraction(1))
    (root / "other.mov").rename(tmp_path / "media" / "other.mov")
    (tmp_path / "media" / "other.txt").write_text("something else")
    manifest = tmp_path / "m.arrow"
    words = ["index", "clip_folder", str(tmp_path / "media"), "--probe", "pts"]
    assert main([*words, "--out", str(manifest)]) == 0
    clips = {clip.id: clip for clip in Manifest.open(manifest)}
    long = clips["waiting/long.mov"]
    assert (long.num_frames, long.duration_seconds) == (10_800, 10_800.0)
    frames = load_frames([FrameRef(long.path, k) for k in (0, 5400, 10_799)], 16)
    assert frames.shape == (3, 16, 16, 3)
    assert build(manifest, CLIPS, tmp_path / "built", "--frames", "16") == 0
    (example, *_) = read_examples(tmp_path / "built/examples.jsonl")
    assert 9 < example.duration_seconds <= 10_810
    assert main(["cache", str(manifest), "--out", str(tmp_path / "c"), "--fps", "0.01"]) == 0
    assert {item.num_frames for item in Manifest.open(tmp_path / "c/cache.arrow")} == {108, 1}


def test_videos_of_one_frame(tmp_path: Path) -> None:
    for number in range(3):
        folder = tmp_path / "media" / f"act {number}"
        folder.mkdir(parents=True)
        write_frames(folder / "one.mov", 1, Fraction(25))
    manifest = tmp_path / "m.arrow"
    words = ["index", "clip_folder", str(tmp_path / "media"), "--out", str(manifest)]
    assert main(words) == 0
    assert [clip.num_frames for clip in Manifest.open(manifest)] == [1, 1, 1]
    assert build(manifest, CLIPS, tmp_path / "built", "--frames", "16") == 0
    for example in read_examples(tmp_path / "built/examples.jsonl"):
        assert {frame.frame_index for frame in example.frames} == {0}
        assert 0 < example.duration_seconds <= 0.13
    assert main(["cache", str(manifest), "--out", str(tmp_path / "c")]) == 0
    assert [item.num_frames for item in Manifest.open(tmp_path / "c/cache.arrow")] == [1, 1, 1]


@pytest.mark.parametrize("source", ["image_folder", "clip_folder"])
def test_an_empty_folder(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    assert main(["index", source, str(root), "--out", str(tmp_path / "m.arrow")]) == 2
    assert f"{source} lists nothing in {root}" in capsys.readouterr().err
    assert main(["coverage", source, str(root), "--html", str(tmp_path / "c.html")]) == 0
    assert [path.name for path in tmp_path.iterdir() if path != root] == ["c.html"]


def test_an_empty_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / "m.arrow"
    write_manifest([], manifest, root=tmp_path, command="test")
    for recipe, what in ((STILLS, "images"), (CLIPS, "clips")):
        assert build(manifest, recipe, tmp_path / "built") == 2
        assert f"the corpus has no train {what}" in capsys.readouterr().err
    caption = ["caption", str(manifest), "--model", "m", "--out", str(tmp_path / "captions")]
    assert main([*caption, "--backend", "server"]) == 2
    assert "has no clips" in capsys.readouterr().err
    (tmp_path / "none.jsonl").touch()
    words = ["export", "qwen-vl", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "data")]
    assert main(words) == 0
    assert (tmp_path / "data/train.jsonl").read_bytes() == b""


@pytest.mark.slow
def test_a_hundred_thousand_clips_in_one_folder(
    tmp_path: Path, record_property: Callable[[str, Any], None]
) -> None:
    folder = tmp_path / "media" / "waiting"
    folder.mkdir(parents=True)
    for number in range(100_000):
        path = folder / f"{number:06d}.mov"
        if number % 10_000 == 0:
            first = write_frames(path, 5, Fraction(5))
        else:
            os.link(first, path)  # file systems allow some ten thousand links to a file
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    words = ["index", "clip_folder", str(tmp_path / "media"), "--out", str(tmp_path / "m.arrow")]
    assert main(words) == 0
    record_property("seconds", time.perf_counter() - start)
    grown_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    record_property("grown_mib", grown_mib)
    sys.stderr.write(f"{time.perf_counter() - start:.0f} s, {grown_mib:.0f} MiB more\n")
    assert len(Manifest.open(tmp_path / "m.arrow")) == 100_000
    assert grown_mib < 200

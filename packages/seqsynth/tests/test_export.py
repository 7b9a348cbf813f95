"""What is exported is read back by the rules of the trainers, written out here in our own words."""

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from seqsynth import Example, FrameRef
from seqsynth.cli import main
from seqsynth.export import FORMATS, export_examples, frames_text
from seqsynth.skipping import TooManySkippedError


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def as_llamafactory(folder: Path) -> list[tuple[list[str], list[Path]]]:
    """By dataset_info.json: turns of human and gpt in alternation, paths below the folder."""
    info = json.loads((folder / "dataset_info.json").read_text())["seq2time"]
    assert info["formatting"] == "sharegpt"
    read = []
    for record in lines(folder / info["file_name"]):
        messages = record[info["columns"]["messages"]]
        assert [m["from"] for m in messages] == ["human", "gpt"] * (len(messages) // 2)
        images = [folder / path for path in record[info["columns"]["images"]]]
        texts = [m["value"] for m in messages]
        assert sum(text.count("<image>") for text in texts) == len(images)
        read.append((texts, images))
    return read


def as_ms_swift(folder: Path) -> list[tuple[list[str], list[Path]]]:
    """`messages` of user and assistant in alternation, absolute paths."""
    read = []
    for record in lines(folder / "train.jsonl"):
        roles = [message["role"] for message in record["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        texts = [message["content"] for message in record["messages"]]
        assert sum(text.count("<image>") for text in texts) == len(record["images"])
        assert all(Path(path).is_absolute() for path in record["images"])
        read.append((texts, [Path(path) for path in record["images"]]))
    return read


def as_qwen_vl(folder: Path) -> list[tuple[list[str], list[Path]]]:
    """Human turns are cut at placeholders, each takes the next image, none may be left over."""
    read = []
    for record in lines(folder / "train.jsonl"):
        speakers = [turn["from"] for turn in record["conversations"]]
        assert speakers == ["human", "gpt"] * (len(speakers) // 2)
        pool = [(folder / path).resolve() for path in record["image"]]
        left = list(pool)
        texts = []
        for turn in record["conversations"]:
            texts.append(turn["value"])
            if turn["from"] == "human":
                for piece in re.split(r"(<image>|<video>)", turn["value"]):
                    assert piece != "<video>"
                    if piece == "<image>":
                        left.pop(0)
        assert not left
        read.append((texts, pool))
    return read


READERS: dict[str, Callable[[Path], list[tuple[list[str], list[Path]]]]] = {
    "llamafactory": as_llamafactory,
    "ms-swift": as_ms_swift,
    "qwen-vl": as_qwen_vl,
}


def test_every_format_has_a_reader_here() -> None:
    assert READERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_examples_come_back_as_they_were(
    tmp_path: Path, examples: list[Example], name: str
) -> None:
    log = export_examples(examples, tmp_path / "out", name)
    assert (log.num_read, log.num_replaced) == (60, 0)
    read = READERS[name](tmp_path / "out")
    assert len(read) == 60
    assert {example.task for example in examples} == {"iig", "iic", "alr", "dvc", "tvg"}
    for example, (texts, images) in zip(examples, read, strict=True):
        assert len(images) == len(example.frames)
        assert len(texts) >= 2
        assert all(text.strip() for text in texts)
        expected = [text for turn in example.turns for text in (turn.prompt, turn.answer)]
        expected[0] = f"{frames_text(example)}\n{expected[0]}"
        unspaced = [re.sub(r"< (image|video|bbox) >", r"<\1>", text) for text in texts]
        assert unspaced == expected
        for ref, path in zip(example.frames, images, strict=True):
            with Image.open(path) as picture:
                colour = np.asarray(picture.convert("RGB")).reshape(-1, 3).mean(axis=0)
                assert picture.format == "JPEG"
            number = int(Path(ref.path).stem)
            if ref.path.endswith(".png"):
                assert colour.min() > 250, "transparent pictures lie on white"
            elif ref.path.endswith(".webp"):
                assert colour == pytest.approx((0, 20 * ref.frame_index, 30 * number), abs=6)
            else:
                assert path == Path(ref.path), "JPEG files are used where they lie"
    report = json.loads((tmp_path / "out/export.json").read_text())
    assert report["num_examples"] == 60
    assert report["num_images"] == sum(len(example.frames) for example in examples)
    assert report["new_tokens"] == [f"<{digit}>" for digit in range(10)]


def test_each_picture_is_written_once_and_small_enough(
    tmp_path: Path, examples: list[Example]
) -> None:
    export_examples(examples, tmp_path, "qwen-vl", max_edge=20)
    written = sorted((tmp_path / "frames").rglob("*.jpg"))
    wanted = {(r.path, r.frame_index) for e in examples for r in e.frames if ".jpg" not in r.path}
    assert len(written) == len(wanted)
    assert not list((tmp_path / "frames").rglob("*.partial"))
    sizes = set()
    for path in written:
        with Image.open(path) as picture:
            sizes.add(picture.size)
    assert sizes == {(20, 10), (16, 16)}
    times = {path: path.stat().st_mtime_ns for path in written}
    export_examples(examples, tmp_path, "qwen-vl", max_edge=20)
    assert {path: path.stat().st_mtime_ns for path in written} == times


def test_a_picture_that_was_replaced_is_written_anew(
    tmp_path: Path, examples: list[Example]
) -> None:
    source = tmp_path / "a.png"
    example = replace(examples[0], frames=(FrameRef(str(source), 0),), frame_codes=("",))
    for number, colour in enumerate([(255, 0, 0), (0, 0, 255)]):
        Image.new("RGB", (16, 16), colour).save(source)
        os.utime(source, (number, number))
        export_examples([example], tmp_path / "out", "qwen-vl")
        (record,) = lines(tmp_path / "out/train.jsonl")
        with Image.open(tmp_path / "out" / record["image"][0]) as picture:
            assert picture.getpixel((8, 8)) == pytest.approx(colour, abs=8)


def test_exports_of_two_machines_do_not_write_the_same_scratch_file(
    tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a shared folder has no locks; process numbers of two machines may be the same."""
    monkeypatch.setattr(os, "getpid", lambda: 7)
    scratch: list[Path] = []
    replaced = Path.replace

    def seen(self: Path, target: Path) -> Path:
        if self.suffix == ".partial":
            scratch.append(self)
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", seen)
    for _ in range(2):
        export_examples(examples[:9], tmp_path, "qwen-vl")
        for path in (tmp_path / "frames").rglob("*.jpg"):
            path.unlink()
    assert len(scratch) >= 2
    assert len(set(scratch)) == len(scratch)


def test_frames_carry_their_place(examples: list[Example]) -> None:
    still = next(example for example in examples if example.task == "iig")
    assert frames_text(still).splitlines()[0] == f"<image> {still.frame_codes[0]}"
    clip = next(example for example in examples if example.task == "dvc")
    in_seconds = replace(clip, codec="seconds", frame_codes=("0.0",) * 8)
    assert frames_text(in_seconds).splitlines() == ["<image> 0.0 seconds"] * 8


def test_examples_with_unreadable_media_are_left_out_and_counted(
    tmp_path: Path, media: Path, examples: list[Example]
) -> None:
    (media / "3.png").write_bytes(b"no picture")
    (media / "5.jpg").unlink()
    bad = {str(media / "3.png"), str(media / "5.jpg")}
    kept = [e.id for e in examples if not bad & {frame.path for frame in e.frames}]
    assert 0 < len(kept) < 60
    log = export_examples(examples, tmp_path / "out", "ms-swift", max_skipped=1.0)
    assert [record["id"] for record in lines(tmp_path / "out/train.jsonl")] == kept
    assert log.num_replaced == 60 - len(kept)
    skipped = lines(tmp_path / "out/skipped.jsonl")
    assert {line["id"] for line in skipped} == {e.id for e in examples} - set(kept)
    reasons = {line["reason"].rpartition(": ")[2].partition(";")[0] for line in skipped}
    assert reasons == {"not a picture", "no such file"}
    assert json.loads((tmp_path / "out/export.json").read_text())["num_left_out"] == 60 - len(kept)
    with pytest.raises(TooManySkippedError):
        export_examples(examples, tmp_path / "strict", "ms-swift", max_skipped=0.01)
    assert not (tmp_path / "strict/train.jsonl").exists()


def test_a_jpeg_lies_where_it_was_if_every_reader_shows_it_alike(
    tmp_path: Path, examples: list[Example]
) -> None:
    left_half_red = Image.new("RGB", (32, 32), (0, 0, 255))
    left_half_red.paste((255, 0, 0), (0, 0, 16, 32))
    plain, turned, hidden, grey, print_ink = (tmp_path / f"{k}.jpg" for k in range(5))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown, it is turned by 90 degrees: red comes to lie on top
    left_half_red.save(plain)
    left_half_red.save(turned, exif=exif)
    Image.new("RGBA", (32, 32)).save(hidden, "PNG")  # a PNG by another name, transparent
    left_half_red.convert("L").save(grey)
    left_half_red.convert("CMYK").save(print_ink)
    paths = [plain, turned, hidden, grey, print_ink, turned]
    frames = tuple(FrameRef(str(path), 0) for path in paths)
    example = replace(examples[0], frames=frames, frame_codes=("",) * len(frames))
    export_examples([example], tmp_path / "out", "qwen-vl")
    (record,) = lines(tmp_path / "out/train.jsonl")
    shown = [tmp_path / "out" / path for path in record["image"]]
    assert [path in paths for path in shown] == [True, False, False, True, False, False]
    assert shown[1] == shown[5]
    corners = []
    for path in (shown[1], shown[2], shown[4]):
        with Image.open(path) as picture:
            assert (picture.format, picture.mode) == ("JPEG", "RGB")
            corners.append(picture.getpixel((28, 4)))
    assert corners[0] == pytest.approx((255, 0, 0), abs=8)
    assert corners[1] == pytest.approx((255, 255, 255), abs=8)
    assert corners[2] == pytest.approx((0, 0, 255), abs=8)


def test_a_jpeg_whose_notes_of_the_camera_are_damaged_is_written_anew(
    tmp_path: Path, examples: list[Example]
) -> None:
    """Pillow's own turning of it, as readers do it, would raise an error."""
    damaged = tmp_path / "damaged.jpg"
    Image.new("RGB", (32, 24), (255, 0, 0)).save(
        damaged, dpi=(72, 72), exif=b"Exif\0\0no directory"
    )
    example = replace(examples[0], frames=(FrameRef(str(damaged), 0),), frame_codes=("",))
    export_examples([example], tmp_path / "out", "qwen-vl")
    (record,) = lines(tmp_path / "out/train.jsonl")
    with Image.open(tmp_path / "out" / record["image"][0]) as picture:
        assert ImageOps.exif_transpose(picture).size == (32, 24)


def test_a_jpeg_that_is_cut_short_is_left_out(
    tmp_path: Path, media: Path, examples: list[Example]
) -> None:
    cut = media / "2.jpg"
    cut.write_bytes(cut.read_bytes()[:-30])
    kept = [e.id for e in examples if str(cut) not in {frame.path for frame in e.frames}]
    assert 0 < len(kept) < 60
    export_examples(examples, tmp_path / "out", "ms-swift", max_skipped=1.0)
    assert [record["id"] for record in lines(tmp_path / "out/train.jsonl")] == kept


def test_an_export_that_looks_in_the_wrong_folder_says_where(
    tmp_path: Path,
    media: Path,
    examples: list[Example],
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "examples.jsonl"
    path.write_text("\n".join(example.to_json(media) for example in examples) + "\n")
    command = ["export", "qwen-vl", str(path), "--out", str(tmp_path / "out")]
    assert main([*command, "--cache", str(tmp_path / "cache")]) != 0
    complaint = capsys.readouterr().err
    assert "2 of 2 examples replaced (2 x no such file" in complaint
    assert f"below {tmp_path / 'cache'}" in complaint
    assert "--media-root names another folder" in complaint
    assert main([*command, "--media-root", str(media)]) == 0


def test_wrong_requests_are_refused(tmp_path: Path, examples: list[Example]) -> None:
    with pytest.raises(ValueError, match="unknown format 'swift'; did you mean ms-swift"):
        export_examples(examples, tmp_path, "swift")
    with pytest.raises(ValueError, match="max_edge must be at least 1"):
        export_examples(examples, tmp_path, "qwen-vl", max_edge=0)

"""Examples as training data of other trainers: LLaMA-Factory, ms-swift, Qwen's own fine-tuning.

Every frame becomes an image of the first question, followed by the text of its place, because a
trainer that samples a video itself would not show the planned frames, and one that pairs frames
(temporal patches of two) would mix neighbours of an image sequence.

JPEG files that everybody shows alike are used where they lie. All other pictures (frames of clips,
transparent ones, those inside shards, photographs that their EXIF orientation turns) are written as
JPEG below `frames/`, each once.
"""

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

import timetokens as tt
from seqsynth.example_files import replacing, write_json, writing_alone
from seqsynth.frames import MediaError, load_frames, load_picture
from seqsynth.frames.pictures import orientation_of
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.naming import known_name
from seqsynth.records import Example, FrameRef, Turn
from seqsynth.shard_paths import media_file
from seqsynth.skipping import DEFAULT_MAX_SHARE, LOG_NAME, SkipLog

DATA_NAME = "train.jsonl"
REPORT_NAME = "export.json"
FRAMES_NAME = "frames"
DATASET_NAME = "seq2time"
LOCK_NAME = ".lock"

_JPEG_SUFFIXES = (".jpg", ".jpeg")
_JPEG_QUALITY = 90
_CHECK_EDGE = 8  # pixels: a JPEG is read to its end, but decoded at an eighth of its size
_PLACEHOLDER = re.compile(r"<(image|video|audio|bbox|ref-object)>")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How one trainer wants its data.

    Attributes:
        record: makes one line of turns and images.
        extra_files: other files it needs beside the data, by name.
        is_relative: whether paths below the folder are written relative to it.
    """

    record: Callable[[str, Sequence[Turn], Sequence[str]], Record]
    extra_files: Mapping[str, Record]
    is_relative: bool


def _sharegpt(example_id: str, turns: Sequence[Turn], images: Sequence[str]) -> Record:
    return {"id": example_id, "conversations": _conversations(turns), "images": list(images)}


def _messages(example_id: str, turns: Sequence[Turn], images: Sequence[str]) -> Record:
    messages = [
        {"role": role, "content": text}
        for turn in turns
        for role, text in (("user", turn.prompt), ("assistant", turn.answer))
    ]
    return {"id": example_id, "messages": messages, "images": list(images)}


def _qwen_vl(example_id: str, turns: Sequence[Turn], images: Sequence[str]) -> Record:
    return {"id": example_id, "image": list(images), "conversations": _conversations(turns)}


def _conversations(turns: Sequence[Turn]) -> list[dict[str, str]]:
    return [
        {"from": speaker, "value": text}
        for turn in turns
        for speaker, text in (("human", turn.prompt), ("gpt", turn.answer))
    ]


_DATASET_INFO = {
    DATASET_NAME: {
        "file_name": DATA_NAME,
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "images": "images"},
    }
}

FORMATS: dict[str, Format] = {
    "llamafactory": Format(_sharegpt, {"dataset_info.json": _DATASET_INFO}, is_relative=True),
    # ms-swift looks for relative paths below the working directory, wherever the data lie.
    "ms-swift": Format(_messages, {}, is_relative=False),
    "qwen-vl": Format(_qwen_vl, {}, is_relative=True),
}


def export_examples(
    examples: Iterable[Example],
    out_dir: str | Path,
    format_name: str,
    *,
    max_edge: int = 448,
    max_skipped: float = DEFAULT_MAX_SHARE,
) -> SkipLog:
    """Writes `train.jsonl`, `export.json` and what else the trainer needs.

    An example with a picture that cannot be read is left out: it stands in `skipped.jsonl`.

    Args:
        examples: with paths that lead to their media.
        out_dir: is created when absent.
        format_name: one of `FORMATS`.
        max_edge: pictures that are written have no longer edge, pixels; their aspect ratio stays.
        max_skipped: largest share of examples that may be left out.

    Returns:
        How many were read and left out, and why.

    Raises:
        HeldError: another process exports there.
        TooManySkippedError: more are unreadable than allowed.
        ValueError: an unknown format, or an edge below 1.
    """
    chosen = FORMATS[known_name("format", format_name, FORMATS)]
    if max_edge < 1:
        raise ValueError(f"max_edge must be at least 1 pixel, got {max_edge}")
    folder = Path(os.path.abspath(out_dir))  # noqa: PTH100 links in it stay as they are
    names = (DATA_NAME, REPORT_NAME, *chosen.extra_files)
    paths = [folder / name for name in names]
    with writing_alone(folder / LOCK_NAME, f"exporting into {out_dir}", *paths) as is_alone:
        for left in folder.glob(f"{FRAMES_NAME}/*/*.partial") if is_alone else ():
            left.unlink()  # of a process that was killed
        return _export(examples, folder, format_name, max_edge, max_skipped)


def _export(
    examples: Iterable[Example], folder: Path, format_name: str, max_edge: int, max_skipped: float
) -> SkipLog:
    chosen = FORMATS[format_name]
    (folder / LOG_NAME).unlink(missing_ok=True)
    log = SkipLog(folder / LOG_NAME, max_share=max_skipped)
    codecs: set[str] = set()
    num_images = 0
    known: dict[str, str] = {}
    with replacing(folder / DATA_NAME) as handle:
        for index, example in enumerate(examples):
            try:
                images = [_image_path(ref, folder, max_edge, known) for ref in example.frames]
            except MediaError as error:
                log.add_skipped(index, example.id, attempt=0, replaced_by="", reason=str(error))
                log.add_read()
                continue
            log.add_read()
            if chosen.is_relative:
                images = [_relative(path, folder) for path in images]
            record = chosen.record(example.id, _turns(example), images)
            handle.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
            codecs.add(example.codec)
            num_images += len(images)
    report = {
        "format": format_name,
        "num_examples": log.num_read - log.num_replaced,
        "num_left_out": log.num_replaced,
        "num_images": num_images,
        "codecs": sorted(codecs),
        # What the tokenizer has to gain, as ordinary tokens: special ones are dropped from text.
        "new_tokens": sorted({t for codec in codecs for t in tt.CODECS[codec].new_token_texts}),
    }
    for name, content in {**chosen.extra_files, REPORT_NAME: report}.items():
        write_json(content, folder / name)
    return log


def frames_text(example: Example) -> str:
    """The frames of an example as text: a placeholder and its place, one frame a line."""
    unit = "" if example.task in IMAGE_TASKS else tt.CODECS[example.codec].time_unit
    return "\n".join(f"<image> {code} {unit}".rstrip() for code in example.frame_codes)


def _turns(example: Example) -> list[Turn]:
    turns = [Turn(_plain(turn.prompt), _plain(turn.answer)) for turn in example.turns]
    return [Turn(f"{frames_text(example)}\n{turns[0].prompt}", turns[0].answer), *turns[1:]]


def _plain(text: str) -> str:
    """A caption's own `<image>` must not count as one: it gets spaces."""
    return _PLACEHOLDER.sub(r"< \1 >", text)


def _image_path(ref: FrameRef, folder: Path, max_edge: int, known: dict[str, str]) -> str:
    """Where a trainer finds a frame; `known` keeps what came of files that were looked at."""
    path = Path(ref.path)
    if path.suffix.lower() not in _JPEG_SUFFIXES or ref.frame_index != 0:
        return _written(ref, folder, max_edge)
    if ref.path not in known:
        if not path.is_file():
            raise MediaError(f"{ref.path}: no such file")
        is_kept = _is_plain_jpeg(ref)
        known[ref.path] = str(path.absolute()) if is_kept else _written(ref, folder, max_edge)
    return known[ref.path]


def _is_plain_jpeg(ref: FrameRef) -> bool:
    """Whether every reader shows this file as we do: upright, in RGB or grey.

    Raises:
        MediaError: it is damaged; a trainer would find that out hours later.
    """
    load_frames([ref], _CHECK_EDGE)
    with Image.open(ref.path) as image:
        is_upright = orientation_of(image) == 1
        return image.format == "JPEG" and image.mode in ("RGB", "L") and is_upright


def _written(ref: FrameRef, folder: Path, max_edge: int) -> str:
    """The path of a picture below `frames/`, which is written unless it is there."""
    key = f"{ref.path}\0{_stamp(ref.path)}\0{ref.frame_index}\0{max_edge}"
    name = hashlib.sha256(key.encode()).hexdigest()[:24]
    # Divided by the first two digits: file systems dislike millions of files in one folder.
    target = folder / FRAMES_NAME / name[:2] / f"{name}.jpg"
    if not target.exists():
        picture = load_picture(ref)
        picture.thumbnail((max_edge, max_edge))
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(f".{uuid.uuid4().hex}.partial")
        try:
            picture.save(partial, "JPEG", quality=_JPEG_QUALITY)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)  # where the disk is full
    return str(target)


def _stamp(path: str) -> str:
    """Tells a file from another one that takes its place between two exports."""
    try:
        found = Path(media_file(path)).stat()
    except OSError:
        return ""  # whoever reads it says why it cannot be read
    return f"{found.st_size}\0{found.st_mtime_ns}"


def _relative(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else path

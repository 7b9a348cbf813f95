"""The records that pass through this package: items in, examples out.

An `Example` holds text and a frame plan, never pixels, so it can be rebuilt, stored or sent
anywhere for a few hundred bytes. Positions are relative (0 to 1) and half-open, whatever text
stands in the answers; `docs/formats.md` describes the JSON line.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timetokens as tt
from seqsynth.parsing import parsed_json

TASKS = ("iig", "iic", "alr", "dvc", "tvg")
"""Of made sequences: index grounding, indexed captioning, adjacent location; dense captioning,
temporal grounding. Examples of annotated videos are `dvc` and `tvg` too, or what video_tasks.py
calls `READY` (turns of their own) and `CAPTION`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageItem:
    """One captioned still picture.

    Attributes:
        id: unique within its corpus and the same on every machine.
        caption: what the picture shows, without a closing full stop.
        path: where the file lies on this machine.
        label: the category; equal to the caption where the source has no other.
    """

    id: str
    caption: str
    path: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipItem:
    """One short video that shows one thing from its first frame to its last.

    Attributes:
        id: unique within its corpus and the same on every machine.
        label: the action or category; the clips of one sequence have distinct labels.
        caption: what happens.
        path: where the file lies on this machine.
        num_frames: frames in the file, at least 1.
        duration_seconds: playing time of the file.
    """

    id: str
    label: str
    caption: str
    path: str
    num_frames: int
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotatedVideo:
    """One real video with what people wrote about it.

    Attributes:
        id: unique within its corpus and the same on every machine.
        path: where the file lies on this machine.
        duration_seconds: playing time; the annotation's where it has one, else the file's.
        num_frames: frames in the file; None where it was not probed.
        events: what happens when, by start; a query with several spans is several events of one
            caption.
        turns: ready questions and answers, as the source has them; times are written in
            `time_codec`.
        time_codec: name of the `timetokens` codec of the times in `turns`, "" where they have none.
        caption: of the whole video, "" where there is none.
        label: the category, "" where there is none.
    """

    id: str
    path: str
    duration_seconds: float
    num_frames: int | None = None
    events: tuple[tt.Event, ...] = ()
    turns: tuple[Turn, ...] = ()
    time_codec: str = ""
    caption: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One picture of a file: `frame_index` counts from 0 and is 0 for a still."""

    path: str
    frame_index: int


@dataclass(frozen=True, slots=True)
class Target:
    """What one answer is about: the part [start, end) of the sequence, in [0, 1]."""

    start: float
    end: float
    caption: str


@dataclass(frozen=True, slots=True)
class Example:
    """One training example: a sequence of frames and questions about it.

    Attributes:
        id: names corpus, recipe, seed and index, so that the example can be rebuilt alone.
        task: one of `TASKS`, or "video" or "caption"; the turns of an example share it.
        codec: name of the `timetokens` codec that wrote the positions.
        frames: the frame plan, in showing order.
        frame_codes: text of each frame's position, as long as `frames`.
        turns: questions and answers, at least one.
        targets: for each turn, what its answer speaks of, in the order of the answer.
        duration_seconds: playing time of the sequence; one image counts as one second.
    """

    id: str
    task: str
    codec: str
    frames: tuple[FrameRef, ...]
    frame_codes: tuple[str, ...]
    turns: tuple[Turn, ...]
    targets: tuple[tuple[Target, ...], ...]
    duration_seconds: float

    def to_json(self, media_root: str | Path | None = None) -> str:
        """The example as one line of JSON, without the line break.

        Args:
            media_root: paths below this folder are written relative to it, with `/`; such
                lines are the same on every machine.
        """
        record = self.to_record(media_root)
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)

    def to_record(self, media_root: str | Path | None = None) -> dict[str, Any]:
        """The fields of that line as plain values."""
        return {
            "id": self.id,
            "task": self.task,
            "codec": self.codec,
            "duration_seconds": self.duration_seconds,
            "frames": [[_shorten(f.path, media_root), f.frame_index] for f in self.frames],
            "frame_codes": list(self.frame_codes),
            "turns": [dataclasses.asdict(turn) for turn in self.turns],
            "targets": [[[t.start, t.end, t.caption] for t in turn] for turn in self.targets],
        }

    @classmethod
    def from_json(cls, line: str, media_root: str | Path | None = None) -> "Example":
        """Reads what `to_json` wrote; relative paths are taken from `media_root`.

        Raises:
            ValueError: not JSON, a field missing, or a field of the wrong shape (names it).
        """
        try:
            record = parsed_json(line)
        except ValueError as error:
            raise ValueError(f"not a line of JSON: {error}") from None
        if not isinstance(record, dict):
            raise ValueError(f"expected a JSON object, got {type(record).__name__}")
        example = example_of(record, media_root)
        if "\\u" in line:  # only so can half a character come in, which nobody could write again
            _check_text(example)
        return example


def example_of(record: Mapping[str, Any], media_root: str | Path | None = None) -> Example:
    """The example of the fields of `Example.to_record`; see `Example.from_json`."""
    missing = [name for name in _FIELDS if name not in record]
    if missing:
        raise ValueError(f"example {record.get('id', '?')!r} lacks {', '.join(missing)}")
    try:
        example = Example(
            id=str(record["id"]),
            task=str(record["task"]),
            codec=str(record["codec"]),
            frames=tuple(
                FrameRef(_lengthen(_text(p), media_root), _index(i)) for p, i in record["frames"]
            ),
            frame_codes=tuple(str(code) for code in record["frame_codes"]),
            turns=tuple(Turn(_text(t["prompt"]), _text(t["answer"])) for t in record["turns"]),
            targets=tuple(
                tuple(Target(_number(s), _number(e), str(c)) for s, e, c in turn)
                for turn in record["targets"]
            ),
            duration_seconds=_number(record["duration_seconds"]),
        )
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"example {record['id']!r} is malformed: {error!r}") from None
    if len(example.frames) != len(example.frame_codes):
        raise ValueError(
            f"example {example.id!r} has {len(example.frames)} frames "
            f"but {len(example.frame_codes)} frame codes"
        )
    if len(example.turns) != len(example.targets):
        raise ValueError(
            f"example {example.id!r} has {len(example.turns)} turns "
            f"but targets of {len(example.targets)}"
        )
    if not example.turns:
        raise ValueError(f"example {example.id!r} asks nothing: it has no turns")
    return example


_FIELDS = tuple(field.name for field in dataclasses.fields(Example))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {value!r}")
    return value


def _index(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TypeError(f"expected the number of a frame, from 0, got {value!r}")
    return value


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):  # JSON of Python has them, and nobody could write them again
        raise ValueError(f"expected a finite number, got {number}")
    return number


def _check_text(example: Example) -> None:
    try:
        example.to_json().encode()
    except ValueError as error:
        raise ValueError(f"example {example.id!r} cannot be written: {error}") from None


def _shorten(path: str, media_root: str | Path | None) -> str:
    if media_root is None or not Path(path).is_relative_to(media_root):
        return path
    return Path(path).relative_to(media_root).as_posix()


def _lengthen(path: str, media_root: str | Path | None) -> str:
    return path if media_root is None else str(Path(media_root) / path)

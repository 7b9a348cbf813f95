"""The files of predictions: whole ones, the parts of unfinished ones, what they were made with.

Each process adds rows to its own `NAME.part-ID-HOST-PID`, whose first line says what they are made
with; one puts the whole in its place at the end. See `docs/formats.md`.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from seqsynth.example_files import naming
from seqsynth.one_writer import one_writer
from seqsynth.parsing import parsed_json
from vidllm.processes import is_first
from vidllm.run_folder import write_atomically
from vidllm.scratch import is_forgotten, own_mark

FORMAT_VERSION = 1
MAX_NEW_TOKENS = {"iig": 16, "iic": 48, "alr": 48, "tvg": 24, "dvc": 160}


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionSettings:
    """What predictions depend on besides the model; kept with them.

    Attributes:
        system: what the predictions are called: trained, untrained, without_seq2time, chance.
        weights: which weights: a checkpoint's path and hash, or where a start was drawn from.
        benchmark_sha256: of the questions.
        constrained: answers were held to the form of the task (vidllm.constraints).
        templates: the benchmark's wording, which the forms are taken from.
        num_beams: places looked at side by side; 1 is greedy.
        max_new_tokens: where an answer is cut off, by task.
    """

    system: str
    weights: str
    benchmark_sha256: str
    constrained: bool = True
    templates: str = "paper"
    num_beams: int = 1
    max_new_tokens: Mapping[str, int] = field(default_factory=lambda: dict(MAX_NEW_TOKENS))


def writing_predictions(path: Path) -> contextlib.AbstractContextManager[bool]:
    """Keeps a second command from writing the same predictions; the processes of one are one.

    Yields:
        Whether all parts of the predictions are this command's. It is False where the system has no
        locks, and in all but the first process.
    """
    if not is_first():
        return contextlib.nullcontext(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    return one_writer(_lock_path(path), f"writing {path}")


def read_predictions(path: str | Path) -> dict[str, dict[str, Any]]:
    """The rows of a predictions file by query id; a last line left half is dropped."""
    rows: dict[str, dict[str, Any]] = {}
    # By line feeds alone: an answer may hold other breaks, and end within a letter when killed.
    for line in Path(path).read_text("utf-8", errors="replace").split("\n"):
        if not line:
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if "id" in row:
            rows[row["id"]] = row
    return rows


def rows_made_with(path: Path, settings: PredictionSettings) -> dict[str, dict[str, Any]]:
    """Rows that were made with the same settings before."""
    refuse_others_work(path)
    if is_made_with(path, settings):
        return read_predictions(path)
    rows: dict[str, dict[str, Any]] = {}
    for part in _parts(path):
        lines = part.read_text("utf-8", errors="replace")
        if lines.startswith(_line({"made_with": _made_with(settings)})):
            rows |= read_predictions(part)
    return rows


def is_made_with(path: Path, settings: PredictionSettings) -> bool:
    """Whether predictions are there, and those of these settings; damaged ones equal no others."""
    if not (path.exists() and settings_path(path).exists()):
        return False
    try:
        return bool(parsed_json(settings_path(path).read_bytes()) == _made_with(settings))
    except ValueError:
        return False


def is_finished(path: Path) -> bool:
    """Whether predictions are there and nothing is left of the way to them."""
    return path.exists() and not _parts(path) and not _lock_path(path).exists()


def refuse_others_work(path: Path) -> None:
    """Keeps what is no prediction, references say, from being overwritten.

    Raises:
        ValueError: such a file is there.
    """
    is_empty = path.is_file() and not path.stat().st_size  # made by mktemp
    # In this order: who finishes puts the settings in their place before the parts go.
    if path.exists() and not is_empty and not _parts(path) and not settings_path(path).exists():
        raise ValueError(
            f"{path} is there and is no prediction of vidllm ({settings_path(path).name} is not "
            "beside it): name another file, or remove it"
        )


def own_part(path: Path) -> Path:
    """Where this process adds its rows; nobody else does, locks or no locks."""
    # Containers may share a host's name, and their processes have the same numbers each time.
    return path.with_name(f"{path.name}.part-{secrets.token_hex(4)}-{own_mark()}")


def start_part(
    part: Path, settings: PredictionSettings, done: Mapping[str, Mapping[str, Any]]
) -> None:
    """Begins a process's own file, with what other files have of it already."""
    part.parent.mkdir(parents=True, exist_ok=True)
    append_rows(part, [{"made_with": _made_with(settings)}, *done.values()])
    if done:  # the older parts, which go next, are all that the disk itself has of it
        with naming(part), part.open("rb+") as handle:
            os.fsync(handle.fileno())


def append_rows(part: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds rows to a process's own file.

    Raises:
        OSError: it cannot be written (names the file and the way on).
    """
    try:
        with part.open("a", encoding="utf-8", newline="\n") as handle:
            handle.writelines(_line(row) for row in rows)
    except OSError as error:
        raise OSError(
            f"{part} cannot be written ({error.strerror}): make room, then run the same command "
            "again, it goes on"
        ) from error


def put_in_place(
    rows: Sequence[Mapping[str, Any]], path: Path, settings: PredictionSettings
) -> None:
    """Puts the finished file in its place, in the order of the questions."""
    # What says how old rows were made must not stand beside new ones, whatever ends us between.
    settings_path(path).unlink(missing_ok=True)
    write_atomically("".join(map(_line, rows)), path)
    write_atomically(json.dumps(_made_with(settings), indent=2) + "\n", settings_path(path))


def remove_parts(path: Path, *, keep: Path | None, is_alone: bool) -> None:
    """Removes what no living process adds to, all but one of them."""
    for part in set(_parts(path)) - {keep}:
        mark = part.name.removeprefix(f"{path.name}.part-").partition("-")[2]
        if is_alone or is_forgotten(part, mark):
            part.unlink(missing_ok=True)


def _parts(path: Path) -> list[Path]:
    """The files that processes have begun, of this start or of one before it."""
    return sorted(path.parent.glob(f"{glob.escape(path.name)}.part-*"))


def _made_with(settings: PredictionSettings) -> dict[str, Any]:
    return {"format_version": FORMAT_VERSION, **asdict(settings)}


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _lock_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def settings_path(path: Path) -> Path:
    """The file beside predictions that says what they were made with."""
    return path.with_name(path.name + ".made_with.json")

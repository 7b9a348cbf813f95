"""The run folder: what a run is, and the rule that nobody's work is overwritten.

config.json      the configuration, as it was started, and the format version of all that is here
manifest.json    hashes of data and templates, versions, commit, machine
metrics.jsonl    one line an optimizer step
checkpoint-N/    see vidllm.checkpoint
report.html      see vidllm.report
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path
from typing import Any

from seqsynth.one_writer import one_writer
from seqsynth.parsing import parsed_json
from vidllm.config import TrainConfig
from vidllm.config_json import from_json, to_json
from vidllm.scratch import remove, scratch_of

CONFIG_NAME, MANIFEST_NAME, METRICS_NAME = "config.json", "manifest.json", "metrics.jsonl"
LOCK_NAME = ".lock"
DEFAULT_ROOT = Path("runs")


class RunFolderError(ValueError):
    """A run folder that cannot be used as asked; the message says what to do."""


def default_dir(config: TrainConfig) -> Path:
    """A new folder under runs/: recipe and time of day, and a number where that is taken."""
    first = DEFAULT_ROOT / f"{config.recipe}-{time.strftime('%Y%m%d-%H%M%S')}"
    run_dir, number = first, 2
    while run_dir.exists():  # started in the same second, or the clock went back
        run_dir, number = first.with_name(f"{first.name}-{number}"), number + 1
    return run_dir


def create(config: TrainConfig, run_dir: str | Path) -> None:
    """Makes a fresh run folder with its configuration.

    Raises:
        RunFolderError: it exists and is not empty, or cannot be written.
        HeldError: another process makes or trains it.
    """
    run_dir = Path(run_dir)
    if run_dir.exists() and not run_dir.is_dir():
        raise RunFolderError(f"{run_dir} is a file: name a folder with --out")
    _refuse_occupied(run_dir)
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with locked(run_dir):
            _refuse_occupied(run_dir)  # two that start at once have both seen it empty
            write_atomically(to_json(config), run_dir / CONFIG_NAME)
    except OSError as error:
        raise RunFolderError(f"{run_dir} cannot be written: {error.strerror}") from None


def _refuse_occupied(run_dir: Path) -> None:
    """What a process that was killed while it made the folder has left there does not count.

    Raises:
        RunFolderError: something else is in the folder.
    """
    left = re.compile(rf"{re.escape(LOCK_NAME)}|\..+-\d+-{re.escape(CONFIG_NAME)}")
    if run_dir.is_dir() and not all(left.fullmatch(path.name) for path in run_dir.iterdir()):
        hint = (
            f"continue it with --resume {run_dir}" if is_run(run_dir) else "it holds something else"
        )
        raise RunFolderError(f"{run_dir} is not empty: {hint}, or name another folder with --out")


def remove_unstarted(run_dir: Path) -> None:
    """Removes a run folder in which nothing has happened yet; any other is left alone."""
    with contextlib.suppress(OSError):
        if {path.name for path in run_dir.iterdir()} <= {CONFIG_NAME, LOCK_NAME, MANIFEST_NAME}:
            for path in run_dir.iterdir():
                path.unlink()
            run_dir.rmdir()


def is_run(path: str | Path) -> bool:
    """Whether a folder is a run folder."""
    return (Path(path) / CONFIG_NAME).is_file()


def newest(root: str | Path = DEFAULT_ROOT) -> Path:
    """The run folder under `root` that was started last.

    Raises:
        RunFolderError: there is none.
    """
    root = Path(root)
    runs = [path for path in root.glob("*") if is_run(path)] if root.is_dir() else []
    if not runs:
        raise RunFolderError(f"no run under {root}/: start one with: vidllm train tiny")
    return max(runs, key=lambda path: ((path / CONFIG_NAME).stat().st_mtime_ns, path.name))


def load_config(run_dir: str | Path) -> TrainConfig:
    """The configuration of a run.

    Raises:
        RunFolderError: no run folder, or a configuration this version cannot read.
    """
    run_dir = Path(run_dir)
    if not is_run(run_dir):
        what = "is no run folder (it has no config.json)" if run_dir.exists() else "does not exist"
        inside = f"; it lies in one: {run_dir.parent}" if is_run(run_dir.parent) else ""
        raise RunFolderError(f"{run_dir} {what}{inside}")
    try:
        return from_json((run_dir / CONFIG_NAME).read_text("utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{run_dir / CONFIG_NAME}: {error}") from None


def read_manifest(run_dir: str | Path) -> dict[str, Any]:
    """What `vidllm.manifest` wrote; {} before training began.

    Raises:
        RunFolderError: it is damaged.
    """
    path = Path(run_dir) / MANIFEST_NAME
    if not path.exists():
        return {}
    try:
        manifest = parsed_json(path.read_bytes())
    except ValueError as error:
        raise RunFolderError(f"{path} is damaged ({error}): restore it, or remove it") from None
    if not isinstance(manifest, dict):
        raise RunFolderError(f"{path} is damaged (no object): restore it, or remove it")
    return manifest


def check_writable(run_dir: str | Path) -> None:
    """Refuses a folder that cannot be written, before any work is done.

    Raises:
        RunFolderError: it cannot.
    """
    probe = Path(run_dir) / f".{os.getpid()}.probe"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        raise RunFolderError(f"{run_dir} cannot be written: {error.strerror}") from None


def locked(run_dir: str | Path) -> contextlib.AbstractContextManager[object]:
    """Keeps a second process from training into the same folder; freed however this one ends.

    Raises:
        HeldError: another process holds it; the message says which one.
    """
    return one_writer(Path(run_dir) / LOCK_NAME, f"training into {run_dir}")


def write_atomically(text: str, path: str | Path) -> None:
    """Writes a small file so that a reader sees the old or the new content, never half.

    Args:
        text: all of it.
        path: where; what is no regular file (a pipe, a terminal) is written to as it is.

    Raises:
        OSError: it cannot be written (names the file); an old file stays.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        path.write_text(text, "utf-8", newline="\n")
        return
    target = path.resolve()  # a link stays one
    scratch = scratch_of(target)
    try:
        with scratch.open("w", encoding="utf-8", newline="\n") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        scratch.replace(target)
    except BaseException as error:
        remove(scratch)
        if isinstance(error, OSError):  # a full disk names no file, the others one of ours
            error.filename = str(path)
        raise


def add_metrics(row: dict[str, Any], run_dir: str | Path) -> None:
    """Adds a row to metrics.jsonl.

    Raises:
        OSError: it cannot be written (says how to go on).
    """
    path = Path(run_dir) / METRICS_NAME
    try:
        with path.open("a", encoding="utf-8", newline="\n") as handle:
            handle.write(json.dumps(row) + "\n")
    except OSError as error:
        raise OSError(
            f"{path} cannot be written ({error.strerror}): make room, then continue with --resume"
        ) from error


def read_metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl; a last line that a killed process left half is dropped."""
    path = Path(run_dir) / METRICS_NAME
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    for line in path.read_text("utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def rewind_metrics(run_dir: str | Path, step: int) -> None:
    """Drops the rows after `step`: the resumed run writes them again."""
    path = Path(run_dir) / METRICS_NAME
    if path.exists():
        kept = [row for row in read_metrics(run_dir) if row["step"] <= step]
        write_atomically("".join(json.dumps(row) + "\n" for row in kept), path)

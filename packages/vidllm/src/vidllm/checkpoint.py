"""Checkpoints: written whole or not at all, and checked before they are believed.

A checkpoint is a folder `checkpoint-STEP`: the adapter in PEFT's layout (LoRA and the rows of the
time tokens), a file for each part of the model that learns whole (`projector.safetensors`), the
trainer's state, and `checkpoint.json` with the format version and the sha256 of each file. It is
built under another name, flushed to disk and renamed, so that a killed process leaves either a
complete checkpoint or none; `docs/formats.md` describes the files.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsynth.example_files import FULL_DISK, is_out_of_reach
from seqsynth.unpack import sha256_of

log = logging.getLogger(__name__)

RECORD_NAME = "checkpoint.json"
FORMAT_VERSION = 1
PART_SUFFIX = ".safetensors"
ADAPTER_NAME = "adapter_model.safetensors"

# What torch.save says when less was written than it gave, in a RuntimeError without a number.
_SHORT_WRITES = ("PytorchStreamWriter failed", "inline_container.cc", "iostream error")


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged or of another model; the message says what to do."""


class CheckpointWriteError(OSError):
    """A checkpoint that could not be written; those before it are as they were."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A complete checkpoint: optimizer steps done, and its folder."""

    step: int
    path: Path


def scratch_path(run_dir: str | Path, step: int) -> Path:
    """Where a checkpoint is built before it gets its name."""
    return Path(run_dir) / f".checkpoint-{step}.partial"


@contextlib.contextmanager
def writing(run_dir: str | Path, step: int) -> Iterator[None]:
    """Turns whatever goes wrong with the disk into one error, and clears away what is half built.

    Raises:
        CheckpointWriteError: says why, how much room there is, and how to go on.
    """
    try:
        yield
    except BaseException as error:
        shutil.rmtree(scratch_path(run_dir, step), ignore_errors=True)
        if not is_of_the_disk(error):
            raise
        free = shutil.disk_usage(run_dir).free / 2**20
        kept = named(run_dir)
        stands = f"the run stands at step {kept[0].step}" if kept else "there is none before it"
        reason = str(error).strip().splitlines() or [type(error).__name__]
        remedy = "make room" if is_short_of_room(error) else "see to that"
        raise CheckpointWriteError(
            f"the checkpoint of step {step} cannot be written ({reason[0]}; {free:.0f} MiB free in "
            f"{run_dir}); {stands}: {remedy}, then continue it with --resume"
        ) from error


def is_of_the_disk(error: BaseException) -> bool:
    """Whether a file could not be written, rather than that something else went wrong."""
    return isinstance(error, OSError) or is_short_of_room(error)


def is_short_of_room(error: BaseException) -> bool:
    """Whether a file could not be written to its end: the disk, or a quota, is full."""
    if isinstance(error, OSError):
        return error.errno in FULL_DISK
    from safetensors import SafetensorError

    text = str(error)
    if isinstance(error, SafetensorError):  # has no number, but names it
        return any(f"(os error {number})" in text for number in FULL_DISK)
    return isinstance(error, RuntimeError) and any(sign in text for sign in _SHORT_WRITES)


def publish(run_dir: str | Path, step: int) -> Checkpoint:
    """Gives a built checkpoint its name, after everything in it is on the disk."""
    run_dir = Path(run_dir)
    scratch, final = scratch_path(run_dir, step), run_dir / f"checkpoint-{step}"
    files = sorted(path for path in scratch.iterdir() if path.name != RECORD_NAME)
    record = {
        "format_version": FORMAT_VERSION,
        "step": step,
        "sha256": {path.name: sha256_of(path) for path in files},
    }
    (scratch / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")
    for path in scratch.iterdir():
        _flush(path)
    _flush(scratch)
    if final.exists():  # a damaged one that the run was resumed past
        shutil.rmtree(final)
    scratch.rename(final)
    _flush(run_dir)
    return Checkpoint(step, final)


def rotate(run_dir: str | Path, keep: int) -> None:
    """Deletes all but the newest `keep` checkpoints and what killed processes left half-built."""
    for scratch in Path(run_dir).glob(".checkpoint-*.partial"):
        shutil.rmtree(scratch, ignore_errors=True)
    for checkpoint in named(run_dir)[keep:]:
        # Renamed first: a process killed halfway must not leave a thinned checkpoint behind.
        doomed = scratch_path(run_dir, checkpoint.step)
        checkpoint.path.rename(doomed)
        shutil.rmtree(doomed)


def to_resume(run_dir: str | Path) -> Checkpoint | None:
    """The checkpoint that a run goes on from; None where none was written yet.

    Raises:
        CheckpointError: all are damaged, or see `damage`. A run does not start over by itself.
    """
    found = newest_good(run_dir)
    if found is None and (there := named(run_dir)):
        raise CheckpointError(
            f"all checkpoints in {run_dir} are damaged ({', '.join(c.path.name for c in there)}): "
            "delete them to train from the start"
        )
    return found


def newest_good(run_dir: str | Path) -> Checkpoint | None:
    """The newest checkpoint whose files are what they should be; None when there is none.

    Damaged ones on the way are named in the log.

    Raises:
        CheckpointError, OSError: one cannot be judged, see `damage`.
    """
    for checkpoint in named(run_dir):
        problem = damage(checkpoint.path)
        if problem is None:
            return checkpoint
        log.warning("%s is damaged (%s): trying an older one", checkpoint.path, problem)
    return None


def damage(checkpoint_dir: str | Path) -> str | None:
    """What is wrong with a checkpoint; None for a good one.

    Raises:
        CheckpointError: another version wrote it. Neither that nor the next is damage: an older
            checkpoint must not take its place.
        OSError: it cannot be opened.
    """
    checkpoint_dir = Path(checkpoint_dir)
    try:
        record = json.loads((checkpoint_dir / RECORD_NAME).read_text("utf-8"))
        if record["format_version"] != FORMAT_VERSION:
            raise CheckpointError(
                f"{checkpoint_dir} has format version {record['format_version']!r}, this vidllm "
                f"reads {FORMAT_VERSION}: use the vidllm that wrote it"
            )
        for name, digest in record["sha256"].items():
            if sha256_of(checkpoint_dir / name) != digest:
                return f"{name} does not match its checksum"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if is_out_of_reach(error):
            raise
        return f"{RECORD_NAME}: {error!r}"
    return None


def save_weights(
    model: Any, directory: str | Path, *, state: Mapping[str, Any] | None = None
) -> None:
    """Writes the adapter and the parts of a `SequenceModel`.

    Args:
        model: what is saved.
        directory: exists.
        state: the whole state of the model, where its own is spread over processes.
    """
    from safetensors.torch import save_file

    directory = Path(directory)
    inside = None if state is None else _below("llm.", state)
    # Without the flag PEFT asks the hub for the base's vocabulary size.
    model.llm.save_pretrained(directory, state_dict=inside, save_embedding_layers=False)
    (directory / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
    for part, module in model.parts.items():
        tensors = module.state_dict()
        if state is not None:
            tensors = _below(f"{_name_of(model, module)}.", state)
        contiguous = {name: t.contiguous() for name, t in tensors.items()}
        save_file(contiguous, directory / f"{part}{PART_SUFFIX}")


def _below(prefix: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """What a state holds of one module, by the names inside it."""
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}


def _name_of(model: Any, wanted: Any) -> str:
    """The dotted name of a module inside the model."""
    return next(str(name) for name, module in model.named_modules() if module is wanted)


def load_weights(model: Any, directory: str | Path) -> None:
    """Loads what `save_weights` wrote into a `SequenceModel` of the same configuration.

    Raises:
        CheckpointError: files missing, or weights of another model.
    """
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    directory = Path(directory)
    try:
        adapter = load_file(directory / ADAPTER_NAME)
        parts = {part: load_file(directory / f"{part}{PART_SUFFIX}") for part in model.parts}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{directory} cannot be read: {error}") from None
    # Compared by hand: PEFT reports rows that are tied to others as missing.
    expected = get_peft_model_state_dict(model.llm, save_embedding_layers=False)
    _compare(directory / ADAPTER_NAME, adapter, expected)
    for part, tensors in parts.items():
        _compare(directory / f"{part}{PART_SUFFIX}", tensors, model.parts[part].state_dict())
    set_peft_model_state_dict(model.llm, adapter)
    for part, tensors in parts.items():
        model.parts[part].load_state_dict(tensors)


def _compare(path: Path, found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Refuses weights that are not exactly the model's.

    Raises:
        CheckpointError: names the file and the first difference.
    """
    for name in sorted({*found, *expected}):
        if name not in found:
            raise CheckpointError(f"{path} does not fit the model: it lacks {name}")
        if name not in expected:
            raise CheckpointError(f"{path} does not fit the model, which has no {name}")
        if found[name].shape != expected[name].shape:
            shapes = f"{tuple(found[name].shape)}, not {tuple(expected[name].shape)}"
            raise CheckpointError(f"{path} does not fit the model: {name} is {shapes}")


def named(run_dir: str | Path) -> list[Checkpoint]:
    """Checkpoints by name, newest first."""
    found = []
    for path in Path(run_dir).glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and path.is_dir():
            found.append(Checkpoint(int(match[1]), path))
    return sorted(found, key=lambda checkpoint: -checkpoint.step)


def _flush(path: Path) -> None:
    """Makes sure a file's content or a folder's entries are on the disk."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # folders on Windows
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

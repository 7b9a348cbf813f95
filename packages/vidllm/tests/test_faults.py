"""What happens to a run when a process, a file or a disk fails: it ends clearly, nothing is lost.

Children are forked, so that a kill costs no new start of the interpreter.
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from seqsynth.unpack import sha256_of
from vidllm import checkpoint, run_folder
from vidllm.checkpoint import CheckpointError
from vidllm.cli import main
from vidllm.config import TrainConfig
from vidllm.model.video_llm import VideoLLM
from vidllm.training import train

from .child import at

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
QUIET = Console(quiet=True)
FORWARD = (VideoLLM, "forward")
# One of the 32 forward passes of the smoke recipe each; then the steps of writing a checkpoint.
PASSES = sorted(random.Random(0).sample(range(1, 33), 3))
MOMENTS = [
    *((FORWARD, number) for number in PASSES),
    ((checkpoint, "publish"), 2),
    ((checkpoint, "_flush"), 20),
    ((checkpoint, "rotate"), 3),
]


@pytest.fixture(scope="module")
def dropping(config: TrainConfig) -> TrainConfig:
    """With dropout, so that the state of the random generators matters too."""
    return replace(config, model=replace(config.model, lora_dropout=0.2))


@pytest.fixture(scope="module")
def whole(dropping: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    run_dir = tmp_path_factory.mktemp("whole") / "run"
    run_folder.create(dropping, run_dir)
    train(dropping, run_dir, resume_from=None, console=QUIET)
    return run_dir


def forked(work: Callable[[], None]) -> int:
    """Runs in a child process; its exit status, negative for a signal."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    assert child.exitcode is not None
    return child.exitcode


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.newest_good(run_dir)
    assert found is not None
    names = (checkpoint.ADAPTER_NAME, "projector.safetensors")
    return {name: t for file in names for name, t in load_file(found.path / file).items()}


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: every loss and every weight."""
    ours, theirs = ([(r["step"], r["loss"], r["source_losses"]) for r in run_folder.read_metrics(d)]
                    for d in (one, other))  # fmt: skip
    assert ours == theirs
    mine, others = weights(one), weights(other)
    assert mine.keys() == others.keys()
    assert all(torch.equal(mine[name], others[name]) for name in mine)


@pytest.mark.parametrize(("place", "number"), MOMENTS)
def test_killed_at_any_moment_a_run_ends_as_if_it_had_not_been(
    dropping: TrainConfig,
    whole: Path,
    tmp_path: Path,
    place: tuple[object, str],
    number: int,
) -> None:
    run_dir = tmp_path / "run"
    run_folder.create(dropping, run_dir)

    def killed() -> None:
        at(place, number, lambda: os.kill(os.getpid(), signal.SIGKILL))
        train(dropping, run_dir, resume_from=None, console=QUIET)

    assert forked(killed) == -signal.SIGKILL
    rows = len(run_folder.read_metrics(run_dir))
    assert rows < 16
    found = checkpoint.to_resume(run_dir)
    assert (found.step if found else 0) >= rows // 5 * 5 - 5  # nothing older than the last good one
    # With another number of workers, now and then.
    data = replace(dropping.data, num_workers=number % 2)
    train(replace(dropping, data=data), run_dir, resume_from=found, console=QUIET)
    assert_same_run(whole, run_dir)
    assert not list(run_dir.glob(".checkpoint-*"))


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_any_shortened_file_is_noticed(whole: Path, tmp_path: Path, share: float) -> None:
    newest, before = checkpoint.named(whole)[:2]
    files = sorted(newest.path.iterdir())
    assert len(files) >= 7
    for file in files:
        copy = tmp_path / file.name
        shutil.copytree(whole, copy)
        short = copy / newest.path.name / file.name
        os.truncate(short, int(share * short.stat().st_size))
        found = checkpoint.to_resume(copy)
        assert found is not None, file.name
        assert found.step == before.step, file.name


def test_a_run_of_damaged_checkpoints_alone_does_not_start_over(
    whole: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    for found in checkpoint.named(copy):
        (found.path / "optimizer.pt").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"all checkpoints .*delete them to train from the"):
        checkpoint.to_resume(copy)
    assert len(run_folder.read_metrics(copy)) == 16


class _Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("harm-done"),)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_run_of_somebody_else_runs_no_code(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    """Nor where the checksums are those of the pickle that does."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(whole, tmp_path / "run")
    newest, before = checkpoint.named(tmp_path / "run")
    shutil.rmtree(newest.path)
    torch.save({"state": _Harmful()}, before.path / name)
    record = json.loads((before.path / checkpoint.RECORD_NAME).read_text())
    record["sha256"][name] = sha256_of(before.path / name)
    (before.path / checkpoint.RECORD_NAME).write_text(json.dumps(record))
    assert main(["train", "smoke", "--resume", "run"]) == 2
    said = capsys.readouterr().err
    assert "checkpoint-15 holds Python objects besides numbers" in said
    assert "Traceback" not in said
    assert not (tmp_path / "harm-done").exists()


@pytest.mark.parametrize("file_bytes", [20_000, 100])  # what no longer fits: state; a line of text
def test_a_full_disk_ends_the_run_in_one_line_and_room_brings_it_back(
    whole: Path, dropping: TrainConfig, tmp_path: Path, file_bytes: int
) -> None:
    resource = pytest.importorskip("resource")
    run_dir = tmp_path / "run"
    run_folder.create(dropping, run_dir)
    reading, writing = os.pipe()  # a file would end too

    def full() -> None:
        sys.stderr = os.fdopen(writing, "w")
        limit = (file_bytes, file_bytes)
        # From the 15th pass on, in step 8, files end there, as they do when a disk is full.
        at(FORWARD, 15, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
        status = main(["train", "smoke", "--resume", str(run_dir)])
        sys.stderr.close()
        os._exit(status)

    assert forked(full) == 1
    os.close(writing)
    with os.fdopen(reading) as errors:
        said = [line for line in errors.read().splitlines() if line.startswith("vidllm: ")]
    assert len(said) == 1
    assert "cannot be written" in said[0]
    assert "--resume" in said[0]
    found = checkpoint.to_resume(run_dir)
    assert found is not None
    assert found.step == 5
    assert not list(run_dir.glob(".checkpoint-*"))
    train(dropping, run_dir, resume_from=found, console=QUIET)
    assert_same_run(whole, run_dir)


def test_a_half_written_line_of_metrics_is_written_again(whole: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    shutil.copytree(whole, copy)
    with (copy / "metrics.jsonl").open("a") as handle:
        handle.write('{"step": 17, "lo')
    assert [row["step"] for row in run_folder.read_metrics(copy)] == list(range(1, 17))
    run_folder.rewind_metrics(copy, 5)
    lines = (copy / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]

"""Whole runs: they learn, they survive, and a resumed one is the uninterrupted one."""

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from vidllm import checkpoint, run_folder
from vidllm.checkpoint import Checkpoint
from vidllm.config import TrainConfig
from vidllm.model.video_llm import VideoLLM
from vidllm.stage_config import StageConfig
from vidllm.trainer import DivergenceError
from vidllm.training import Outcome, train

from .child import at, started

QUIET = Console(quiet=True)


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., tuple[Path, Outcome]]:
    """Trains into a folder of its own."""

    def make(
        config: TrainConfig, name: str = "run", resume_from: Checkpoint | None = None
    ) -> tuple[Path, Outcome]:
        run_dir = tmp_path / name
        if resume_from is None:
            run_folder.create(config, run_dir)
        return run_dir, train(config, run_dir, resume_from=resume_from, console=QUIET)

    return make


def losses(run_dir: Path) -> list[tuple[int, float, dict[str, float]]]:
    rows = run_folder.read_metrics(run_dir)
    return [(row["step"], row["loss"], row["task_losses"]) for row in rows]


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    found = checkpoint.newest_good(run_dir)
    assert found is not None
    return {
        name: tensor
        for file in ("adapter_model.safetensors", "projector.safetensors")
        for name, tensor in load_file(found.path / file).items()
    }


def assert_same_run(one: Path, other: Path) -> None:
    """Bit for bit: every loss and every weight."""
    assert losses(one) == losses(other)
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_a_run_learns_and_leaves_what_it_should(
    config: TrainConfig, run: Callable[..., tuple[Path, Outcome]]
) -> None:
    stages = (
        StageConfig(name="a", num_steps=20, caption_weight=1.0, image_weight=0.0),
        StageConfig(name="b", num_steps=5, caption_weight=1.0, image_weight=0.0, lora_scale=0.0),
    )
    optim = replace(config.optim, lora_learning_rate=1e-2, projector_learning_rate=1e-2)
    config = replace(config, optim=optim, data=replace(config.data, stages=stages))
    run_dir, outcome = run(config)
    assert outcome == Outcome(run_dir, 25, None)
    rows = run_folder.read_metrics(run_dir)
    assert [row["step"] for row in rows] == list(range(1, 26))
    assert [row["stage"] for row in rows] == ["a"] * 20 + ["b"] * 5
    first, last = ([row["loss"] for row in rows[part]] for part in (slice(3), slice(-3, None)))
    assert sum(last) / 3 < sum(first) / 3 - 0.2
    for row in rows:
        assert row["tokens"] > row["labels"] > 0
        assert row["loss"] == pytest.approx(row["task_losses"]["caption"], rel=1e-5)
        assert row["seconds"] > 0
    assert rows[22]["learning_rates"]["lora"] == 0.0
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "checkpoint-20",
        "checkpoint-25",
        "config.json",
        "manifest.json",
        "metrics.jsonl",
    ]
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["corpus"]["train_images"] == 64
    assert len(manifest["corpus"]["content_sha256"]) == 64
    assert {name: len(digest) for name, digest in manifest["templates_sha256"].items()} == {
        "paper": 64
    }
    assert manifest["starts"][0]["versions"]["torch"] == torch.__version__


def test_parts_without_a_learning_rate_stay_as_they_are(
    config: TrainConfig, run: Callable[..., tuple[Path, Outcome]]
) -> None:
    optim = replace(config.optim, projector_learning_rate=0.0, token_learning_rate=0.0)
    short = replace(config, optim=replace(optim, max_steps=3), checkpoint_every=1)
    short = replace(short, keep_checkpoints=9)
    run_dir, _ = run(short)
    first, last = (
        {
            name: tensor
            for file in ("adapter_model.safetensors", "projector.safetensors")
            for name, tensor in load_file(run_dir / f"checkpoint-{step}" / file).items()
        }
        for step in (1, 3)
    )
    changed = {name for name in first if not torch.equal(first[name], last[name])}
    assert changed
    assert all("lora" in name for name in changed)


def test_accumulation_is_exact(
    config: TrainConfig, run: Callable[..., tuple[Path, Outcome]]
) -> None:
    one, _ = run(replace(config, optim=replace(config.optim, micro_batch_size=4)), "one")
    four, _ = run(replace(config, optim=replace(config.optim, micro_batch_size=1)), "four")
    for (_, loss, by_task), (_, other, other_by_task) in zip(
        losses(one), losses(four), strict=True
    ):
        assert loss == pytest.approx(other, rel=1e-5)
        assert by_task == pytest.approx(other_by_task, rel=1e-5)
    ours, theirs = weights(one), weights(four)
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-3, atol=1e-5)


@pytest.fixture
def dropping(config: TrainConfig) -> TrainConfig:
    """With dropout, so that the state of the random generators matters too."""
    model = replace(config.model, lora_dropout=0.2)
    return replace(config, model=model, keep_checkpoints=9)


def rewound(run_dir: Path, copy: Path, step: int) -> Checkpoint:
    """A copy of a run as it stood at a checkpoint, with the metrics of the steps after it."""
    shutil.copytree(run_dir, copy)
    for later in checkpoint.named(copy):
        if later.step > step:
            shutil.rmtree(later.path)
    found = checkpoint.newest_good(copy)
    assert found is not None
    assert found.step == step
    return found


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_run_is_the_uninterrupted_one(
    dropping: TrainConfig,
    run: Callable[..., tuple[Path, Outcome]],
    tmp_path: Path,
    num_workers: int,
) -> None:
    whole, _ = run(dropping, "whole")
    for step in (5, 15) if num_workers == 0 else (10,):
        name = f"from-{step}"
        found = rewound(whole, tmp_path / name, step)
        resumed = replace(dropping, data=replace(dropping.data, num_workers=num_workers))
        run_dir, outcome = run(resumed, name, found)
        assert outcome.step == 16
        assert_same_run(whole, run_dir)


def test_a_damaged_checkpoint_costs_its_steps_only(
    dropping: TrainConfig, run: Callable[..., tuple[Path, Outcome]], tmp_path: Path
) -> None:
    whole, _ = run(dropping, "whole")
    rewound(whole, tmp_path / "damaged", 10)
    optimizer = tmp_path / "damaged" / "checkpoint-10" / "optimizer.pt"
    optimizer.write_bytes(optimizer.read_bytes()[:100])
    found = checkpoint.newest_good(tmp_path / "damaged")
    assert found is not None
    assert found.step == 5
    run_dir, _ = run(dropping, "damaged", found)
    assert_same_run(whole, run_dir)
    assert checkpoint.damage(run_dir / "checkpoint-10") is None


def test_a_loss_that_is_no_number_ends_the_run_clearly(
    config: TrainConfig,
    run: Callable[..., tuple[Path, Outcome]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    forward = VideoLLM.forward
    calls = []

    def spoiled(self: VideoLLM, **batch: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        outputs = forward(self, **batch)
        return {**outputs, "loss": outputs["loss"] * math.nan} if len(calls) == 7 else outputs

    monkeypatch.setattr(VideoLLM, "forward", spoiled)
    once = replace(config, optim=replace(config.optim, micro_batch_size=4))
    with pytest.raises(DivergenceError, match=r"the loss is nan at step 7: lower optim\.lora"):
        run(once)
    assert len(losses(tmp_path / "run")) == 6
    found = checkpoint.newest_good(tmp_path / "run")
    assert found is not None
    assert found.step == 5


KILLED_STEPS = 45
HELD_PASS = 47  # the first forward pass of step 24, between two checkpoints
STOPPED_STEPS = 2000  # so many that no run ends before its test has stopped it


@pytest.fixture
def words(cache_dir: Path) -> Callable[..., list[str]]:
    """What is typed after `vidllm`."""

    def make(*flags: str) -> list[str]:
        cache = ["--data.cache-dir", str(cache_dir)] if "--resume" not in flags else []
        return ["train", "smoke", *flags, *cache]

    return make


def wait_for_steps(run_dir: Path, count: int, has_ended: Callable[[], bool]) -> None:
    path = run_dir / "metrics.jsonl"
    while not path.exists() or path.read_text().count("\n") < count:
        assert not has_ended(), f"ended before step {count}"
        time.sleep(0.01)


def test_killed_and_resumed_equals_uninterrupted(
    words: Callable[..., list[str]],
    run: Callable[..., tuple[Path, Outcome]],
    dropping: TrainConfig,
    tmp_path: Path,
) -> None:
    def stand_still() -> None:  # until it is killed, however busy the machine is
        at((VideoLLM, "forward"), HELD_PASS, signal.pause)

    killed = tmp_path / "killed"
    long = ["--optim.max-steps", str(KILLED_STEPS), "--model.lora-dropout", "0.2"]
    child = started(words(*long, "--out", str(killed)), tmp_path / "log", stand_still)
    optim = replace(dropping.optim, max_steps=KILLED_STEPS)
    config = replace(dropping, keep_checkpoints=2, optim=optim)
    whole, _ = run(config, "whole")
    wait_for_steps(killed, 23, lambda: not child.process.is_alive())
    os.kill(child.pid, signal.SIGKILL)
    assert child.ended() == -signal.SIGKILL
    assert run_folder.load_config(killed) == config
    assert len(losses(killed)) == 23
    child = started(words("--resume", str(killed)), tmp_path / "log")
    assert child.ended() == 0, child.said()
    assert [step for step, _, _ in losses(killed)] == list(range(1, KILLED_STEPS + 1))
    assert_same_run(whole, killed)
    assert len(json.loads((killed / "manifest.json").read_text())["starts"]) == 2


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_polite_stop_writes_a_checkpoint_and_says_how_to_go_on(
    words: Callable[..., list[str]], tmp_path: Path, number: int, status: int
) -> None:
    run_dir = tmp_path / "run"
    long = ["--optim.max-steps", str(STOPPED_STEPS)]
    child = started(words(*long, "--out", str(run_dir)), tmp_path / "log")
    wait_for_steps(run_dir, 7, lambda: not child.process.is_alive())
    os.kill(child.pid, number)
    ended, said = child.ended(), child.said()
    assert ended == status, said
    steps = len(losses(run_dir))
    found = checkpoint.newest_good(run_dir)
    assert found is not None
    assert 7 <= found.step == steps < STOPPED_STEPS
    assert f"stopped after step {steps} of {STOPPED_STEPS}; a checkpoint is written" in said
    assert f"Go on with: vidllm train smoke --resume {run_dir}" in " ".join(said.split())
    assert "Traceback" not in said

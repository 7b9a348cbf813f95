"""FSDP2 over two gloo processes on the CPU: the same run, its checkpoints whole and resumable."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file

from vidllm import checkpoint, run_folder
from vidllm.assembly import Assembly
from vidllm.config import TrainConfig
from vidllm.training import train

FILES = (checkpoint.ADAPTER_NAME, "projector.safetensors")
NUM_STEPS, CHECKPOINT_EVERY = 6, 3


def sharded(cache_dir: Path, *flags: str) -> None:
    """Trains over two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "SEQ2TIME_CACHE": str(cache_dir),
    }
    command = [*launcher, "-m", "vidllm", "train", "smoke", *flags]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def losses(run_dir: Path) -> list[float]:
    return [row["loss"] for row in run_folder.read_metrics(run_dir)]


def weights(run_dir: Path, step: int) -> dict[str, torch.Tensor]:
    folder = run_dir / f"checkpoint-{step}"
    return {name: tensor for file in FILES for name, tensor in load_file(folder / file).items()}


@pytest.mark.distributed
def test_a_sharded_run_is_the_run_and_resumes(
    tmp_path: Path, cache_dir: Path, config: TrainConfig, assembly: Assembly, features: object
) -> None:
    plain = replace(
        config,
        optim=replace(config.optim, max_steps=NUM_STEPS),
        checkpoint_every=CHECKPOINT_EVERY,
    )
    run_folder.create(plain, tmp_path / "plain")
    train(plain, tmp_path / "plain", resume_from=None, console=Console(quiet=True))

    whole, again = tmp_path / "whole", tmp_path / "again"
    flags = ("--compute.fsdp", "--optim.max-steps", str(NUM_STEPS), "--out", str(whole))
    sharded(cache_dir, *flags, "--checkpoint-every", str(CHECKPOINT_EVERY))
    assert (whole / f"checkpoint-{NUM_STEPS}" / "optimizer.bin").exists()  # what FSDP writes
    assert losses(whole) == pytest.approx(losses(tmp_path / "plain"), rel=1e-4)
    ours, theirs = weights(whole, NUM_STEPS), weights(tmp_path / "plain", NUM_STEPS)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-4, msg=name)
    checkpoint.load_weights(assembly.model, whole / f"checkpoint-{NUM_STEPS}")

    shutil.copytree(whole, again)
    shutil.rmtree(again / f"checkpoint-{NUM_STEPS}")  # as if killed before it
    sharded(cache_dir, "--resume", str(again))
    assert losses(again) == losses(whole)
    resumed = weights(again, NUM_STEPS)
    assert all(torch.equal(resumed[name], ours[name]) for name in ours)

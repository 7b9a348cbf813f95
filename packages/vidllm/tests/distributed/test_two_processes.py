"""Two gloo processes against one with twice the accumulation: the same step."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SCRIPT = Path(__file__).with_name("two_ranks.py")


def step_with(
    num_processes: int, micro_batch: int, tmp_path: Path, cache_dir: Path
) -> dict[str, torch.Tensor]:
    out = tmp_path / f"{num_processes}x{micro_batch}.safetensors"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [
        *launcher,
        f"--nproc-per-node={num_processes}",
        str(SCRIPT),
        str(cache_dir),
        str(micro_batch),
        str(out),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.mark.distributed
def test_two_processes_equal_two_accumulations(
    tmp_path: Path, cache_dir: Path, features: object
) -> None:
    one = step_with(1, 2, tmp_path, cache_dir)
    two = step_with(2, 2, tmp_path, cache_dir)
    assert one.keys() == two.keys()
    assert sum(name.startswith("0/") for name in one) > 10
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-5, atol=1e-5, msg=name)
    assert len(one["losses"]) == 3
    assert int(two["checkpoints"]) == 1


@pytest.mark.distributed
def test_the_command_trains_one_run_in_two_processes(tmp_path: Path, cache_dir: Path) -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    train = ["-m", "vidllm", "train", "smoke", "--optim.max-steps", "3"]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "SEQ2TIME_CACHE": str(cache_dir),
    }
    done = subprocess.run(
        [*launcher, *train],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert done.stdout.strip() == f"runs/{run_dir.name}"
    rows = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 3
    assert sorted(path.name for path in (run_dir / "checkpoint-3").glob("rng_state*")) == [
        "rng_state_0.pth",
        "rng_state_1.pth",
    ]

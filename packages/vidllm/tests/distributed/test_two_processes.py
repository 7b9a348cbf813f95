"""Two gloo processes against one with twice the accumulation: the same step."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from seqsynth import Corpus, build_default_benchmark
from vidllm import checkpoint, run_folder
from vidllm.prediction_files import read_predictions

from ..small_benchmark import SMALL_BENCHMARK

SCRIPT = Path(__file__).with_name("two_ranks.py")
DYING_RANK = Path(__file__).with_name("dying_rank.py")


def step_with(
    num_processes: int, micro_batch: int, tmp_path: Path, cache_dir: Path, *more: str
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
        *more,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return load_file(out)


@pytest.mark.distributed
def test_two_processes_equal_two_accumulations(
    tmp_path: Path, cache_dir: Path, features: object
) -> None:
    assert_same_steps(step_with(1, 2, tmp_path, cache_dir), step_with(2, 2, tmp_path, cache_dir))


@pytest.mark.distributed
def test_two_processes_wait_for_no_part_that_one_of_them_has_no_use_for(
    tmp_path: Path, cache_dir: Path, bases: Callable[..., Path]
) -> None:
    """An untied base whose connector learns, captions without places, batches without pictures."""
    base = str(bases("qwen3_vl"))
    one = step_with(1, 1, tmp_path, cache_dir, base)
    two = step_with(2, 1, tmp_path, cache_dir, base)
    assert 0 < one.pop("without_pictures") < 12  # of the micro batches
    del two["without_pictures"]
    assert sum("modules_to_save" in name for name in one) > 10
    assert sum("trainable_tokens_delta" in name for name in one if name.startswith("0/")) == 2
    assert_same_steps(one, two)


def assert_same_steps(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> None:
    assert one.keys() == two.keys()
    assert sum(name.startswith("0/") for name in one) > 10
    assert sum(name.startswith("weights/") for name in one) > 10
    for name, expected in one.items():
        # AdamW divides by the size of gradients: where they are nearly 0 their rounding grows.
        rtol = 1e-3 if name.startswith("weights/") else 1e-5
        torch.testing.assert_close(expected, two[name], rtol=rtol, atol=1e-5, msg=name)
    assert len(one["losses"]) == 3
    assert int(two["checkpoints"]) == 1


@pytest.mark.distributed
def test_the_commands_train_and_ask_one_run_in_two_processes(
    tmp_path: Path, cache_dir: Path, corpus: Corpus
) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "SEQ2TIME_CACHE": str(cache_dir),
    }

    def done_by_two(*words: str) -> subprocess.CompletedProcess[str]:
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        done = subprocess.run(
            [sys.executable, "-m", *launcher, "-m", "--", "vidllm", *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    done = done_by_two("train", "smoke", "--optim.max-steps", "3")
    (run_dir,) = (tmp_path / "runs").iterdir()
    assert done.stdout.strip() == f"runs/{run_dir.name}"
    rows = (run_dir / "metrics.jsonl").read_text().splitlines()
    assert len(rows) == 3
    assert sorted(path.name for path in (run_dir / "checkpoint-3").glob("rng_state*")) == [
        "rng_state_0.pth",
        "rng_state_1.pth",
    ]
    done = done_by_two("train", "smoke", "--resume")
    assert done.stderr.count("is complete: 3 steps") == 1
    build_default_benchmark(corpus, tmp_path / "bench", SMALL_BENCHMARK)
    done_by_two("predict", "bench", "--run", str(run_dir), "--out", "rows/rows.jsonl")
    asked = (tmp_path / "bench" / "references.jsonl").read_text().splitlines()
    assert len(read_predictions(tmp_path / "rows" / "rows.jsonl")) == len(asked)
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == [
        "rows.jsonl",
        "rows.jsonl.made_with.json",
    ]


@pytest.mark.distributed
def test_when_one_rank_dies_the_run_ends_and_goes_on_from_its_checkpoint(
    tmp_path: Path, cache_dir: Path
) -> None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "SEQ2TIME_CACHE": str(cache_dir),
    }

    def by_two(*words: str) -> subprocess.CompletedProcess[str]:
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        command = [sys.executable, "-m", *launcher, *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    run_dir = tmp_path / "run"
    settings = ["--optim.max-steps", "10", "--checkpoint-every", "1", "--out", str(run_dir)]
    done = by_two(str(DYING_RANK), "5", "train", "smoke", *settings)
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr
    assert len(run_folder.read_metrics(run_dir)) == 4
    found = checkpoint.newest_good(run_dir)
    assert found is not None
    assert found.step in (3, 4)  # the other may have been writing the fourth
    done = by_two("-m", "vidllm", "train", "smoke", "--resume", str(run_dir))
    assert done.returncode == 0, done.stderr[-3000:]
    assert [row["step"] for row in run_folder.read_metrics(run_dir)] == list(range(1, 11))

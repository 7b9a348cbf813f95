"""The Slurm example, with stand-ins for Slurm's own commands: what torchrun is asked to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "examples" / "slurm.sh"

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="no bash on PATH")


def submitted(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the script on a cluster of two nodes that only prints what it is told."""
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir(exist_ok=True)
    for name, body in {
        "scontrol": "printf 'node7\\nnode8\\n'",
        "srun": 'printf "%s\\n" "$@"',
    }.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{body}\n")
        (stand_ins / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_NODELIST": "node[7-8]",
        "SLURM_JOB_NUM_NODES": "2",
        "SLURM_JOB_ID": "42",
        "SLURM_GPUS_ON_NODE": "8",
        "PATH": f"{stand_ins}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", str(SCRIPT), *arguments], env=slurm, capture_output=True, text=True, check=False
    )


def test_torchrun_gets_the_nodes_and_the_run(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    words = submitted(tmp_path, "paper", "--data.root", "/data", "--out", out).stdout.split()
    assert words[words.index("--nnodes") + 1] == "2"
    assert words[words.index("--nproc-per-node") + 1] == "8"
    assert words[words.index("--rdzv-endpoint") + 1] == "node7:29500"
    assert words[-7:] == ["vidllm", "train", "paper", "--data.root", "/data", "--out", out]


@pytest.mark.parametrize("form", ["--out {}", "--out={}"])
def test_a_requeued_job_goes_on(form: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "config.json").write_text("{}")
    named = form.format(out).split()
    words = submitted(tmp_path, "paper", "--data.root", "/data", *named).stdout.split()
    assert words[-5:] == ["vidllm", "train", "paper", "--resume", str(out)]


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert "name a recipe" in submitted(tmp_path).stderr
    done = submitted(tmp_path, "paper")
    assert (done.returncode, done.stdout) == (2, "")
    assert "name the run folder with --out" in done.stderr

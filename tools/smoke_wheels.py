"""Install the built wheels away from the checkout and use each once, as a stranger would.

vidllm needs torch, whose installation takes longer than everything else here together: its wheel is
unpacked beside the shared environment's libraries (`--torch-python`) and used from there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIGHT = ("timetokens", "seqsynth", "metrics", "native")

SNIPPETS = {
    "timetokens": """
import timetokens as tt
assert tt.encode(7, 96) == "<0><7><2><9>" and tt.decode_item("<0><7><2><9>", 96) == 7
""",
    "seqsynth": """
import numpy as np
from seqsynth.clip_table import ClipTable
from seqsynth.sampler import SamplerSpec, SequencePlanner
rows = np.arange(12)
table = ClipTable(labels=rows, durations_ms=rows + 1000, num_source_frames=rows + 30)
assert SequencePlanner(table, SamplerSpec()).plan(0, 0).frame_counts.sum() == 96
""",
    "vidmetrics": """
import vidmetrics as vm
scores = vm.evaluate_grounding({"q": [(0.0, 2.0)]}, {"q": [(0.0, 2.0)]})
assert scores.mean_iou == 1.0, scores
""",
    "seqnative": """
from dataclasses import asdict
import numpy as np
import seqnative
from seqsynth.sampler import SamplerSpec
rows = np.arange(12)
planner = seqnative.SequencePlanner(rows, rows + 1000, rows + 30, **asdict(SamplerSpec()))
assert planner.plan(0, 0)[1].sum() == 96
""",
    "vidllm": """
from vidllm.cli import main
assert main(["train", "smoke", "--dry-run", "--json", "-"]) == 0
""",
}
COMMANDS = ("timetokens", "seqsynth", "vidmetrics", "vidllm")


def wheel_of(folder: Path, name: str) -> str:
    """The path of one distribution's wheel."""
    return str(next(folder.glob(f"seq2time_{name}-*.whl")).resolve())


def use(python: Path, package: str, home: Path, env: dict[str, str]) -> None:
    """Import a package, see that it comes from `home`, make one real call, ask for its help."""
    where = f"import {package}, pathlib\npath = pathlib.Path({package}.__file__).resolve()\n"
    where += f"assert path.is_relative_to({str(home.resolve())!r}), path\n"
    code = where + SNIPPETS[package]
    subprocess.run([python, "-c", code], check=True, cwd=home, env=env)
    if package in COMMANDS:
        command = [str(python), "-m", package, "--help"]
        subprocess.run(command, check=True, cwd=home, env=env, stdout=subprocess.DEVNULL)
    print(f"{package}: works as installed", flush=True)


def main() -> int:
    """Install, import, call; an exception names what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheels", type=Path, help="folder of the wheels")
    parser.add_argument("--torch-python", type=Path, required=True, help="a Python with torch")
    arguments = parser.parse_args()
    constraints = str(ROOT / "constraints.txt")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "clean", with_pip=True)
        python = home / "clean" / ("Scripts" if os.name == "nt" else "bin") / "python"
        pip = [str(python), "-m", "pip", "install", "-q", "-c", constraints]
        wheels = [wheel_of(arguments.wheels, name) for name in LIGHT]
        subprocess.run([*pip, *wheels], check=True, env=env)
        for package in ("timetokens", "seqsynth", "vidmetrics", "seqnative"):
            use(python, package, home, env)
        beside = home / "beside"
        torch_python = arguments.torch_python.absolute()
        pip = [str(torch_python), "-m", "pip", "install", "-q", "--no-deps", "--target"]
        subprocess.run([*pip, str(beside), wheel_of(arguments.wheels, "vidllm")], check=True)
        use(torch_python, "vidllm", home, {**env, "PYTHONPATH": str(beside)})
    return 0


if __name__ == "__main__":
    sys.exit(main())

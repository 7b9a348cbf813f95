"""Write the type stubs of seqnative's modules from what is compiled, or check that they are fresh.

Without the stubs in the source tree mypy would take everything compiled for `Any` and pass. The
module of the CUDA kernels is looked at where it was built.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "native/python/seqnative"
MODULES = ("_cpu", "_cuda")


def generate(module: str) -> str:
    """The stub of a module that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", f"seqnative.{module}", "-o", folder]
        done = subprocess.run(
            [*command, "--exit-code"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pybind11-stubgen failed:\n{done.stdout}{done.stderr}")
        return (Path(folder) / "seqnative" / f"{module}.pyi").read_text("utf-8")


def main() -> int:
    """Write the stubs, or with --check compare; 1 when one is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if importlib.util.find_spec("seqnative") is None:
        print("seqnative is not installed here: the stubs were not looked at")
        return 0
    for module in MODULES:
        if importlib.util.find_spec(f"seqnative.{module}") is None:
            print(f"seqnative.{module} was not built here: its stub was not looked at")
            continue
        path, stub = FOLDER / f"{module}.pyi", generate(module)
        if not arguments.check:
            path.write_text(stub, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != stub:
            print(f"{path} is stale: run `nox -s stubs` and commit it")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

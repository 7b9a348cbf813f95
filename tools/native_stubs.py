"""Write the type stub of seqnative._cpu from the compiled module, or check that it is fresh.

Without the stub in the source tree mypy would take everything compiled for `Any` and pass.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).resolve().parent.parent / "native/python/seqnative/_cpu.pyi"


def generate() -> str:
    """The stub of the module that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pybind11_stubgen", "seqnative._cpu", "-o", folder]
        done = subprocess.run(
            [*command, "--exit-code"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"pybind11-stubgen failed:\n{done.stdout}{done.stderr}")
        return (Path(folder) / "seqnative" / "_cpu.pyi").read_text()


def main() -> int:
    """Write the stub, or with --check compare; 1 when it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    arguments = parser.parse_args()
    if importlib.util.find_spec("seqnative") is None:
        print("seqnative is not installed here: the stub was not looked at")
        return 0
    stub = generate()
    if not arguments.check:
        STUB.write_text(stub)
    elif not STUB.exists() or STUB.read_text() != stub:
        print(f"{STUB} is stale: run `nox -s stubs` and commit it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

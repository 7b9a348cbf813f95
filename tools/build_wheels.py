"""Build the sdist and the wheel of every distribution, and check what is in the wheels.

Every wheel is built from its sdist, never from the checkout: so a file that the sdist forgets is
missed here and not by the first user. Reads nothing outside the repository but the index.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from check_versions import FOLDERS, ROOT

PURE_TAG = "py3-none-any"
MAX_BYTES = {"seq2time_timetokens": 60_000}


def build(folder: str, out: Path) -> Path:
    """The wheel of one folder, built from the sdist of that folder; both end up in `out`."""
    before = set(out.glob("*.whl"))
    print(f"building {folder}", flush=True)
    # The pure packages need hatchling alone, which is installed here; native declares what it
    # needs, and isolation proves that. Its wheels are built without CUDA: one with and one without
    # would have the same file name.
    isolation = [] if folder == "native" else ["--no-isolation"]
    command = [sys.executable, "-m", "build", *isolation, "--outdir", str(out), str(ROOT / folder)]
    env = {**os.environ, "SEQNATIVE_CUDA": "OFF", "SEQNATIVE_WERROR": "ON"}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env)
    return next(iter(set(out.glob("*.whl")) - before))


def complaints(wheel: Path) -> Iterator[str]:
    """What is wrong with the content of one wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    if not any(name.endswith("/py.typed") for name in names):
        yield f"{wheel.name}: no py.typed"
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        yield f"{wheel.name}: no LICENSE"
    strays = [name for name in names if name.startswith(("tests/", "benchmarks/", "src/"))]
    if strays:
        yield f"{wheel.name}: {strays[0]} does not belong into a wheel"
    distribution = wheel.name.partition("-")[0]
    is_native = distribution == "seq2time_native"
    if is_native == wheel.stem.endswith(PURE_TAG):
        yield f"{wheel.name}: unexpected tag"
    limit = MAX_BYTES.get(distribution)
    size = wheel.stat().st_size
    if limit is not None and size >= limit:
        yield f"{wheel.name}: {size} bytes, the limit is {limit}"


def main() -> int:
    """Build everything into --out; 1 when a wheel is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder, emptied first")
    out = parser.parse_args().out
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    found: list[str] = []
    for folder in FOLDERS:
        wheel = build(folder, out)
        print(f"  {wheel.name}: {wheel.stat().st_size:,} bytes", flush=True)
        found += complaints(wheel)
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the benchmarks of all packages and keep their figures in docs/benchmarks.{json,md}.

A benchmark is a file in packages/*/benchmarks or native/benchmarks with a function `run()` that
returns {case: {"ours", "peer", "ratio", "unit", "runs"}}. `ratio` says how many times better ours
is (above 1 is better, whatever the unit); `peer` and `ratio` are null where there is nothing to
compare with; a "note" may follow. Cases that do not run this time keep the figures of the last.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "docs" / "benchmarks.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN = "<!-- begin: written by nox -s bench -->"
END = "<!-- end -->"
FIELDS = {"ours", "peer", "ratio", "unit", "runs"}
EMPTY_PAGE = f"""# Benchmarks

`nox -s bench` measures everything here on the machine it runs on and writes
`docs/benchmarks.json`, from which this table is made. Ratio: how many times better ours is than the
peer in the same run on the same data; below 1 we are worse. Compare figures of one machine only.

{BEGIN}
{END}
"""

Case = dict[str, Any]


def benchmark_files(names: Sequence[str]) -> list[Path]:
    """The files named (by stem), or all."""
    found = [*ROOT.glob("packages/*/benchmarks/*.py"), *ROOT.glob("native/benchmarks/*.py")]
    known = {path.stem: path for path in found if not path.stem.startswith("_")}
    unknown = set(names) - set(known)
    if unknown:
        raise SystemExit(f"no benchmark is called {sorted(unknown)}, known are {sorted(known)}")
    return [known[name] for name in (names or sorted(known))]


def load(path: Path) -> ModuleType:
    """A file with a benchmark, as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickled workers look their module up by name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run_file(path: Path) -> dict[str, Case]:
    """The cases of one file, checked."""
    cases: dict[str, Case] = load(path).run()
    for name, case in cases.items():
        missing = FIELDS - set(case)
        if missing:
            raise ValueError(f"{path}: case {name} lacks {sorted(missing)}")
    return cases


def machine() -> str:
    """What the figures depend on."""
    model = platform.processor() or platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        lines = cpu_info.read_text("utf-8").splitlines()
        names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
        model = next(names, model).strip()
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def number(value: float | None) -> str:
    """Three significant digits, thousands in full."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(figures: dict[str, Case]) -> str:
    """The figures as Markdown, one case a row, machines in footnotes."""
    machines = sorted({case.get("machine", "") for case in figures.values()})
    lines = [
        "| case | ours | peer | ratio | unit | runs | machine |",
        "|---|--:|--:|--:|---|--:|--:|",
    ]
    for name, case in sorted(figures.items()):
        cells = [
            f"`{name}`",
            number(case["ours"]),
            number(case["peer"]),
            number(case["ratio"]),
            case["unit"],
            str(case["runs"]),
            str(machines.index(case.get("machine", "")) + 1),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"Machine {place}: {text}." for place, text in enumerate(machines, 1))]
    notes = [(name, case["note"]) for name, case in sorted(figures.items()) if "note" in case]
    if notes:
        lines += ["", *(f"- `{name}`: {note}" for name, note in notes)]
    return "\n".join(lines)


def page_with(figures: dict[str, Case]) -> str:
    """docs/benchmarks.md with a fresh table; the text around it stays."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else EMPTY_PAGE
    before, found_begin, rest = page.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not found_begin or not found_end:
        raise SystemExit(f"{PAGE}: the lines {BEGIN!r} and {END!r} are gone")
    return f"{before}{BEGIN}\n\n{table(figures)}\n\n{END}{after}"


def keep(figures: dict[str, Case]) -> None:
    """Write the figures, and the page that shows them."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=2, sort_keys=True) + "\n", "utf-8")
    PAGE.write_text(page_with(figures), "utf-8")


def measure(names: Sequence[str], figures: dict[str, Case]) -> int:
    """Update the figures and the page with what runs here; the number of files that failed."""
    failed = 0
    where = {"machine": machine(), "date": datetime.now(UTC).strftime("%Y-%m-%d")}
    for path in benchmark_files(names):
        print(f"{path.relative_to(ROOT)} ...", flush=True)
        try:
            cases = run_file(path)
        except Exception:  # one benchmark that breaks must not lose the figures of the others
            traceback.print_exc()
            failed += 1
            continue
        for name, case in cases.items():
            figures[name] = {**case, **where}
            print(f"  {name}: {number(case['ours'])} {case['unit']}, ratio {number(case['ratio'])}")
        keep(figures)  # all of them take the better part of an hour: Ctrl-C loses one file's
    return failed


def main() -> int:
    """Measure and write, or with --check only compare the page with the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="files to run, by stem; default: all")
    parser.add_argument("--check", action="store_true", help="is docs/benchmarks.md up to date?")
    arguments = parser.parse_args()
    figures: dict[str, Case] = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    if arguments.check:
        if PAGE.exists() and PAGE.read_text("utf-8") != page_with(figures):
            print(f"{PAGE} does not show {FIGURES}: run `nox -s bench`")
            return 1
        return 0
    return 1 if measure(arguments.names, figures) else 0


if __name__ == "__main__":
    sys.exit(main())

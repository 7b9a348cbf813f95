"""Writes docs/licences.md: whose work the packages need or fetch, and under which licence it comes.

Of libraries that is what their installed metadata say, in the environment that this runs in; of
data what `seqsynth fetch` prints. `--check` compares, and changes nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from check_versions import ROOT, read_distributions
from seqsynth.benchmark_packages import FETCH_SETS
from vidmetrics.meteor_data import PACKAGE as METEOR

PAGE = ROOT / "docs" / "licences.md"
# What torch brings to machines with a GPU, and to no others.
OF_GPUS = ("nvidia-", "cuda-", "triton")
# What libraries write in place of the identifier that SPDX has for it.
IDENTIFIERS = {
    "Apache": "Apache-2.0",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ISC License": "ISC",
    "Python Software Foundation License": "PSF-2.0",
}
_LONGEST_NAME = 60  # beyond, it is the text of the licence

HEAD = """# Licences

The code of this repository is under Apache-2.0 (`LICENSE`). Nothing that is listed here is part of
it: libraries are installed beside it, data are downloaded when they are asked for. The page is
written by `python tools/licences.py`.

## Libraries

Those that the packages need, and that these need in turn, as installed without a GPU
(`constraints.txt` has the versions); the licence is what each library's metadata say. On machines
with a GPU, torch also brings NVIDIA's libraries, under NVIDIA's own terms. What extras bring (vLLM,
Ray, DALI and others) is not listed.

| library | licence | needed by |
|---|---|---|
"""
DATA = """
## Data and models

| part | what `seqsynth fetch` brings | licence | package |
|---|---|---|---|
"""
METEOR_ROW = f"""
`vidmetrics fetch meteor-data` reads the paraphrase table of METEOR 1.5 (LGPL-2.1) and words of
WordNet 3.0 (WordNet licence) out of `{METEOR}`.
"""


def needed_by() -> dict[str, set[str]]:
    """Installed libraries, each with those of our packages that need it."""
    users: dict[str, set[str]] = defaultdict(set)
    for ours in read_distributions():
        waiting = [Requirement(line) for line in ours.project.get("dependencies", [])]
        while waiting:
            requirement = waiting.pop()
            name = canonicalize_name(requirement.name)
            if name.startswith("seq2time-") or ours.label in users[name]:
                continue  # what another of ours needs is listed as needed by that one
            users[name].add(ours.label)
            waiting += required_by(name, requirement.extras)
    return {
        name: labels
        for name, labels in users.items()
        if not name.startswith(OF_GPUS) and found(name) is not None
    }


def found(name: str) -> Distribution | None:
    """The library, where it is installed: elsewhere others are."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def required_by(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed library needs here."""
    library = found(name)
    lines = (library.requires or []) if library else []
    return [
        requirement
        for requirement in map(Requirement, lines)
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras))
    ]


def licence_of(library: Distribution) -> str:
    """The licence as one name: by SPDX where the metadata say so, else as they say it."""
    metadata = library.metadata
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    text = metadata["License"].strip() if "License" in metadata else ""
    if text and "\n" not in text and len(text) <= _LONGEST_NAME:
        return IDENTIFIERS.get(text, text)
    classifiers = metadata.get_all("Classifier") or []
    names = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    if not names:
        raise SystemExit(f"{metadata['Name']} does not say its licence")
    return " or ".join(IDENTIFIERS.get(name, name) for name in names)


def page() -> str:
    """The whole page."""
    rows = []
    for name, labels in sorted(needed_by().items()):
        users = ", ".join(sorted(labels))
        rows.append(f"| {name} | {licence_of(distribution(name))} | {users} |")
    data = [
        f"| {package.part} | {package.holds} | {package.licence} | `{package.requirement}` |"
        for packages in FETCH_SETS.values()
        for package in packages
    ]
    return HEAD + "\n".join(rows) + "\n" + DATA + "\n".join(data) + "\n" + METEOR_ROW


def main() -> None:
    """Writes or checks the page."""
    parser = argparse.ArgumentParser(description="List licences in docs/licences.md.")
    parser.add_argument("--check", action="store_true", help="compare, change nothing")
    options = parser.parse_args()
    fresh = page()
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == fresh:
        return
    if options.check:
        sys.exit("docs/licences.md is out of date: run `.nox/env/bin/python tools/licences.py`")
    PAGE.write_text(fresh, encoding="utf-8")


if __name__ == "__main__":
    main()

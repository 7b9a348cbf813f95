"""Check that what the distributions say about themselves and about each other fits together.

`python tools/check_versions.py` checks the checkout; with `--tag timetokens-v0.3.0` also that the
tag names the version that is checked in, which is what a release job has to know.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
# Folder of each distribution; its last part is the name that release tags use.
FOLDERS = (
    "packages/timetokens",
    "packages/seqsynth",
    "packages/vidllm",
    "packages/metrics",
    "native",
)
LICENSE_NAME = "Apache-2.0"
REQUIRES_PYTHON = ">=3.11"
VERSION_HEADING = re.compile(r"^## \[?(\d[^\]\s]*)\]?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Distribution:
    """One folder with a pyproject.toml."""

    folder: Path
    project: dict[str, Any]

    @property
    def name(self) -> str:
        """The name on the index."""
        return canonicalize_name(self.project["name"])

    @property
    def label(self) -> str:
        """The name in messages and tags."""
        return self.folder.name

    def requirements(self) -> list[Requirement]:
        """What it needs, extras included."""
        lines = list(self.project.get("dependencies", []))
        for extra in self.project.get("optional-dependencies", {}).values():
            lines += extra
        return [Requirement(line) for line in lines]


def read_distributions() -> list[Distribution]:
    """All five."""
    found = []
    for name in FOLDERS:
        folder = ROOT / name
        with (folder / "pyproject.toml").open("rb") as file:
            found.append(Distribution(folder, tomllib.load(file)["project"]))
    return found


def read_pins() -> dict[str, Version]:
    """Name -> version of constraints.txt."""
    pins: dict[str, Version] = {}
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        name, separator, version = line.partition("==")
        if separator and not line.startswith("#"):
            pins[canonicalize_name(name)] = Version(version)
    return pins


def itself(distribution: Distribution) -> Iterator[str]:
    """Version, changelog, licence and Python range of one distribution."""
    label, project = distribution.label, distribution.project
    if "version" not in project:
        yield f"{label}: the version is not written in pyproject.toml"
        return
    changelog = (distribution.folder / "CHANGELOG.md").read_text("utf-8")
    heading = VERSION_HEADING.search(changelog)
    if heading is None or Version(heading[1]) != Version(project["version"]):
        newest = heading[1] if heading else "none"
        yield f"{label}: version {project['version']}, but the changelog's newest is {newest}"
    if project.get("license") != LICENSE_NAME:
        yield f"{label}: license = {project.get('license')!r}, expected {LICENSE_NAME!r}"
    licence = distribution.folder / "LICENSE"
    if not licence.exists() or licence.read_bytes() != (ROOT / "LICENSE").read_bytes():
        yield f"{label}: LICENSE must be a copy of the root's, or its wheel comes without one"
    if project.get("requires-python") != REQUIRES_PYTHON:
        yield f"{label}: requires-python must be {REQUIRES_PYTHON!r}"
    if not list(distribution.folder.rglob("py.typed")):
        yield f"{label}: py.typed is missing"


def siblings(distribution: Distribution, versions: dict[str, Version]) -> Iterator[str]:
    """Whether its requirements accept the siblings that are checked in."""
    for requirement in distribution.requirements():
        version = versions.get(canonicalize_name(requirement.name))
        if version is None:
            continue
        if requirement.name == "seq2time-native":
            if str(requirement.specifier) != f"=={version}":
                yield f"{distribution.label}: {requirement} must be pinned to =={version} exactly"
        elif "<" not in str(requirement.specifier):
            yield f"{distribution.label}: {requirement} needs an upper bound"
        elif version not in requirement.specifier:
            yield f"{distribution.label}: {requirement} refuses {version}, which is checked in"


def pinned(distribution: Distribution, ours: set[str], pins: dict[str, Version]) -> Iterator[str]:
    """Whether constraints.txt pins what it needs to a version that it accepts."""
    for line in distribution.project.get("dependencies", []):
        requirement = Requirement(line)
        name = canonicalize_name(requirement.name)
        if name in ours:
            continue
        if name not in pins:
            yield f"{distribution.label}: {name} has no pin in constraints.txt"
        elif pins[name] not in requirement.specifier:
            yield f"{distribution.label}: {requirement} refuses the pin {name}=={pins[name]}"


def matches_tag(tag: str, distributions: list[Distribution]) -> Iterator[str]:
    """Whether a release tag `<package>-v<version>` names what is checked in."""
    label, _, version = tag.rpartition("-v")
    known = {distribution.label: distribution for distribution in distributions}
    if label not in known:
        yield f"tag {tag}: no such package, known are {sorted(known)}"
    elif known[label].project["version"] != version:
        yield f"tag {tag}: {label} is at version {known[label].project['version']}"


def main() -> int:
    """Print every complaint; 1 when there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tag", help="a release tag, such as metrics-v0.1.2")
    arguments = parser.parse_args()
    distributions = read_distributions()
    versions = {each.name: Version(each.project.get("version", "0")) for each in distributions}
    pins = read_pins()
    found: list[str] = []
    for distribution in distributions:
        found += itself(distribution)
        found += siblings(distribution, versions)
        found += pinned(distribution, set(versions), pins)
    if arguments.tag:
        found += matches_tag(arguments.tag, distributions)
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

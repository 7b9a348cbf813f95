"""Full disks and folders that cannot be written: one line, nothing half written, and again."""

import ctypes
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from rich.console import Console

from seqsynth import Corpus, build_default_benchmark
from vidllm import run_folder
from vidllm.config import TrainConfig
from vidllm.convert.shards import GIB, write_shards
from vidllm.features import _write_cache
from vidllm.timechat import tiny_timechat
from vidllm.timechat.model import TimeChat
from vidllm.timechat.weights import CONFIG_NAME, tensors_of
from vidllm.training import train

from .child import started
from .small_benchmark import SMALL_BENCHMARK

resource = pytest.importorskip("resource", reason="no limits of files on this system")
QUIET = Console(quiet=True)
NOT_EVEN_ROOT = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_CAPABILITY_VERSION = 0x20080522


@pytest.fixture(scope="module")
def place(config: TrainConfig, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of three steps, a benchmark and a converted checkpoint."""
    root = tmp_path_factory.mktemp("disks")
    short = replace(config, optim=replace(config.optim, max_steps=3))
    run_folder.create(short, root / "run")
    train(short, root / "run", resume_from=None, console=QUIET)
    build_default_benchmark(corpus, root / "bench", SMALL_BENCHMARK)
    folder = root / "timechat"
    folder.mkdir()
    tensors = tensors_of(TimeChat.from_parts(tiny_timechat())).items()
    write_shards(tensors, folder, max_shard_bytes=GIB)
    (folder / CONFIG_NAME).write_text(tiny_timechat().to_json(), "utf-8")
    return root


def commands(place: Path, out: Path) -> dict[str, list[str]]:
    """What writes, and where it writes to."""
    run, made = str(place / "run"), str(out / "made")
    return {
        "predict": ["predict", str(place / "bench"), "--run", run, "--out", f"{made}/rows.jsonl"],
        "merge": ["merge", run, "--out", made],
        "convert": ["convert", str(place / "timechat"), "--to", "timechat", "--out", f"{made}.pth"],
        "convert to safetensors": [
            "convert", str(place / "timechat"), "--to", "timechat", "--out", f"{made}.safetensors"
        ],
        "report": ["report", run],
    }  # fmt: skip


def refused(words: list[str], log: Path, before: Callable[[], None]) -> str:
    """The one line that a command of status 1 or 2 ends with."""
    child = started(words, log, before)
    assert child.ended() in (1, 2), child.said()
    said = child.said()
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("vidllm: ")]
    return line.removeprefix("vidllm: ")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_full_disk_is_named_leaves_nothing_half_and_room_is_enough(
    place: Path, tmp_path: Path
) -> None:
    def full() -> None:  # a file ends there, as on a disk that is full
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))

    out = tmp_path / "out"
    out.mkdir()
    assert started(["report", str(place / "run")], tmp_path / "log").ended() == 0
    for name, words in commands(place, out).items():
        before = files(place)
        line = refused(words, tmp_path / "log", full)
        assert "File too large" in line or "the file ended before all was written" in line, name
        target = "report.html" if name == "report" else Path(words[-1]).name
        assert target in line, name
        assert files(place) == before  # the report of before, too
        left = {path for path in files(out) if ".part-" not in path}
        assert left == set(), name  # what is predicted is kept
        if name in ("predict", "report"):  # which go on from what is there
            again = started(words, tmp_path / "log")
            assert again.ended() == 0, again.said()
        for path in sorted(out.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


@pytest.mark.skipif(platform.system() != "Linux", reason="root heeds permissions on Linux only")
def test_a_folder_that_cannot_be_written_is_named(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    made = commands(place, out)
    starts = {"train": ["train", "smoke", "--out", str(out / "made")]}
    resumes = {"resume": ["train", "smoke", "--resume", str(place / "run")]}
    out.chmod(0o555)
    (place / "run").chmod(0o555)
    try:
        for name, words in {**starts, **resumes, **made}.items():
            line = refused(words, tmp_path / "log", heed_permissions)
            assert "Permission denied" in line, name
            assert str(place / "run" if name in ("report", "resume") else out) in line, name
        assert list(out.iterdir()) == []
    finally:
        out.chmod(0o755)
        (place / "run").chmod(0o755)


@pytest.mark.skipif(platform.system() != "Linux", reason="root heeds permissions on Linux only")
def test_a_finished_prediction_is_read_where_nothing_can_be_written(
    place: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = commands(place, out)["predict"]
    assert started(words, tmp_path / "log").ended() == 0
    before = files(out)
    (out / "made").chmod(0o555)
    try:
        child = started(words, tmp_path / "log", heed_permissions)
        assert child.ended() == 0, child.said()
        assert "0 answered now" in child.said()
    finally:
        (out / "made").chmod(0o755)
    assert files(out) == before


def heed_permissions() -> None:
    """Root may write everywhere; this takes that right from the process alone."""
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, twice
    assert libc.capget(header, sets) == 0
    for number in NOT_EVEN_ROOT:
        sets[0] &= ~(1 << number)
    assert libc.capset(header, sets) == 0


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Safetensors has an error of its own for a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        _write_cache(tmp_path / "features.safetensors", {"a": 0}, torch.zeros(1, 4000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot be written" in caplog.text
    assert list(tmp_path.iterdir()) == []

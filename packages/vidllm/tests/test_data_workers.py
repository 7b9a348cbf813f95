"""The processes that make batches: interrupted with the run, lost, and left behind."""

import math
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from torch._C import _remove_worker_pids, _set_worker_pids

from vidllm import checkpoint, data_workers, run_folder
from vidllm.data_workers import WorkerLostError, naming_lost_workers

from .child import Child, started

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc to find the workers in"),
]
# So many steps that no run ends before its test has struck it.
LONG = ["train", "smoke", "--optim.max-steps", "2000", "--data.num-workers", "2"]


@pytest.fixture
def at_work(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Child]:
    """Starts a run with two workers and waits for its sixth step, after a checkpoint."""
    monkeypatch.setenv("SEQ2TIME_CACHE", str(cache_dir))

    def start() -> Child:
        child = started([*LONG, "--out", str(tmp_path / "run")], tmp_path / "log")
        while len(run_folder.read_metrics(tmp_path / "run")) < 6:
            assert child.process.is_alive(), child.said()
            time.sleep(0.01)
        assert len(child.workers()) == 2
        return child

    return start


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_to_all_processes_ends_the_run_as_one_to_the_first_does(
    at_work: Callable[[], Child], tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C in a terminal, `scancel` of a scheduler."""
    child = at_work()
    os.killpg(child.pid, number)
    assert child.ended() == 128 + number, child.said()
    said = child.said()
    assert said.count("stopping after this step") == 1
    assert "Traceback" not in said
    found = checkpoint.newest_good(tmp_path / "run")
    assert found is not None
    assert found.step == len(run_folder.read_metrics(tmp_path / "run")) >= 6


def test_a_worker_that_the_kernel_kills_ends_the_run_with_its_checkpoint(
    at_work: Callable[[], Child], tmp_path: Path
) -> None:
    child = at_work()
    lost = child.workers()[-1]
    os.kill(lost, signal.SIGKILL)
    assert child.ended() == 1
    said = child.said()
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("vidllm: ")]
    assert f"a process that makes batches ({lost}) " in line
    found = checkpoint.newest_good(tmp_path / "run")
    assert found is not None
    assert f"the run stands at step {found.step}: continue it with --resume" in line
    assert found.step >= 5


@pytest.mark.parametrize(
    ("of_torch", "of_ours"),
    [
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", "(7) was ended by the signal"),
        ("DataLoader worker (pid(s) 7, 8) exited unexpectedly", "(7, 8) ended too early"),
    ],
)
def test_a_lost_worker_is_named_however_torch_learns_of_it(
    of_torch: str, of_ours: str, tmp_path: Path
) -> None:
    with (
        pytest.raises(WorkerLostError, match=re.escape(of_ours)),
        naming_lost_workers(tmp_path, 2),
    ):
        raise RuntimeError(of_torch)


@pytest.fixture
def worker() -> Iterator[BaseProcess]:
    """A process that PyTorch takes for one of a DataLoader's."""
    process = multiprocessing.get_context("fork").Process(target=signal.pause)
    process.start()
    _set_worker_pids(id(process), (process.pid,))
    yield process
    _remove_worker_pids(id(process))
    process.kill()
    process.join()


def test_a_connection_that_breaks_off_names_the_worker_that_was_lost(
    worker: BaseProcess, tmp_path: Path
) -> None:
    worker.kill()
    with (
        pytest.raises(WorkerLostError, match=rf"\({worker.pid}\) was ended by the signal 'Killed'"),
        naming_lost_workers(tmp_path, 1),
    ):
        raise ConnectionResetError(104, "Connection reset by peer")


def test_another_error_of_a_step_stays_what_it_is(
    worker: BaseProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_workers, "_ENDING_SECONDS", 0.1)
    other = multiprocessing.get_context("fork").Process(target=os._exit, args=(1,))
    other.start()  # ends too, and makes no batches
    with pytest.raises(ConnectionResetError), naming_lost_workers(tmp_path, 1):
        raise ConnectionResetError(104, "of a logger, say")
    other.join()
    with pytest.raises(RuntimeError, match="shapes differ"), naming_lost_workers(tmp_path, 1):
        raise RuntimeError("shapes differ")


def test_without_workers_no_error_waits_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_workers, "_ENDING_SECONDS", math.inf)
    with pytest.raises(BrokenPipeError), naming_lost_workers(tmp_path, 0):
        raise BrokenPipeError(32, "Broken pipe")


def test_workers_whose_run_was_killed_do_not_hold_it_up(
    at_work: Callable[[], Child], tmp_path: Path
) -> None:
    child = at_work()
    workers = child.workers()
    child.process.kill()
    assert child.ended() == -signal.SIGKILL
    with run_folder.locked(tmp_path / "run"):  # which they inherited
        pass
    give_up = time.monotonic() + 60
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < give_up, "a worker outlives its run"
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    """Whether a process is there, other than as one that nobody has waited for."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return False

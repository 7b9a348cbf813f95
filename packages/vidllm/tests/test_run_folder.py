"""The run folder: nobody's work is overwritten."""

import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seqsynth.one_writer import HeldError
from vidllm import run_folder
from vidllm.cli import main
from vidllm.manifest import git_commit
from vidllm.recipes import smoke
from vidllm.run_folder import RunFolderError
from vidllm.scratch import built, keep_tensors, own_mark


def test_a_new_folder_holds_its_configuration(tmp_path: Path) -> None:
    run_dir = tmp_path / "deep" / "run"
    run_folder.create(smoke(), run_dir)
    assert run_folder.load_config(run_dir) == smoke()
    assert run_folder.is_run(run_dir)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    run_folder.create(smoke(), tmp_path / "run")
    before = sorted((tmp_path / "run").iterdir())
    with pytest.raises(RunFolderError, match="is not empty: continue it with --resume"):
        run_folder.create(smoke(), tmp_path / "run")
    assert sorted((tmp_path / "run").iterdir()) == before
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("...")
    with pytest.raises(RunFolderError, match="it holds something else"):
        run_folder.create(smoke(), tmp_path / "letters")
    with pytest.raises(RunFolderError, match="is a file"):
        run_folder.create(smoke(), tmp_path / "letters" / "dear.txt")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written: Not a directory"):
        run_folder.create(smoke(), tmp_path / "file" / "run")
    with pytest.raises(RunFolderError, match="cannot be written: No such file"):
        run_folder.check_writable(tmp_path / "absent")
    run_folder.check_writable(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_the_newest_run_is_the_one_started_last(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="no run under"):
        run_folder.newest(tmp_path)
    for number, name in enumerate(("b", "c", "a")):
        run_folder.create(smoke(), tmp_path / name)
        os.utime(tmp_path / name / "config.json", (number, number))
    (tmp_path / "not-a-run").mkdir()
    assert run_folder.newest(tmp_path).name == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "has no config.json"),
        ("{", "not a configuration"),
        ('{"format_version": 1, "sede": 1}', "config.sede"),
    ],
)
def test_a_folder_that_is_no_run_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        run_folder.load_config(tmp_path)
    with pytest.raises(RunFolderError, match="does not exist"):
        run_folder.load_config(tmp_path / "absent")


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from vidllm import run_folder\n"
        "with run_folder.locked(Path(sys.argv[1])): pass"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with run_folder.locked(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "another process is training into" in done.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_second_is_told_who_is_at_work_and_the_dead_hold_nobody_up(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="no file locks on this system")
    lock = tmp_path / run_folder.LOCK_NAME
    with run_folder.locked(tmp_path):
        holder = json.loads(lock.read_text("utf-8"))
        who = rf"training into .*\(process {os.getpid()} on {socket.gethostname()}, since 20"
        with pytest.raises(HeldError, match=who), run_folder.locked(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []
    # As kill -9 leaves it, of a process that is gone or of one that has its number today.
    for pid in (2**22 + 1, os.getpid()):
        lock.write_text(json.dumps({**holder, "pid": pid}), "utf-8")
        with run_folder.locked(tmp_path):
            assert json.loads(lock.read_text("utf-8"))["pid"] == os.getpid()
    lock.write_text("{", "utf-8")
    with run_folder.locked(tmp_path):
        pass


def test_two_that_start_at_once_do_not_share_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second has seen the folder empty before the first wrote into it."""
    run_dir = tmp_path / "run"
    look = run_folder._refuse_occupied
    looks = []

    def late(folder: Path) -> None:
        look(folder)
        looks.append(folder)
        if len(looks) == 1:
            run_folder.create(smoke(), run_dir)

    monkeypatch.setattr(run_folder, "_refuse_occupied", late)
    with pytest.raises(RunFolderError, match="is not empty: continue it with --resume"):
        run_folder.create(replace(smoke(), seed=5), run_dir)
    assert run_folder.load_config(run_dir) == smoke()


def test_what_a_kill_leaves_of_a_folder_in_the_making_is_no_content(tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    (run_dir / f".{socket.gethostname()}-4194305-config.json").write_text("{")
    (run_dir / ".lock").write_text("")
    run_folder.create(smoke(), run_dir)
    assert [path.name for path in run_dir.iterdir()] == ["config.json"]


def test_what_living_processes_build_is_left_alone(tmp_path: Path) -> None:
    host = socket.gethostname()
    living, dead = tmp_path / f".{host}-{os.getppid()}-a.json", tmp_path / f".{host}-4194305-a.json"
    other = tmp_path / f".{host}-4194305-b.json"
    elsewhere, given_up = tmp_path / ".node-9-4194305-a.json", tmp_path / ".node-9-7-a.json"
    for path in (living, dead, other, elsewhere, given_up):
        path.write_text("")
    days_ago = time.time() - 48 * 3600
    for path in (living, given_up):  # a living process may wait long for its disk
        os.utime(path, (days_ago, days_ago))
    run_folder.write_atomically("{}", tmp_path / "a.json")
    assert sorted(tmp_path.iterdir()) == sorted([living, other, elsewhere, tmp_path / "a.json"])


def test_a_clock_that_stands_still_or_goes_back_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2TIME_CACHE", str(cache_dir))
    now = itertools.count(1_700_000_000, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    monkeypatch.setattr(time, "strftime", lambda *_: "20230101-000000")
    for _ in range(2):
        assert main(["train", "smoke", "--optim.max-steps", "3"]) == 0
    names = ["smoke-20230101-000000", "smoke-20230101-000000-2"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == names
    for name in names:
        rows = run_folder.read_metrics(tmp_path / "runs" / name)
        assert [row["seconds"] > 0 for row in rows] == [True] * 3


def test_a_run_in_the_hands_of_another_process_is_left_alone(tmp_path: Path) -> None:
    """Also where it has done no step yet, which makes it look like one that failed to start."""
    run_dir = tmp_path / "run"
    run_folder.create(smoke(), run_dir)
    with run_folder.locked(run_dir):
        assert main(["train", "smoke", "--resume", str(run_dir)]) == 2
    assert run_folder.is_run(run_dir)


def test_metrics_are_rewound_to_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    run_folder.rewind_metrics(tmp_path, 5)
    assert not path.exists()
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"ste')
    assert [row["step"] for row in run_folder.read_metrics(tmp_path)] == [1, 2, 3]
    run_folder.rewind_metrics(tmp_path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    assert run_folder.read_manifest(tmp_path) == {}
    for text in ("{", "[]"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(RunFolderError, match=r"manifest\.json is damaged .*: restore it"):
            run_folder.read_manifest(tmp_path)


def test_what_a_dead_process_of_our_number_began_is_not_in_the_way(tmp_path: Path) -> None:
    """As in a container, whose processes have the same numbers when it is started again."""
    left = tmp_path / f".{own_mark()}-model"
    left.mkdir()
    (left / "half.safetensors").write_text("")
    with built(tmp_path / "model") as scratch:
        scratch.mkdir()
    assert list(tmp_path.rglob("*")) == [tmp_path / "model"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names on this system")
def test_a_link_stays_one_and_a_pipe_is_written_into(tmp_path: Path) -> None:
    link, file = tmp_path / "link.json", tmp_path / "file.json"
    file.write_text("old")
    link.symlink_to(file)
    run_folder.write_atomically("new", link)
    assert link.is_symlink()
    assert file.read_text() == "new"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run_folder.write_atomically("through", pipe)
    assert os.read(reading, 100) == b"through"
    os.close(reading)
    assert pipe.is_fifo()


def test_tensors_that_cannot_be_kept_cost_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    keep_tensors({"a": torch.zeros(1)}, tmp_path / "cache" / "a.safetensors")
    assert "cannot be written" in caplog.text


@pytest.mark.skipif(shutil.which("git") is None, reason="no git on this system")
def test_the_commit_is_that_of_the_code_and_of_no_checkout_around_it(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    (tmp_path / "docs").mkdir()
    for name in ("tracked.py", "other.py", "installed.py", "README.md", "docs/results.json"):
        (tmp_path / name).write_text("")
    git("init")
    git("add", "tracked.py", "other.py", "README.md", "docs")
    assert git_commit(tmp_path / "tracked.py") is None
    git("commit", "-m", "one")
    commit = git_commit(tmp_path / "tracked.py")
    assert re.fullmatch("[0-9a-f]{40}", commit or "")
    assert git_commit(tmp_path / "installed.py") is None
    for name in ("README.md", "docs/results.json"):  # a command writes its results while runs start
        (tmp_path / name).write_text("new")
    assert git_commit(tmp_path / "tracked.py") == commit
    (tmp_path / "other.py").write_text("new")
    assert git_commit(tmp_path / "tracked.py") == f"{commit}-dirty"

"""When a disk or a package index fails: a word that helps, and nothing half-written."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vidmetrics import meteor_data, whole_files
from vidmetrics.cli import main
from vidmetrics.meteor_data import MeteorDataError, data_path, fetch_meteor_data

WINDOWS = {str(n): [[0.0, 10.0]] for n in range(20)}
SPANS = {str(n): [[0.0, n / 2]] for n in range(18)}


@pytest.fixture
def commands(write, tmp_path) -> dict[str, list[str]]:
    """Those that write a file, each with the option that names it at its end."""
    files = [str(write("windows.json", WINDOWS)), str(write("spans.json", SPANS))]
    dense = str(write("dense.json", {"a": [[0, 9, "cut"]]}))
    scores = str(tmp_path / "scores.json")
    assert main(["tvg", *files, "--json", scores]) == 0
    return {
        "tvg": ["tvg", *files, "--json"],
        "dvc": ["dvc", dense, dense, "--json"],
        "richness": ["richness", dense, "--json"],
        "compare": ["compare", scores, scores, "--json"],
        "report": ["report", "--task", "tvg", *files, "--out"],
    }


@pytest.mark.parametrize("name", ["tvg", "dvc", "richness", "compare", "report"])
def test_a_full_disk_leaves_the_old_file(
    commands, name: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "file").write_text("old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(whole_files.os, "fsync", full)
        assert main([*commands[name], str(folder / "file")]) == 2
    assert f"{folder / 'file'}: No space left on device" in capsys.readouterr().err
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("file", "old")]
    assert main([*commands[name], str(folder / "file")]) == 0
    assert (folder / "file").read_text() != "old"


@pytest.mark.skipif(os.name == "nt", reason="no such files there")
def test_what_is_no_file_is_written_to_as_it_is(commands, tmp_path: Path) -> None:
    assert main([*commands["tvg"], "/dev/null"]) == 0
    assert Path("/dev/null").is_char_device()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main([*commands["tvg"], str(pipe)]) == 0
    reader.join(60)
    assert json.loads(read[0])["results"]


def test_a_link_is_followed(commands, tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    assert main([*commands["tvg"], str(link)]) == 0
    assert link.is_symlink()
    assert json.loads(target.read_text())["results"]


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a Python program in the place of pip."""

    def put(program: str) -> None:
        start = subprocess.Popen

        def started(command: list[str], **options):
            assert command[1:4] == ["-m", "pip", "download"]
            folder = command[command.index("--dest") + 1]
            return start([sys.executable, "-c", program, folder], **options)

        monkeypatch.setattr(meteor_data.subprocess, "Popen", started)

    return put


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit('ERROR: no route to the index')", "ERROR: no route to the index"),
        ("import time; time.sleep(60)", r"it has brought nothing for 0\.5 s"),
        ("pass", "it gave no reason"),
        ("import sys; open(sys.argv[1] + '/x.whl', 'w').write('?')", "is not what .* try again"),
    ],
)
def test_an_index_that_fails_leaves_nothing_behind(
    pip, program: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip(program)
    if "sleep" in program:
        monkeypatch.setattr(meteor_data, "STALL_SECONDS", 0.5)
    with pytest.raises(MeteorDataError, match=reason) as failure:
        fetch_meteor_data(tmp_path)
    assert meteor_data.PACKAGE in str(failure.value)
    assert list(data_path(tmp_path).parent.iterdir()) == []


def test_ctrl_c_ends_pip(pip, tmp_path: Path) -> None:
    pip(
        "import os, sys, time; open(sys.argv[1] + '/pid', 'w').write(str(os.getpid()));"
        "time.sleep(60)"
    )
    pids: list[int] = []

    def interrupt(stage: str, share: float) -> None:
        for found in tmp_path.rglob("pid"):
            if found.read_text():
                pids.append(int(found.read_text()))
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_meteor_data(tmp_path, on_stage=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
    assert list(data_path(tmp_path).parent.iterdir()) == []


def test_what_a_killed_fetch_has_left_is_removed(pip, tmp_path: Path) -> None:
    pip("import sys; sys.exit('ERROR: no')")
    folder = data_path(tmp_path).parent
    (folder / "fetch-abc").mkdir(parents=True)
    (folder / "fetch-abc" / "half.whl").write_bytes(b"x" * 99)
    (folder / f".{data_path(tmp_path).name}.1234.partial").write_bytes(b"x")
    with pytest.raises(MeteorDataError):
        fetch_meteor_data(tmp_path)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="open files have no names here")
def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    """As in `--json >(jq .)`: what a pipe's link leads to is no name of a file."""
    read_end, write_end = os.pipe()
    try:
        whole_files.write_whole(Path(f"/dev/fd/{write_end}"), b"all of it")
        assert os.read(read_end, 100) == b"all of it"
    finally:
        os.close(read_end)
        os.close(write_end)

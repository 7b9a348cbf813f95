"""The command as people run it: killed, interrupted, and asked for what cannot be."""

import json
import os
import random
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from seqsynth import Manifest, cli
from seqsynth.caption.shards import shard_paths

from .conftest import StubServer

# A signal in a callback of an import or of the collector: Python says so and goes on.
_PASSED_OVER = re.compile(
    r"^Exception ignored .*\n(?:Traceback .*\n(?: .*\n)*)?KeyboardInterrupt.*\n?", re.MULTILINE
)


@pytest.fixture
def command(clip_folder: Path, server: StubServer, tmp_path: Path) -> list[str]:
    words = ["caption", str(clip_folder), "--out", str(tmp_path / "out"), "--backend", "server"]
    words += ["--server", server.url, "--model", "tiny", "--num-frames", "2", "--size", "16"]
    return [*words, "--concurrency", "1", "--shard-size", "2"]


def start(command: list[str]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "seqsynth", *command]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Waits for something that a process brings about."""
    end = time.monotonic() + 120
    while not condition():
        if process.poll() is not None or time.monotonic() > end:
            process.kill()
            raise AssertionError(f"it does not come on: {process.communicate()}")
        time.sleep(0.005)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [row for path in shard_paths(folder) for row in pq.read_table(path).to_pylist()]


def test_a_killed_run_loses_the_unfinished_shard_alone(
    command: list[str], server: StubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    server.ills = [*[""] * 5, *["hang"] * 9]
    process = start(command)
    wait_until(lambda: len(server.ills) < 9, process)  # it asks a sixth time and waits
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = {path.name: path.read_bytes() for path in shard_paths(out)}
    assert set(kept) == {"captions-00000.parquet", "captions-00001.parquet"}
    server.ills = []
    assert cli.main(command) == 0
    assert "5 captions written, 4 were there" in capsys.readouterr().err
    rows = rows_in(out)
    assert len({row["id"] for row in rows}) == len(rows) == 9
    assert {name: (out / name).read_bytes() for name in kept} == kept
    words = [*command, "--out", str(tmp_path / "whole")]
    assert cli.main(words) == 0
    record = json.loads((tmp_path / "whole/caption.json").read_text())
    assert record["command"] == shlex.join(["seqsynth", *words])
    names = [path.name for path in shard_paths(out)]
    assert names == [path.name for path in shard_paths(tmp_path / "whole")]
    for name in names:
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_ctrl_c_ends_at_once_and_keeps_what_is_done(
    command: list[str], server: StubServer, tmp_path: Path, concurrency: str
) -> None:
    server.ills = ["", "", "", *["hang"] * 9]
    process = start([*command, "--concurrency", concurrency])
    # Each of them waits for an answer that does not come.
    wait_until(lambda: len(server.ills) == 9 - int(concurrency), process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)  # the answers would take longer
    assert process.returncode == 130
    assert errors.splitlines() == ["seqsynth: interrupted; run the same command again to go on"]
    assert not list((tmp_path / "out").glob(".*"))
    kept = [row["id"] for row in rows_in(tmp_path / "out")]
    clips = Manifest.open(tmp_path / "out" / "clips.arrow")
    assert kept == [clip.id for clip in clips][: len(kept)]
    assert len(kept) == 3 or concurrency == "4"  # then any of the first may be among the slow


def strikes(count: int, seed: int, command: list[str], server: StubServer, root: Path) -> None:
    """Kills and interrupts at moments that nobody chose; after each the same command ends well."""
    rng = random.Random(seed)
    assert cli.main([*command, "--out", str(root / "whole")]) == 0
    whole = by_id(root / "whole")
    server.pause_seconds = 0.03
    for round_ in range(count):
        number = (signal.SIGINT, signal.SIGKILL)[round_ % 2]
        out = root / f"out-{round_}"
        words = [*command, "--out", str(out)]
        answers, pause_seconds = rng.randint(1, len(whole)), rng.random() * 0.06
        num_before = len(server.bodies)
        process = start(words)
        num_awaited = num_before + answers
        wait_until(lambda least=num_awaited: len(server.bodies) >= least, process)  # type: ignore[misc]
        time.sleep(pause_seconds)
        process.send_signal(number)
        _, errors = process.communicate(timeout=120)
        status = process.returncode
        sys.stdout.write(f"{number.name} {pause_seconds:.3f} s after {answers}: status {status}\n")
        errors = _PASSED_OVER.sub("", errors)
        assert "Traceback" not in errors
        if status in (0, -signal.SIGINT):  # it was done, and Python on its way out
            assert by_id(out) == whole
        else:
            assert status == (130 if number == signal.SIGINT else -signal.SIGKILL), errors
        if status == 130:
            assert errors.splitlines() == [
                "seqsynth: interrupted; run the same command again to go on"
            ]
        assert cli.main(words) == 0
        assert by_id(out) == whole
        assert not list(out.glob(".*"))


def by_id(folder: Path) -> list[dict[str, Any]]:
    return sorted(rows_in(folder), key=lambda row: str(row["id"]))


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_struck_at_random_it_goes_on(
    command: list[str], server: StubServer, tmp_path: Path
) -> None:
    strikes(2, 0, command, server, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process on Windows")
def test_struck_at_twenty_moments_it_goes_on(
    command: list[str], server: StubServer, tmp_path: Path
) -> None:
    """The moments are drawn anew each time; SEQ2TIME_KILL_SEED repeats those of a seed."""
    seed = int(os.environ.get("SEQ2TIME_KILL_SEED", random.SystemRandom().randrange(10**6)))
    sys.stdout.write(f"SEQ2TIME_KILL_SEED={seed}\n")
    strikes(20, seed, command, server, tmp_path)


def test_a_folder_and_a_manifest_come_to_the_same_captions(
    command: list[str], manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(command) == 0
    other = ["caption", str(manifest.path), *command[2:], "--out", str(tmp_path / "two")]
    assert cli.main(other) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n{tmp_path / 'two'}\n"
    assert rows_in(tmp_path / "out") == rows_in(tmp_path / "two")
    assert Manifest.open(tmp_path / "out" / "clips.arrow").content_sha256 == manifest.content_sha256


def test_captions_of_a_folder_end_up_in_its_manifest(
    command: list[str], clip_folder: Path, tmp_path: Path
) -> None:
    assert cli.main([*command, "--count", "7"]) == 0
    out = tmp_path / "captioned.arrow"
    words = ["index", "clip_folder", str(clip_folder), "--captions", str(tmp_path / "out")]
    assert cli.main([*words, "--min-label-words", "1", "--out", str(out)]) == 0
    clips = Manifest.open(out).select(kind="clip")
    assert len(clips) == 7
    for clip in clips:
        assert clip.caption.startswith(f"Someone is {clip.label}. It is number ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backend", "servr"], "unknown backend 'servr'; did you mean server?"),
        (["--prompt", "facts"], "unknown prompt 'facts'"),
        (["--num-frames", "0"], "num_frames must be at least 1, got 0"),
        (["--temperature", "-1"], "temperature must be 0 or more"),
        (["--concurrency", "0"], "concurrency must be at least 1"),
        (["--start", "99"], "has 9 clips, none from 99 on"),
        (["--engine", "ray"], "server does not hold a model, so Ray adds nothing"),
    ],
)
def test_wrong_requests_are_one_line_and_status_2(
    command: list[str], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*command, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("seqsynth: ")
    assert message in line


def test_what_is_not_there_is_named(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["caption", str(tmp_path / "gone.arrow"), *command[2:]]) == 2
    assert "gone.arrow is not there" in capsys.readouterr().err
    with socket.socket() as silent:  # its port is taken, and nobody answers there
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert cli.main([*command, "--server", url]) == 1
    assert f"no server answers at {url}" in capsys.readouterr().err


def test_vllm_that_is_absent_is_said(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    assert cli.main([*command, "--backend", "vllm"]) == 1
    assert "vLLM is not installed: pip install vllm" in capsys.readouterr().err


def test_transformers_that_are_absent_are_said(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main([*command, "--backend", "transformers"]) == 1
    assert 'torch is not installed: pip install "seq2time-seqsynth[caption]"' in (
        capsys.readouterr().err
    )

"""One process alone writes; where the system cannot see to that, nothing of another is removed."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from seqsynth.caption import shards
from seqsynth.example_files import writing_alone
from seqsynth.one_writer import HeldError, one_writer

fcntl = pytest.importorskip("fcntl", reason="no file locks on this system")


def test_a_captioner_on_another_machine_is_named_with_the_way_to_share_the_work(
    tmp_path: Path,
) -> None:
    lock = tmp_path / shards.LOCK_NAME
    with shards.locked(tmp_path):
        with pytest.raises(HeldError) as here, shards.locked(tmp_path):
            pass
        lock.write_text(json.dumps({**json.loads(lock.read_text()), "host": "node9"}))
        with pytest.raises(HeldError) as there, shards.locked(tmp_path):
            pass
    assert str(here.value).endswith(": wait for it, or end it")
    assert " on node9, since 20" in str(there.value)
    assert "or end it, or give each machine a folder and clips of its own" in str(there.value)
    # Who offers nothing else to do says nothing else.
    with one_writer(lock, "at it"):
        lock.write_text('{"pid": 1, "host": "node9", "since": "now"}')
        with pytest.raises(HeldError, match=r"or end it$"), one_writer(lock, "at it"):
            pass


def test_without_locks_nothing_is_taken_for_what_the_dead_have_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = [
        tmp_path / ".a.json-x1y2z3_4",
        tmp_path / f".{shards.PREFIX}00000.parquet.partial",
        tmp_path / ".caption.json-x1y2z3_4",
    ]
    for path in unfinished:
        path.write_text("half")

    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", no_locks)
        with writing_alone(tmp_path / ".lock", "at it", tmp_path / "a.json") as is_alone:
            assert not is_alone
        with shards.locked(tmp_path):
            pass
    assert "cannot be locked" in caplog.text
    assert sorted(tmp_path.iterdir()) == sorted(unfinished)
    with writing_alone(tmp_path / ".lock", "at it", tmp_path / "a.json") as is_alone:
        assert is_alone
    with shards.locked(tmp_path, tmp_path / "caption.json"):
        pass
    assert list(tmp_path.iterdir()) == []

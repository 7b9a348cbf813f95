"""A worker whose parent is gone."""

import os
import sys
import threading

import pytest

from seqsynth import worker_process


class Killed:
    """A parent that is gone before the worker has begun; whoever waits for it gets no turn yet."""

    def is_alive(self) -> bool:
        return False

    def join(self) -> None:
        threading.Event().wait()


def test_a_worker_that_begins_after_its_parent_was_killed_takes_no_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker_process, "parent_process", Killed)
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as ended:
        worker_process.end_with_parent()
    assert ended.value.code == 1

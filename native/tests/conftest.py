"""Fixtures: how many turns another thread gets while a kernel works."""

import threading
import time
from collections.abc import Callable

import pytest

ENOUGH_TURNS = 200


def _turns_during(call: Callable[[], object]) -> int:
    turns = [0]
    finished = threading.Event()

    def take_turns() -> None:
        while not finished.is_set():
            turns[0] += 1
            time.sleep(0)

    other = threading.Thread(target=take_turns)
    other.start()
    most = 0
    try:
        for _ in range(50):
            before = turns[0]
            call()
            most = max(most, turns[0] - before)
            if most >= ENOUGH_TURNS:
                break
    finally:
        finished.set()
        other.join()
    return most


@pytest.fixture
def turns_during() -> Callable[[Callable[[], object]], int]:
    """Calls a function up to 50 times; the most turns of another thread during one call.

    Between two bytecodes another thread gets a turn or two; hundreds need a call without GIL. It
    ends as soon as there were 200.
    """
    return _turns_during

"""How many positions a second one core writes and reads, and how fast answers are read.

Written and read codes are remembered (there are 10,000 of four digits), so the figures are those of
codes seen before, as nearly all are in data. The peers of `encode` and `decode` are the shortest
thing one would write for the same result, with no checks and no rule for the last item; that of
`parse_events` is TimeChat's way of reading an answer (compat="timechat"). `nox -s bench` calls
`run()`.
"""

import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import timetokens as tt
from timetokens import timechat_compat

RUNS = 5
LENGTH = 96
DURATION_SECONDS = 148.8
NUM_POSITIONS = 20_000
NUM_ANSWERS = 200


def short_encode(item: float, length: float) -> str:
    return "".join(f"<{digit}>" for digit in f"{min(item / length, 0.9999):.4f}"[2:])


def short_decode(text: str) -> float:
    return float("0." + text.replace("<", "").replace(">", ""))


def per_second(work: Callable[[Any], object], inputs: Iterable[Any]) -> float:
    """Calls a second of processor time, the best of several runs."""
    inputs = list(inputs)
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        for value in inputs:
            work(value)
        best = min(best, time.process_time() - start)
    return len(inputs) / best


def case(ours: float, peer: float | None, unit: str, note: str = "") -> dict[str, Any]:
    figures = {
        "ours": round(ours),
        "peer": None if peer is None else round(peer),
        "ratio": None if peer is None else round(ours / peer, 2),
        "unit": unit,
        "runs": RUNS,
    }
    return figures | ({"note": note} if note else {})


def answers() -> list[str]:
    events = [
        tt.Event(
            16.0 * step, 16.0 * step + 12.3, f"the cook adds {step} - {step + 1} cups of flour"
        )
        for step in range(8)
    ]
    text = tt.dense_caption_answer(events, "seconds", duration_seconds=DURATION_SECONDS)
    return [text] * NUM_ANSWERS


def run() -> dict[str, dict[str, Any]]:
    """The figures, higher is better."""
    items = [index % LENGTH + 1 for index in range(NUM_POSITIONS)]
    times = [DURATION_SECONDS * index / NUM_POSITIONS for index in range(NUM_POSITIONS)]
    codes = [tt.encode(item, LENGTH) for item in items]
    texts = answers()
    return {
        "timetokens_encode_item_vs_short_code": case(
            per_second(lambda item: tt.encode(item, LENGTH), items),
            per_second(lambda item: short_encode(item, LENGTH), items),
            "calls/s, one core",
        ),
        "timetokens_encode_seconds_vs_short_code": case(
            per_second(
                lambda seconds: tt.encode_seconds(seconds, duration_seconds=DURATION_SECONDS), times
            ),
            per_second(lambda seconds: short_encode(seconds, DURATION_SECONDS), times),
            "calls/s, one core",
        ),
        "timetokens_decode_vs_short_code": case(
            per_second(tt.decode, codes),
            per_second(short_decode, codes),
            "calls/s, one core",
            "codes seen before; the short code checks nothing",
        ),
        "timetokens_decode_item": case(
            per_second(lambda code: tt.decode_item(code, LENGTH), codes), None, "calls/s, one core"
        ),
        "timetokens_parse_events_vs_timechat": case(
            per_second(lambda text: tt.parse_events(text, "seconds"), texts),
            per_second(timechat_compat.dense_captions, texts),
            "answers of 8 events/s, one core",
            "TimeChat's reading takes amounts for times and loses captions; ours costs more",
        ),
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))

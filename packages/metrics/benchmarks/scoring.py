"""What scoring a benchmark costs: the whole command, cold, interpreter start included.

The peer of dense captioning is the pipeline that published scorers run, through pycocoevalcap's
own Python API: its PTB tokenizer, its CIDEr, and the METEOR jar, per video and IoU threshold, and
METEOR of every reference with every prediction for SODA_c. It runs where Java and pycocoevalcap
are.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNS = 5
NUM_VIDEOS = 457  # the YouCook2 validation set
NUM_QUERIES = 3720  # the Charades-STA test set
THRESHOLDS = (0.3, 0.5, 0.7, 0.9)
VERBS = "add chop cut fry mix pour stir boil slice season wash peel roll spread serve heat"
FOODS = (
    "onions garlic tomatoes chicken rice noodles butter flour eggs potatoes cheese pepper oil beef "
    "carrots cabbage mushrooms lettuce bread shrimp vinegar sugar cream beans"
)
PLACES = "a pan,the bowl,a pot,the oven,a plate,the blender,boiling water,a large skillet"

Event = tuple[float, float, str]


@dataclass(frozen=True)
class Cost:
    """What a run took: wall time, processor time of all its processes, the largest process."""

    seconds: float
    cpu_seconds: float
    mebibytes: float


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {**dense_captions(folder), **grounding(folder)}


def dense_captions(folder: Path) -> dict[str, dict[str, Any]]:
    """457 videos: seconds and peak memory of the command."""
    references, predictions = dense_data(random.Random(0))
    files = write(folder, references, predictions)
    out = folder / "scores.json"
    ours = command("dvc", *files, "--json", str(out))
    label = json.loads(out.read_text())["results"][0]["signature"]
    peer = peer_cost(references, predictions)
    note = f"{sum(map(len, predictions.values()))} predictions; {meteor_of(label)}; "
    note += "one run of the peer" if peer else "no Java or pycocoevalcap, so no peer"
    return {
        "dvc_457_videos_seconds": case(ours.seconds, peer and peer.seconds, "s", note),
        "dvc_457_videos_cpu_seconds": case(ours.cpu_seconds, peer and peer.cpu_seconds, "s"),
        "dvc_457_videos_peak_mebibytes": case(ours.mebibytes, peer and peer.mebibytes, "MiB"),
    }


def case(ours: float, peer: float | None, unit: str, note: str = "") -> dict[str, Any]:
    """One row of the table."""
    row = {
        "ours": ours,
        "peer": peer,
        "ratio": peer / ours if peer else None,
        "unit": unit,
        "runs": RUNS,
    }
    return {**row, "note": note} if note else row


def grounding(folder: Path) -> dict[str, dict[str, Any]]:
    """3,720 queries: seconds of the command, intervals included."""
    rng = random.Random(0)
    starts = [rng.uniform(0, 25) for _ in range(NUM_QUERIES)]
    windows = {str(n): [[start, start + 8]] for n, start in enumerate(starts)}
    spans = {
        str(n): [[start + rng.uniform(-4, 4), start + rng.uniform(2, 12)]]
        for n, start in enumerate(starts)
    }
    cost = command("tvg", *write(folder, windows, spans))
    note = "1,000 bootstrap resamples of four scores included"
    return {
        "tvg_3720_queries_seconds": case(cost.seconds, None, "s", note),
        "tvg_3720_queries_cpu_seconds": case(cost.cpu_seconds, None, "s"),
    }


def dense_data(rng: random.Random) -> tuple[dict[str, list[Event]], dict[str, list[Event]]]:
    """Invented cooking videos and predictions that are about as good as today's models."""
    verbs, foods, places = VERBS.split(), FOODS.split(), PLACES.split(",")

    def caption() -> str:
        named = " and ".join(rng.sample(foods, rng.randint(1, 3)))
        return f"{rng.choice(verbs)} the {named} in {rng.choice(places)}"

    references: dict[str, list[Event]] = {}
    predictions: dict[str, list[Event]] = {}
    for number in range(NUM_VIDEOS):
        edges = sorted(rng.uniform(0, 320) for _ in range(2 * rng.randint(5, 11)))
        truth = [(s, e, caption()) for s, e in zip(edges[::2], edges[1::2], strict=True)]
        guessed = [
            (
                start + rng.gauss(0, 8),
                end + rng.gauss(0, 8),
                text if rng.random() < 0.2 else caption(),
            )
            for start, end, text in truth
            if rng.random() < 0.9
        ]
        references[f"video{number:04d}"], predictions[f"video{number:04d}"] = truth, guessed
    return references, predictions


def write(folder: Path, references: object, predictions: object) -> tuple[str, str]:
    """Both as files."""
    paths = folder / "references.json", folder / "predictions.json"
    for path, content in zip(paths, (references, predictions), strict=True):
        path.write_text(json.dumps(content))
    return str(paths[0]), str(paths[1])


def command(*arguments: str) -> Cost:
    """Median times and largest memory of `python -m vidmetrics ...`."""
    # Bytecode as an installed package has it; where it is not kept, every run would compile anew.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(Path(tempfile.gettempdir()) / "vidmetrics-bytecode")
    costs: list[Cost] = []
    for _ in range(RUNS + 1):  # the first run fills the disk's cache and is not counted
        start = time.perf_counter()
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "vidmetrics", *arguments],
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
        _, status, usage = os.wait4(child, 0)
        costs.append(cost_of(time.perf_counter() - start, usage))
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"vidmetrics {' '.join(arguments)} failed with {status}")
    return Cost(
        statistics.median(cost.seconds for cost in costs[1:]),
        statistics.median(cost.cpu_seconds for cost in costs[1:]),
        max(cost.mebibytes for cost in costs[1:]),
    )


def cost_of(seconds: float, usage: resource.struct_rusage) -> Cost:
    """Of processes that have ended."""
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def meteor_of(signature: str) -> str:
    """Which METEOR and which kernels the command used."""
    label = next(part for part in signature.split("|") if part.startswith("meteor:"))
    native = importlib.util.find_spec("seqnative") is not None
    return f"{label}, {'native' if native else 'Python'} kernels"


def peer_cost(
    references: dict[str, list[Event]], predictions: dict[str, list[Event]]
) -> Cost | None:
    """One run of the original pipeline in a process of its own, or None where it cannot run."""
    if shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None:
        return None
    start, child = time.perf_counter(), os.fork()
    if child == 0:
        try:
            run_peer(references, predictions)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the peer failed with {status}")
    return cost_of(time.perf_counter() - start, usage)


def run_peer(references: dict[str, list[Event]], predictions: dict[str, list[Event]]) -> None:
    """Tokens, CIDEr and METEOR of every pair by the original programs; the METEOR process ends."""
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    meteor, cider = Meteor(), Cider()
    captions = [
        text for video in references for *_, text in [*references[video], *predictions[video]]
    ]
    numbered = {str(n): [{"caption": text}] for n, text in enumerate(captions)}
    tokens = {
        numbered[number][0]["caption"]: found[0]
        for number, found in PTBTokenizer().tokenize(numbered).items()
    }
    for video, truth in references.items():
        guessed = predictions[video]
        for threshold in THRESHOLDS:
            pairs = compared(truth, guessed, threshold)
            hypotheses = {str(n): [tokens[text]] for n, (text, _) in enumerate(pairs)}
            gold = {str(n): [tokens.get(text, text)] for n, (_, text) in enumerate(pairs)}
            if pairs:
                cider.compute_score(gold, hypotheses)
                meteor.compute_score(gold, hypotheses)
        every = [(tokens[a], tokens[b]) for *_, a in truth for *_, b in guessed]
        if every:
            meteor.compute_score(
                {str(n): [predicted] for n, (_, predicted) in enumerate(every)},
                {str(n): [reference] for n, (reference, _) in enumerate(every)},
            )


def compared(
    references: list[Event], predictions: list[Event], threshold: float
) -> list[tuple[str, str]]:
    """Caption pairs at one threshold; a prediction without one stands with a random-like word."""
    pairs: list[tuple[str, str]] = []
    for start, end, text in predictions:
        found = [
            (text, gold)
            for gold_start, gold_end, gold in references
            if overlap((start, end), (gold_start, gold_end)) >= threshold
        ]
        pairs += found or [(text, "qxzvkjqxzvkj")]
    return pairs


def overlap(a: tuple[float, float], b: tuple[float, float]) -> float:
    """IoU over the hull."""
    shared = min(a[1], b[1]) - max(a[0], b[0])
    return max(shared, 0.0) / (max(a[1], b[1]) - min(a[0], b[0]) + 1e-8)

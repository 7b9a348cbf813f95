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
import shutil
import statistics
import sys
import tempfile
import time
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
    seconds, mebibytes = command("dvc", *files, "--json", str(out))
    label = json.loads(out.read_text())["results"][0]["signature"]
    peer = peer_seconds(references, predictions)
    note = f"{sum(map(len, predictions.values()))} predictions; {meteor_of(label)}"
    return {
        "dvc_457_videos_seconds": {
            "ours": seconds,
            "peer": peer,
            "ratio": peer / seconds if peer else None,
            "unit": "s",
            "runs": RUNS,
            "note": note if peer else note + "; no Java or pycocoevalcap, so no peer",
        },
        "dvc_457_videos_peak_mebibytes": {
            "ours": mebibytes,
            "peer": None,
            "ratio": None,
            "unit": "MiB",
            "runs": RUNS,
        },
    }


def grounding(folder: Path) -> dict[str, dict[str, Any]]:
    """3,720 queries: seconds of the command, intervals included."""
    rng = random.Random(0)
    starts = [rng.uniform(0, 25) for _ in range(NUM_QUERIES)]
    windows = {str(n): [[start, start + 8]] for n, start in enumerate(starts)}
    spans = {
        str(n): [[start + rng.uniform(-4, 4), start + rng.uniform(2, 12)]]
        for n, start in enumerate(starts)
    }
    seconds, _ = command("tvg", *write(folder, windows, spans))
    return {
        "tvg_3720_queries_seconds": {
            "ours": seconds,
            "peer": None,
            "ratio": None,
            "unit": "s",
            "runs": RUNS,
            "note": "1,000 bootstrap resamples of four scores included",
        }
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


def command(*arguments: str) -> tuple[float, float]:
    """Median seconds and largest resident memory (MiB) of `python -m vidmetrics ...`."""
    seconds: list[float] = []
    peaks: list[float] = []
    for _ in range(RUNS + 1):  # the first run fills the disk's cache and is not counted
        start = time.perf_counter()
        child = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "vidmetrics", *arguments],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
        _, status, usage = os.wait4(child, 0)
        seconds.append(time.perf_counter() - start)
        peaks.append(usage.ru_maxrss / 1024)
        if os.waitstatus_to_exitcode(status) != 0:
            raise RuntimeError(f"vidmetrics {' '.join(arguments)} failed with {status}")
    return statistics.median(seconds[1:]), max(peaks[1:])


def meteor_of(signature: str) -> str:
    """Which METEOR and which kernels the command used."""
    label = next(part for part in signature.split("|") if part.startswith("meteor:"))
    native = importlib.util.find_spec("seqnative") is not None
    return f"{label}, {'native' if native else 'Python'} kernels"


def peer_seconds(
    references: dict[str, list[Event]], predictions: dict[str, list[Event]]
) -> float | None:
    """One run of the original pipeline, or None where it cannot run."""
    if shutil.which("java") is None or importlib.util.find_spec("pycocoevalcap") is None:
        return None
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.meteor.meteor import Meteor
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    start = time.perf_counter()
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
    return time.perf_counter() - start


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

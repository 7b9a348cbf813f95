"""Killed or interrupted anywhere: the same command, again, ends as if it had not been.

The moments of the slow tests are drawn anew each time; the seed is printed, SEQ2TIME_KILL_SEED
repeats one. `test_faults` has training killed at chosen places.
"""

import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from seqsynth import Corpus, build_default_benchmark
from vidllm import checkpoint, predict, prediction_files, run_folder
from vidllm.features import FeatureStore

from .child import at, started
from .small_benchmark import SMALL_BENCHMARK

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
TRAIN = [
    "train", "smoke", "--optim.max-steps", "4", "--optim.global-batch-size", "4",
    "--model.lora-dropout", "0.2",
]  # fmt: skip
EVERY_STEP = ["--checkpoint-every", "1", "--keep-checkpoints", "4"]
EVERY_SECOND_STEP = ["--checkpoint-every", "2", "--keep-checkpoints", "2"]
SEED = int(os.environ.get("SEQ2TIME_KILL_SEED", random.SystemRandom().randrange(10**6)))


# A signal in a callback of an import or of the collector: Python says so and goes on.
_PASSED_OVER = re.compile(
    r"^Exception ignored .*\n(?:Traceback .*\n(?: .*\n)*)?KeyboardInterrupt.*\n?", re.MULTILINE
)


@dataclass(frozen=True)
class Whole:
    """What an uninterrupted command left, and how long it took."""

    folder: Path
    seconds: float


@pytest.fixture(scope="module", autouse=True)
def _cache(cache_dir: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEQ2TIME_CACHE", str(cache_dir))
        yield


def timed(words: list[str], folder: Path, log: Path) -> Whole:
    began = time.perf_counter()
    child = started(words, log)
    assert child.ended() == 0, child.said()
    return Whole(folder, time.perf_counter() - began)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, features: FeatureStore) -> Whole:
    """With the features in the cache, as the runs that are struck have them.

    Every step's checkpoint is kept: an interrupted run writes one wherever it is.
    """
    root = tmp_path_factory.mktemp("trained")
    words = [*TRAIN, *EVERY_STEP, "--out", str(root / "run")]
    return timed(words, root / "run", root / "log")


@pytest.fixture(scope="module")
def asks(trained: Whole, corpus: Corpus) -> list[str]:
    """The command that predicts, without its --out."""
    bench = trained.folder.parent / "bench"
    spec = replace(SMALL_BENCHMARK, num_image_sequences=4, num_clip_sequences=3)
    build_default_benchmark(corpus, bench, spec)
    return ["predict", str(bench), "--run", str(trained.folder)]


@pytest.fixture(scope="module")
def predicted(asks: list[str], tmp_path_factory: pytest.TempPathFactory) -> Whole:
    root = tmp_path_factory.mktemp("predicted")
    out = root / "out" / "rows.jsonl"
    return timed([*asks, "--out", str(out)], out.parent, root / "log")


def moments(count: int, whole: Whole, what: str) -> list[tuple[float, signal.Signals]]:
    """Seconds after the start, evenly over all that a command does, and the signal for each."""
    rng = random.Random(f"{SEED} {what}")
    sys.stdout.write(f"SEQ2TIME_KILL_SEED={SEED}, {what} takes {whole.seconds:.2f} s\n")
    seconds = [rng.random() * whole.seconds for _ in range(count)]
    drawn = [(signal.SIGINT, signal.SIGKILL)[number % 2] for number in range(count)]
    return list(zip(seconds, drawn, strict=True))


def struck(words: list[str], log: Path, seconds: float, number: signal.Signals) -> int:
    """Starts a command and sends the signal after a while; the exit status."""
    child = started(words, log)
    time.sleep(seconds)
    os.kill(child.pid, number)  # it may have ended: then nobody has waited for it yet
    status = child.ended()
    said = child.said()
    sys.stdout.write(f"{words[0]}: {number.name} after {seconds:.3f} s, status {status}\n")
    if number == signal.SIGINT:
        assert status in (0, 130), said
        said = _PASSED_OVER.sub("", said)
        assert "Traceback" not in said
        if status:
            last = said.splitlines()[-1]
            assert last == "vidllm: interrupted" or last.startswith("stopped after step "), said
    else:
        assert status in (0, -signal.SIGKILL), said
    return status


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def train_strikes(count: int, whole: Whole, root: Path) -> None:
    for round_, (seconds, number) in enumerate(moments(count, whole, "train")):
        run_dir = root / f"run-{round_}"
        words = [*TRAIN, *EVERY_SECOND_STEP, "--out", str(run_dir)]
        struck(words, root / "log", seconds, number)
        if number == signal.SIGINT and run_dir.exists():
            assert not [name for name in names(run_dir) if name.startswith(".")]
        if run_folder.is_run(run_dir):
            words = ["train", "smoke", "--resume", str(run_dir)]
        again = started(words, root / "log")
        assert again.ended() == 0, again.said()
        assert_same_run(run_dir, whole.folder)


def assert_same_run(one: Path, other: Path) -> None:
    """Every loss, no file too many, and every byte of the two checkpoints that are kept."""
    steps = [found.step for found in checkpoint.named(one)]
    assert steps in ([4, 2], [4, 3]), "the last, and one before it: where it stopped, or step 2"
    unkept = {f"checkpoint-{step}" for step in {1, 2, 3, 4} - set(steps)}
    assert names(one) == {name for name in names(other) if name.split("/")[0] not in unkept}
    ours, theirs = ([(r["step"], r["loss"], r["task_losses"]) for r in run_folder.read_metrics(d)]
                    for d in (one, other))  # fmt: skip
    assert ours == theirs
    for found in checkpoint.named(one):
        assert checkpoint.damage(found.path) is None
        for name in (checkpoint.ADAPTER_NAME, "projector.safetensors"):
            there = other / found.path.name / name
            assert (found.path / name).read_bytes() == there.read_bytes()


def predict_strikes(count: int, whole: Whole, asks: list[str], root: Path) -> None:
    for round_, (seconds, number) in enumerate(moments(count, whole, "predict")):
        out = root / f"out-{round_}" / "rows.jsonl"
        words = [*asks, "--out", str(out)]
        status = struck(words, root / "log", seconds, number)
        assert status != 0 or out.exists()
        again = started(words, root / "log")
        assert again.ended() == 0, again.said()
        assert_same_files(out.parent, whole.folder)


def assert_same_files(one: Path, other: Path) -> None:
    assert names(one) == names(other)
    for name in names(other):
        assert (one / name).read_bytes() == (other / name).read_bytes()


PLACES = {
    "nothing is written": ((predict, "start_part"), 1),
    "no answer is written": ((predict, "append_rows"), 1),
    "some are written": ((predict, "append_rows"), 2),
    "all are written": ((predict, "put_in_place"), 1),
    "its settings are not": ((prediction_files, "write_atomically"), 2),
    "it only clears up": ((predict, "remove_parts"), 2),
}


@pytest.mark.parametrize(
    ("when", "number"),
    [*((when, signal.SIGKILL) for when in PLACES), ("some are written", signal.SIGINT)],
)
def test_a_prediction_struck_anywhere_is_continued(
    predicted: Whole, asks: list[str], tmp_path: Path, when: str, number: signal.Signals
) -> None:
    def strike() -> None:
        at(*PLACES[when], lambda: os.kill(os.getpid(), number))

    out, log = tmp_path / "out" / "rows.jsonl", tmp_path / "log"
    words = [*asks, "--out", str(out)]
    child = started(words, log, strike)
    assert child.ended() == (130 if number == signal.SIGINT else -signal.SIGKILL), child.said()
    again = started(words, log)
    assert again.ended() == 0, again.said()
    assert_same_files(out.parent, predicted.folder)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", ["train", "predict"])
def test_twenty_random_moments(
    trained: Whole, predicted: Whole, asks: list[str], tmp_path: Path, what: str
) -> None:
    if what == "train":
        train_strikes(20, trained, tmp_path)
    else:
        predict_strikes(20, predicted, asks, tmp_path)

"""One run from configuration to finished checkpoint, readable from top to bottom.

A run that is killed at any moment continues from its newest good checkpoint and ends with the same
weights, bit for bit on a CPU, as one that was not.
"""

from __future__ import annotations

import pickle
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vidllm import checkpoint, run_folder
from vidllm.checkpoint import Checkpoint
from vidllm.config import TrainConfig
from vidllm.data_workers import naming_lost_workers
from vidllm.processes import process_state
from vidllm.progress import CountLine, ProgressLine, duration

if TYPE_CHECKING:
    from seqsynth import Corpus
    from vidllm.adapters import FrameSource


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        run_dir: the run folder.
        step: optimizer steps done.
        signal_number: the signal that ended it early; None when it is complete.
    """

    run_dir: Path
    step: int
    signal_number: int | None


def train(
    config: TrainConfig, run_dir: str | Path, *, resume_from: Checkpoint | None, console: Console
) -> Outcome:
    """Trains into an existing run folder.

    Args:
        config: what to do; already written to the folder.
        run_dir: exists, and holds nothing but this run.
        resume_from: a checkpoint of this run to continue from.
        console: where progress goes.

    Raises:
        FileNotFoundError: data or weights have not been fetched (says what to run).
        ValueError: settings that the base model or the corpus cannot serve.
        DivergenceError: the loss is no longer a number.
        CheckpointError: the checkpoint does not fit.
    """
    run_dir = Path(run_dir)
    if not process_state().is_main_process:
        return _train(config, run_dir, resume_from, Console(quiet=True))
    with run_folder.locked(run_dir):
        return _train(config, run_dir, resume_from, console)


def _train(
    config: TrainConfig, run_dir: Path, resume_from: Checkpoint | None, console: Console
) -> Outcome:
    from vidllm import assembly
    from vidllm.batching import Collator
    from vidllm.data import TrainingData
    from vidllm.manifest import write_manifest
    from vidllm.mixture_data import SKIPPED_NAME, START_IMAGES, check_corpus, sample_of_images
    from vidllm.reading import RunCollator, reader
    from vidllm.trainer import SequenceTrainer, StopOnRequest
    from vidllm.utilisation import share_per_rate

    processes = process_state()
    corpus = assembly.load_corpus(config.data)
    check_corpus(config, corpus)
    shown = sample_of_images(corpus, START_IMAGES, config.seed) if config.data.root else corpus
    with processes.main_process_first(), _timed(console, "visual features"):
        features = _features_of(config, shown, console)
    with _timed(console, "model"):
        parts = assembly.assemble(config, features.width)
        # Also when resuming: the offsets are not in the checkpoint, they are computed again.
        offsets = assembly.start_projector(parts, config, shown, features)
    data = TrainingData(config, corpus, parts.prompter, skip_path=run_dir / SKIPPED_NAME)
    first_step = resume_from.step if resume_from else 0
    if processes.is_main_process:
        write_manifest(config, corpus, data, run_dir)
        run_folder.rewind_metrics(run_dir, first_step)
    if resume_from and config.compute.fsdp:  # before the model is spread over the processes
        checkpoint.load_weights(parts.model, resume_from.path)
    share = share_per_rate(
        parts.model.llm, bf16=config.compute.bf16, num_processes=processes.num_processes
    )
    line = ProgressLine(console, config.num_steps, first_step=first_step, peak_share_per_rate=share)
    source = features
    if config.data.root:  # too large to keep features of
        cache_dir = assembly.cache_dir_of(config.data)
        source, offsets = reader(assembly.adapter_of(config.model), config.model, cache_dir), None
    collator = Collator(source, parts.tokenizer.pad_token_id or 0, offsets)
    trainer = SequenceTrainer(
        parts.model,
        config,
        run_dir,
        dataset=data,
        collator=RunCollator(collator, data, source),
        progress_line=line,
        first_step=first_step,
    )
    stop = StopOnRequest(trainer)
    trainer.add_callback(stop)
    lost = naming_lost_workers(run_dir, config.data.num_workers)
    with lost, line, _stopping_on_signals(stop, console) as caught:
        _go(trainer, resume_from)
    step = trainer.state.global_step
    if step not in {found.step for found in checkpoint.named(run_dir)}:
        trainer._save_checkpoint(trainer.model_wrapped, None)
    return Outcome(run_dir, step, caught[0] if caught and step < config.num_steps else None)


def _features_of(config: TrainConfig, corpus: Corpus, console: Console) -> FrameSource:
    """What the model takes of the frames that are kept ahead: their features, or the frames."""
    from vidllm.assembly import load_features
    from vidllm.features import frames_of_corpus
    from vidllm.film_data import film_frames_of

    frames = frames_of_corpus(corpus, config.data.clip_frame_step, heldout=False)
    frames += film_frames_of(config)
    progress = CountLine(console, "visual features", "frames")
    return load_features(config, corpus, frames, progress=progress)


def _go(trainer: Any, resume_from: Checkpoint | None) -> None:
    """Trains; the state of a checkpoint is read as numbers alone, so that no file can run code."""
    try:
        trainer.train(resume_from_checkpoint=str(resume_from.path) if resume_from else None)
    except pickle.UnpicklingError as error:
        where = resume_from.path if resume_from else trainer.run_dir
        raise checkpoint.CheckpointError(
            f"{where} holds Python objects besides numbers, which are not read: delete it to go on "
            "from the one before"
        ) from error


@contextmanager
def _timed(console: Console, what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    console.print(f"{what}: {duration(time.perf_counter() - began)}")


@contextmanager
def _stopping_on_signals(stop: Any, console: Console) -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM end training after the step in progress; a second one ends it at once."""
    caught: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)
        stop.requested = True
        console.print("stopping after this step; once more to stop at once")

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

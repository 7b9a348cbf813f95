"""Predictions of several systems on one benchmark, from one loading of corpus and features."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path

from rich.console import Console

from seqsynth import Corpus, FrameRef
from vidllm import assembly, benchmarks, checkpoint
from vidllm.adapters import FrameSource
from vidllm.assembly import Assembly
from vidllm.chance import NUM_CLIPS, chance_events
from vidllm.checkpoint import Checkpoint, CheckpointError
from vidllm.config import TrainConfig
from vidllm.features import frames_of_corpus, frames_standing_for
from vidllm.mixture_data import START_IMAGES, sample_of_images
from vidllm.predict import (
    PredictionSettings,
    is_complete,
    predict,
    read_predictions,
    weights_name,
    write_events,
)
from vidllm.processes import own_device
from vidllm.progress import duration
from vidllm.reading import reader

CHANCE_SEED = 0


class Evaluator:
    """Asks the questions of a benchmark.

    Args:
        config: of the run that is evaluated.
        benchmark_dir: what `seqsynth` built.
        console: where progress goes.
        constrained: hold answers to the form of their task.
        num_beams: places looked at side by side; 1 is greedy.
        media_root: paths of the benchmark start here, and its frames are read as they are asked
            for; "": where the run's corpus lies, with its features.
        keep_features: with `media_root`: features of the benchmark's frames are computed once and
            kept with those of the corpus, for several runs that are asked the same. Of a clip, as
            in training, every `data.clip_frame_step`th frame has its own.

    Raises:
        ValueError: no benchmark there, or one in another codec than the run's.
    """

    def __init__(
        self,
        config: TrainConfig,
        benchmark_dir: Path,
        console: Console,
        *,
        constrained: bool = True,
        num_beams: int = 1,
        media_root: str = "",
        keep_features: bool = False,
    ):
        self.config, self.console = config, console
        self.constrained, self.num_beams = constrained, num_beams
        self.media_root, self.keep_features = media_root, keep_features
        root = media_root or self.corpus.root
        self.queries = benchmarks.read_benchmark(benchmark_dir, root)
        codecs = {query.example.codec for query in self.queries} - {config.model.codec}
        if codecs:
            raise ValueError(
                f"{benchmark_dir} writes places as {codecs.pop()!r}, the run as "
                f"{config.model.codec!r}: build the benchmark with the run's codec"
            )
        self.benchmark_sha256 = benchmarks.content_hash(benchmark_dir)
        folder = benchmarks.folder_of(benchmark_dir)
        self.templates = benchmarks.templates_of(folder) or config.data.templates
        self.num_clips = benchmarks.num_clips_of(folder) or NUM_CLIPS
        self._features: FrameSource | None = None

    @cached_property
    def corpus(self) -> Corpus:
        """What the run was trained on."""
        return assembly.load_corpus(self.config.data)

    def run(self, system: str, run_dir: Path, out: Path) -> dict[str, int]:
        """Predictions of a system: trained, untrained, chance, or another name for trained.

        Args:
            system: what the predictions are called.
            run_dir: gives the checkpoint.
            out: predictions.jsonl.

        Raises:
            CheckpointError: no good checkpoint in the run.
        """
        if system == "chance":
            settings = self._settings(system, f"seed {CHANCE_SEED}")
            events = chance_events(self.queries, self.corpus, CHANCE_SEED, self.num_clips)
            write_events(self.queries, events, settings, out)
            return _counts(len(self.queries), len(self.queries), 0)
        if system == "untrained":
            found = None
            weights = f"start of {self.config.recipe}, seed {self.config.seed}"
        else:
            found = checkpoint.newest_good(run_dir)
            if found is None:
                raise CheckpointError(f"{run_dir} has no checkpoint")
            weights = weights_name(found.path)
        settings = self._settings(system, weights)
        if is_complete(self.queries, settings, out):
            rows = read_predictions(out).values()
            return _counts(len(self.queries), 0, sum(row["malformed"] for row in rows))
        parts = self._assembled(found)
        return predict(parts, self.features(), self.queries, settings, out, self._reporter(system))

    def _assembled(self, found: Checkpoint | None) -> Assembly:
        """The model with a checkpoint's weights, or as it starts."""
        parts = assembly.assemble(self.config, self.features().width)
        if found is None:
            shown, features = self.corpus, self.features()
            if self._reads_frames:
                shown = sample_of_images(shown, START_IMAGES, self.config.seed)
                features = self._kept(shown)
            assembly.start_projector(parts, self.config, shown, features)
        else:
            checkpoint.load_weights(parts.model, found.path)
        parts.model.to(own_device())
        return parts

    def features(self) -> FrameSource:
        """What the model takes of every frame of training and held-out side."""
        if self._features is None:
            adapter = assembly.adapter_of(self.config.model)
            if self._reads_frames and self.keep_features:
                self._features = self._kept_frames(self._asked_frames())
            elif self._reads_frames:
                cache_dir = assembly.cache_dir_of(self.config.data)
                self._features = reader(adapter, self.config.model, cache_dir)
            else:
                self._features = self._kept(self.corpus)
        return self._features

    @property
    def _reads_frames(self) -> bool:
        return bool(self.media_root or self.config.data.root)

    def _kept(self, corpus: Corpus) -> FrameSource:
        """Features of a corpus, from the cache."""
        step = self.config.data.clip_frame_step
        return self._kept_frames(frames_of_corpus(corpus, step, heldout=True))

    def _kept_frames(self, frames: list[FrameRef]) -> FrameSource:
        report = self._reporter("visual features")
        return assembly.load_features(self.config, self.corpus, frames, report)

    def _asked_frames(self) -> list[FrameRef]:
        """Those that the questions show, a clip's as training takes them."""
        asked = (frame for query in self.queries for frame in query.example.frames)
        return frames_standing_for(asked, self.config.data.clip_frame_step)

    def _settings(self, system: str, weights: str) -> PredictionSettings:
        return PredictionSettings(
            system,
            weights,
            self.benchmark_sha256,
            self.constrained,
            self.templates,
            self.num_beams,
        )

    def _reporter(self, what: str) -> _Reporter:
        return _Reporter(self.console, what)


def _counts(queries: int, answered: int, malformed: int) -> dict[str, int]:
    return {"queries": queries, "answered": answered, "malformed": malformed}


class _Reporter:
    """Prints how far something is, now and then, with the time left."""

    def __init__(self, console: Console, what: str):
        self.console, self.what = console, what
        self.began = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.began = done, now
        if done < total and now - self.last < 5:
            return
        self.last = now
        left = ""
        if done > self.first and done < total:
            rate = (now - self.began) / (done - self.first)
            left = f", {duration(rate * (total - done))} left"
        self.console.print(f"{self.what}: {done} of {total}{left}", highlight=False)

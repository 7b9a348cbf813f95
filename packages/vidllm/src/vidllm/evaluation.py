"""Predictions of several systems on one benchmark, from one loading of corpus and features."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from rich.console import Console

from seqsynth import Corpus, FrameRef
from seqsynth.benchmark import EXAMPLES_NAME
from seqsynth.built_media import named_media_root
from vidllm import assembly, benchmarks, checkpoint
from vidllm.adapters import FrameSource
from vidllm.assembly import Assembly
from vidllm.chance import NUM_CLIPS, chance_events
from vidllm.checkpoint import Checkpoint, CheckpointError
from vidllm.config import TrainConfig
from vidllm.features import frames_of_corpus, frames_standing_for
from vidllm.mixture_data import START_IMAGES, sample_of_images
from vidllm.predict import is_complete, predict, weights_name, write_events
from vidllm.prediction_files import MAX_NEW_TOKENS, PredictionSettings, read_predictions
from vidllm.processes import own_device
from vidllm.progress import CountLine
from vidllm.reading import reader

CHANCE_SEED = 0


class Evaluator:
    """Asks the questions of a benchmark.

    Args:
        config: of the run that is evaluated.
        benchmark: a folder that `seqsynth` built, or one of its files (`read_benchmark`).
        console: where progress goes.
        constrained: hold answers to the form of their task.
        num_beams: places looked at side by side; 1 is greedy.
        media_root: paths of the benchmark start here, and its frames are read as they are asked
            for; "": where the build that the benchmark is of says, else where the run's corpus
            lies, with its features.
        keep_features: with `media_root`: features of the benchmark's frames are computed once and
            kept with those of the corpus, for several runs that are asked the same. Of a clip, as
            in training, every `data.clip_frame_step`th frame has its own.

    Raises:
        ValueError: no benchmark there, one in another codec than the run's, one that asks for
            something else than places and captions, or (when the model is asked) one that shows
            what the run's corpus does not have.
    """

    def __init__(
        self,
        config: TrainConfig,
        benchmark: str | Path,
        console: Console,
        *,
        constrained: bool = True,
        num_beams: int = 1,
        media_root: str | Path = "",
        keep_features: bool = False,
    ):
        self.config, self.console = config, console
        self.constrained, self.num_beams = constrained, num_beams
        examples = benchmarks.folder_of(benchmark) / EXAMPLES_NAME
        self.media_root = str(media_root or named_media_root(examples) or "")
        self.keep_features = keep_features
        root = self.media_root or self.corpus.root
        self.queries = benchmarks.read_benchmark(benchmark, root)
        unknown = sorted({query.example.task for query in self.queries} - {*MAX_NEW_TOKENS})
        if unknown:
            raise ValueError(
                f"{benchmark} has questions of the task {unknown[0]!r}: what is predicted are "
                f"answers to {', '.join(MAX_NEW_TOKENS)}"
            )
        codecs = {query.example.codec for query in self.queries} - {config.model.codec}
        if codecs:
            raise ValueError(
                f"{benchmark} writes places as {codecs.pop()!r}, the run as "
                f"{config.model.codec!r}: build the benchmark with the run's codec"
            )
        self.benchmark_sha256 = benchmarks.content_hash(benchmark)
        folder = benchmarks.folder_of(benchmark)
        self.templates = benchmarks.templates_of(folder) or config.data.templates
        self.num_clips = benchmarks.num_clips_of(folder) or NUM_CLIPS
        self._features: FrameSource | None = None

    @cached_property
    def corpus(self) -> Corpus:
        """What the run was trained on."""
        return assembly.load_corpus(self.config.data)

    def run(self, system: str, run_dir: str | Path, out: str | Path) -> dict[str, int]:
        """Predictions of a system: trained, untrained, chance, or another name for trained.

        Args:
            system: what the predictions are called.
            run_dir: gives the checkpoint.
            out: predictions.jsonl.

        Raises:
            CheckpointError: no good checkpoint in the run.
            ValueError: `out` is there and holds something else than predictions.
        """
        if system == "chance":
            settings = self._settings(system, f"seed {CHANCE_SEED}")
            events = chance_events(
                self.queries, self.corpus, seed=CHANCE_SEED, num_clips=self.num_clips
            )
            write_events(self.queries, events, out, settings=settings)
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
        if is_complete(self.queries, out, settings=settings):
            rows = read_predictions(out).values()
            return _counts(len(self.queries), 0, sum(row["malformed"] for row in rows))
        return predict(
            self.queries,
            out,
            assembly=self._assembled(found),
            features=self.features(),
            settings=settings,
            progress=CountLine(self.console, system, "questions"),
        )

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
        """What the model takes of all frames that are asked about."""
        if self._features is None:
            adapter = assembly.adapter_of(self.config.model)
            if self._reads_frames and self.keep_features:
                self._features = self._kept_frames(self._asked_frames())
            elif self._reads_frames:
                cache_dir = assembly.cache_dir_of(self.config.data)
                self._features = reader(adapter, self.config.model, cache_dir)
            else:
                self._check_shown()
                self._features = self._kept(self.corpus)
        return self._features

    def _check_shown(self) -> None:
        """Features are kept of the corpus alone, so nothing else can be shown."""
        kept = {frame.path for frame in frames_of_corpus(self.corpus, 1, heldout=True)}
        for frame in self._asked_frames():
            if frame.path not in kept:
                raise ValueError(
                    f"{frame.path} is not of the corpus that the run was trained on: name the "
                    "folder of the benchmark's media with --media-root"
                )

    @property
    def _reads_frames(self) -> bool:
        return bool(self.media_root or self.config.data.root)

    def _kept(self, corpus: Corpus) -> FrameSource:
        """Features of a corpus, from the cache."""
        step = self.config.data.clip_frame_step
        return self._kept_frames(frames_of_corpus(corpus, step, heldout=True))

    def _kept_frames(self, frames: list[FrameRef]) -> FrameSource:
        progress = CountLine(self.console, "visual features", "frames")
        return assembly.load_features(self.config, self.corpus, frames, progress=progress)

    def _asked_frames(self) -> list[FrameRef]:
        """Those that the questions show, a clip's as training takes them."""
        asked = (frame for query in self.queries for frame in query.example.frames)
        return frames_standing_for(asked, self.config.data.clip_frame_step)

    def _settings(self, system: str, weights: str) -> PredictionSettings:
        return PredictionSettings(
            system=system,
            weights=weights,
            benchmark_sha256=self.benchmark_sha256,
            constrained=self.constrained,
            templates=self.templates,
            num_beams=self.num_beams,
        )


def _counts(queries: int, answered: int, malformed: int) -> dict[str, int]:
    return {"queries": queries, "answered": answered, "malformed": malformed}

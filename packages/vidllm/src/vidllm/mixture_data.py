"""A stage that draws from a mixture of seqsynth: made sequences and real videos of any size.

Example k of the stage is example k of the mixture; a stage of more examples than the mixture has
begins it anew. A file that cannot be read gives way by seqsynth's rule: a fixed replacement,
written to `skipped.jsonl`, and an end of the run when there are too many.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqsynth import (
    Corpus,
    Example,
    FrameRef,
    MixtureDataset,
    MixtureRecipe,
    SequenceDataset,
    SequenceRecipe,
    SkipLog,
    load_recipe,
    open_corpus,
    read_frames,
    stream_of,
)
from seqsynth.skipping import least_judged
from vidllm.config import DataConfig, TrainConfig
from vidllm.prompting import Encoded, Prompter
from vidllm.stage_config import StageConfig

MANIFEST_SUFFIX = ".arrow"
SKIPPED_NAME = "skipped.jsonl"
SEED_BITS = 32  # of a run's seed
START_IMAGES = 2000  # stills that a projector starts from, where there are too many to look at all


@dataclass(frozen=True, slots=True)
class Drawn(Encoded):
    """An example of a run.

    Attributes:
        source: which part of the data it came from, for the loss by source.
        index: its number in the run.
    """

    source: str = ""
    index: int = -1


def drawn(encoded: Encoded, source: str, index: int) -> Drawn:
    """An example with its source and number."""
    fields = {field.name: getattr(encoded, field.name) for field in dataclasses.fields(Encoded)}
    return Drawn(**fields, source=source, index=index)


def manifests_of(config: DataConfig) -> list[Path]:
    """The manifests below data.root.

    Raises:
        FileNotFoundError: no such folder, or none in it (says what writes them).
    """
    root = Path(config.root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"data.root is {config.root!r}: there is no such folder")
    found = sorted(root.rglob(f"*{MANIFEST_SUFFIX}"))
    if not found:
        raise FileNotFoundError(
            f"data.root {root} holds no manifest: write one with "
            f"seqsynth index SOURCE FOLDER --out {root}/SOURCE{MANIFEST_SUFFIX}"
        )
    return found


def manifest_corpus(config: DataConfig) -> Corpus:
    """All that the manifests below data.root list."""
    return open_corpus(manifests_of(config))


def mixture_recipe(config: TrainConfig, stage: StageConfig) -> MixtureRecipe | SequenceRecipe:
    """The mixture of a stage, its places written as the model writes them.

    Raises:
        ValueError: an unknown name, or a file that is no recipe.
    """
    recipe = load_recipe(config.data.mixture_of(stage))
    codec = config.model.codec
    if isinstance(recipe, SequenceRecipe):
        return dataclasses.replace(recipe, codec=codec)
    return dataclasses.replace(recipe, sequences=dataclasses.replace(recipe.sequences, codec=codec))


def check_recipes(config: TrainConfig) -> None:
    """Reads the mixture of every stage, before the hours that looking at pictures can take.

    Raises:
        ValueError: as `mixture_recipe`.
    """
    for stage in config.data.stages:
        if config.data.mixture_of(stage):
            mixture_recipe(config, stage)


def mixture_stream(
    config: TrainConfig, stage: StageConfig, corpus: Corpus
) -> SequenceDataset | MixtureDataset:
    """The examples of a stage's mixture over a corpus.

    Raises:
        ValueError: the corpus lacks what a part needs (names the stage and the part).
    """
    recipe = mixture_recipe(config, stage)
    # Another seed for each stage: a video of two stages shows other frames in the second.
    seed = config.seed + (config.data.stages.index(stage) << SEED_BITS)
    try:
        return stream_of(corpus, recipe, seed)
    except ValueError as error:
        hint = "" if config.data.root else "; name the folder of its manifests with --data.root"
        raise ValueError(f"stage {stage.name!r}: {error}{hint}") from None


def check_corpus(config: TrainConfig, corpus: Corpus) -> None:
    """Opens the mixture of every stage, before the minutes that loading a model can take.

    Raises:
        ValueError: as `mixture_stream`.
    """
    for stage in config.data.stages:
        if config.data.mixture_of(stage):
            mixture_stream(config, stage, corpus)


def sequences_of(recipe: MixtureRecipe | SequenceRecipe) -> SequenceRecipe:
    """How sequences are made, of a mixture or of a recipe that is nothing but sequences."""
    return recipe.sequences if isinstance(recipe, MixtureRecipe) else recipe


class MixtureStage:
    """The examples of one stage.

    Args:
        config: the run.
        stage: names the mixture.
        corpus: what it is made of.
        prompter: writes examples as token ids.
        skip_path: where files that cannot be read are written down; None: nowhere.

    Raises:
        ValueError: the corpus lacks what a part needs (names the stage and the part).
    """

    def __init__(
        self,
        config: TrainConfig,
        stage: StageConfig,
        corpus: Corpus,
        prompter: Prompter,
        *,
        skip_path: str | Path | None = None,
    ):
        self.config, self.stage, self.prompter = config, stage, prompter
        self.stream = mixture_stream(config, stage, corpus)
        num_examples = config.stage_steps[config.data.stages.index(stage)]
        num_examples *= config.optim.global_batch_size
        share = config.data.max_skipped_share
        path = None if skip_path is None else Path(skip_path)
        self._log = SkipLog(path, max_share=share, least_read=least_judged(num_examples))

    @property
    def sources(self) -> tuple[str, ...]:
        """The parts of the mixture."""
        recipe = self.stream.recipe
        return tuple(recipe.parts) if isinstance(recipe, MixtureRecipe) else tuple(recipe.tasks)

    def example(self, number: int, index: int) -> Drawn:
        """Example `number` of the stage, which is `index` of the run."""
        self._log.add_read()
        return self._drawn(self.stream[number % len(self.stream)], number, index)

    def readable(self, number: int, index: int, frames: Any) -> Drawn:
        """The same, or what stands in for it where its files cannot be read.

        Args:
            number: of the stage.
            index: of the run.
            frames: the frame source that the model's inputs come from.

        Raises:
            TooManySkippedError: too many files cannot be read.
        """
        place = number % len(self.stream)
        self._log.num_read -= 1  # counted when it was drawn

        def load(refs: Sequence[FrameRef]) -> NDArray[np.uint8]:
            frames.inputs([_Shown(tuple(refs), ("",) * len(refs))])
            return np.empty(0, dtype=np.uint8)

        example, _ = read_frames(self.stream, place, load, log=self._log)
        return self._drawn(example, number, index)

    def length(self, number: int) -> int:
        """Tokens of an example."""
        example = self.stream[number % len(self.stream)]
        return len(self.prompter.encode(example, supervise=self.stage.supervise).input_ids)

    def _drawn(self, example: Example, number: int, index: int) -> Drawn:
        source = example.task
        if isinstance(self.stream, MixtureDataset):
            source = self.stream.locate(number % len(self.stream)).part
        encoded = self.prompter.encode(example, supervise=self.stage.supervise)
        return drawn(encoded, source, index)


@dataclass(frozen=True, slots=True)
class _Shown:
    """Frames alone, to see whether they can be read."""

    frames: tuple[FrameRef, ...]
    codes: tuple[str, ...]


def sample_of_images(corpus: Corpus, count: int, seed: int) -> Corpus:
    """The corpus with some of its training stills alone: enough to start a projector on."""
    rng = np.random.default_rng([seed, count])
    total = len(corpus.train_images)
    rows = np.sort(rng.choice(total, size=min(count, total), replace=False)).tolist()
    images = tuple(corpus.train_images[row] for row in rows)
    return dataclasses.replace(corpus, train_images=images, train_clips=(), videos={})

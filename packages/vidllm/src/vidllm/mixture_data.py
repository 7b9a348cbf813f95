"""A stage that draws from a mixture of seqsynth: made sequences and real videos of any size.

Example k of the stage is example k of the mixture; a stage of more examples than the mixture has
begins it anew. Where a corpus is too large to keep all features, pictures are read as they are
asked for, and a file that cannot be read gives way by seqsynth's rule: a fixed replacement, written
to `skipped.jsonl`, and an end of the run when there are too many.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seqsynth import (
    Corpus,
    MixtureDataset,
    MixtureRecipe,
    SequenceDataset,
    SequenceRecipe,
    SkipLog,
    load_frames,
    load_recipe,
    open_corpus,
    read_frames,
    stream_of,
)
from vidllm.config import DataConfig, StageConfig, TrainConfig
from vidllm.prompting import Encoded, Prompter

MANIFEST_SUFFIX = ".arrow"
SKIPPED_NAME = "skipped.jsonl"
SEED_BITS = 32  # of a run's seed

Pictures = tuple[NDArray[np.uint8], ...]
"""(F, size, size, 3) of one example, for each of model.image_sizes."""


@dataclass(frozen=True, slots=True)
class Drawn(Encoded):
    """An example of a run.

    Attributes:
        source: which part of the data it came from, for the loss by source.
        pictures: of its frames, where features are not kept; else empty.
    """

    source: str = ""
    pictures: Pictures = ()


def drawn(encoded: Encoded, source: str, pictures: Pictures = ()) -> Drawn:
    """An example with its source."""
    fields = {field.name: getattr(encoded, field.name) for field in dataclasses.fields(Encoded)}
    return Drawn(**fields, source=source, pictures=pictures)


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
        skip_path: Path | None,
    ):
        self.config, self.stage, self.prompter = config, stage, prompter
        recipe = mixture_recipe(config, stage)
        # Another seed for each stage: a video of two stages shows other frames in the second.
        seed = config.seed + (config.data.stages.index(stage) << SEED_BITS)
        try:
            self.stream: SequenceDataset | MixtureDataset = stream_of(corpus, recipe, seed)
        except ValueError as error:
            hint = "" if config.data.root else "; name the folder of its manifests with --data.root"
            raise ValueError(f"stage {stage.name!r}: {error}{hint}") from None
        self._log = SkipLog(skip_path, max_share=config.data.max_skipped_share)

    @property
    def sources(self) -> tuple[str, ...]:
        """The parts of the mixture."""
        recipe = self.stream.recipe
        return tuple(recipe.parts) if isinstance(recipe, MixtureRecipe) else tuple(recipe.tasks)

    def example(self, number: int) -> Drawn:
        """Example `number` of the stage, with its pictures where they are not kept.

        Raises:
            TooManySkippedError: too many files cannot be read.
        """
        index = number % len(self.stream)
        example = self.stream[index]
        pictures: Pictures = ()
        if self.config.data.root:
            first, *others = self.config.model.image_sizes
            example, shown = read_frames(
                self.stream,
                index,
                lambda refs: load_frames(refs, first),
                self._log,
                example=example,
            )
            pictures = (shown, *(load_frames(example.frames, size) for size in others))
        encoded = self.prompter.encode(example, (), self.stage.supervise)
        return drawn(encoded, self._source(index, example.task), pictures)

    def text(self, number: int) -> Encoded:
        """The same without pictures: for its length."""
        return self.prompter.encode(
            self.stream[number % len(self.stream)], (), self.stage.supervise
        )

    def _source(self, index: int, task: str) -> str:
        return self.stream.locate(index).part if isinstance(self.stream, MixtureDataset) else task


def sample_of_images(corpus: Corpus, count: int, seed: int) -> Corpus:
    """The corpus with some of its training stills alone: enough to start a projector on."""
    rng = np.random.default_rng([seed, count])
    total = len(corpus.train_images)
    rows = np.sort(rng.choice(total, size=min(count, total), replace=False)).tolist()
    images = tuple(corpus.train_images[row] for row in rows)
    return dataclasses.replace(corpus, train_images=images, train_clips=(), videos={})

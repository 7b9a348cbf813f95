"""The examples of a run: item i is a pure function of corpus, configuration, seed and i.

The kind of a batch and the length of its sequences are drawn once for each optimizer step, so a
batch needs little padding; everything else is drawn for each example. Nothing depends on who asks
or in what order: workers, processes and resumed runs get the same examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch.utils.data import Dataset

import timetokens as tt
from seqsynth import (
    ClipItem,
    Corpus,
    Example,
    FrameRef,
    ImageItem,
    MediaError,
    SequenceDataset,
    SequenceRecipe,
)
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.video_tasks import EVENT_TASKS
from vidllm.config import TrainConfig
from vidllm.film_data import FilmWindows, film_windows_of
from vidllm.mixture_data import Drawn, MixtureStage, drawn
from vidllm.prompting import Encoded, Prompter
from vidllm.schedule import Moment, longest_images, moment_of

Kind = Literal["captions", "images", "clips", "film"]
KINDS: tuple[Kind, ...] = ("captions", "images", "clips", "film")
HELD_STILLS = "held_stills"

# First numbers of the random streams; a stream's key is (seed, stream, number).
STEP_STREAM, EXAMPLE_STREAM = 0, 1
# Animations last 1.2 to 3.1 seconds; where places are relative it does not matter.
HELD_STILL_SECONDS = 2.0
# In an example with text items, the chance of each frame to be shown as text.
TEXT_ITEM_CHANCE = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What the examples of one batch share.

    Attributes:
        moment: gives the stage.
        kind: what is shown.
        num_images: length of image sequences; 0 for other kinds.
        templates: wording of the questions.
        held_stills: clips are stills, each held for as long as a clip lasts.
    """

    moment: Moment
    kind: Kind
    num_images: int
    templates: str
    held_stills: bool

    @property
    def key(self) -> tuple[int, Kind, int, str, bool]:
        """Tells the example streams of a run apart."""
        return self.moment.stage_index, self.kind, self.num_images, self.templates, self.held_stills


class TrainingData(Dataset[Drawn]):
    """All examples of a run, in order: `global_batch_size` for each optimizer step.

    Args:
        config: the run.
        corpus: its training side is drawn from.
        prompter: writes examples as token ids.
        skip_path: where files of a mixture that cannot be read are written down; None: nowhere.

    Attributes:
        sources: the parts that examples come from.

    Raises:
        ValueError: the corpus cannot serve a stage (too few pictures or clips).
    """

    def __init__(
        self,
        config: TrainConfig,
        corpus: Corpus,
        prompter: Prompter,
        *,
        skip_path: str | Path | None = None,
    ):
        self.config, self.corpus, self.prompter = config, corpus, prompter
        self._streams: dict[tuple[int, Kind, int, str, bool], SequenceDataset] = {}
        self._films: dict[tuple[int, str], FilmWindows] = {}
        self._mixtures: dict[int, MixtureStage] = {}
        for step in self._first_steps():  # a stage that cannot be served fails here, not at hour 3
            moment = moment_of(config, step)
            if config.data.mixture_of(moment.stage):
                mixture = MixtureStage(config, moment.stage, corpus, prompter, skip_path=skip_path)
                self._mixtures[moment.stage_index] = mixture
                continue
            if moment.stage.caption_weight and not corpus.train_images:
                raise ValueError(
                    f"stage {moment.stage.name!r} has a caption_weight, and the corpus no "
                    "pictures: index some, or give 0"
                )
            for plan in self._longest_plans(moment):
                self._stream(plan)
            if moment.stage.film_weight:
                for templates in self._wordings(moment):
                    windows = film_windows_of(config, moment.stage, templates)
                    self._films[moment.stage_index, templates] = windows
        parts = {part for mixture in self._mixtures.values() for part in mixture.sources}
        self.sources: tuple[str, ...] = (*KINDS, HELD_STILLS, *sorted(parts - {*KINDS}))

    def __len__(self) -> int:
        return self.config.num_steps * self.config.optim.global_batch_size

    def __getitem__(self, index: int) -> Drawn:
        """Example `index` as token ids.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        step = self._step_of(index)
        moment = moment_of(self.config, step)
        if moment.stage_index in self._mixtures:
            mixture = self._mixtures[moment.stage_index]
            return mixture.example(index - self._first_example(moment), index)
        plan = self.plan(step)
        source = HELD_STILLS if plan.held_stills else plan.kind
        return drawn(self._encoded(index, plan), source, index)

    def readable(self, example: Drawn, frames: Any) -> Drawn:
        """The example, or what stands in for it where its files cannot be read.

        Args:
            example: one of this run.
            frames: the frame source that the model's inputs come from.

        Raises:
            MediaError: a file cannot be read, and its stage has no mixture to replace it.
            TooManySkippedError: too many files of a mixture cannot be read.
        """
        moment = moment_of(self.config, self._step_of(example.index))
        try:
            frames.inputs([example])
        except MediaError:
            if moment.stage_index not in self._mixtures:
                raise
            number = example.index - self._first_example(moment)
            return self._mixtures[moment.stage_index].readable(number, example.index, frames)
        return example

    def length(self, index: int) -> int:
        """Tokens of example `index`; no picture is read for it."""
        step = self._step_of(index)
        moment = moment_of(self.config, step)
        if moment.stage_index in self._mixtures:
            mixture = self._mixtures[moment.stage_index]
            return mixture.length(index - self._first_example(moment))
        return len(self._encoded(index, self.plan(step)).input_ids)

    # Both of these hold all items in memory: a stage with a mixture, of millions, needs neither.
    @cached_property
    def _held(self) -> Corpus:
        """The corpus with its stills in the place of its clips."""
        stills = [held_still(image) for image in self.corpus.train_images]
        return replace(self.corpus, train_clips=stills)

    @cached_property
    def _caption_of(self) -> dict[str, str]:
        """The caption of each file, as it is written in a prompt."""
        items: list[ImageItem | ClipItem] = [*self.corpus.train_images, *self.corpus.train_clips]
        return {item.path: tt.escape(item.caption) for item in items}

    def _step_of(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        return index // self.config.optim.global_batch_size

    def _first_example(self, moment: Moment) -> int:
        return self._first_steps()[moment.stage_index] * self.config.optim.global_batch_size

    def _encoded(self, index: int, plan: Plan) -> Encoded:
        """An example of a stage that has no mixture."""
        rng = np.random.default_rng([self.config.seed, EXAMPLE_STREAM, index])
        if plan.kind == "captions":
            return self._captions(plan.moment, rng)
        if plan.kind == "film":
            windows = self._films[plan.moment.stage_index, plan.templates]
            example = windows.draw(plan.moment.stage.clip_task_weights, rng)
            return self.prompter.encode(example, supervise=plan.moment.stage.supervise)
        example = self._stream(plan)[index]
        if self.config.data.without_places:
            return self._described(example)
        return self.prompter.encode(
            example,
            captions=self._text_items(example, plan, rng),
            supervise=plan.moment.stage.supervise,
        )

    def plan(self, step: int) -> Plan:
        """What the batch of an optimizer step is, counted from 0."""
        moment = moment_of(self.config, step)
        stage = moment.stage
        rng = np.random.default_rng([self.config.seed, STEP_STREAM, step])
        weights = np.array(_kind_weights(moment))
        kind = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
        num_images = int(rng.integers(stage.min_images, longest_images(moment), endpoint=True))
        wordings = self._wordings(moment)
        return Plan(
            moment,
            kind,
            num_images if kind == "images" else 0,
            wordings[int(rng.integers(len(wordings)))],
            held_stills=kind == "clips" and bool(rng.random() < stage.still_clip_fraction),
        )

    @property
    def fingerprints(self) -> dict[str, str]:
        """For the manifest: names of the example streams that were opened so far."""
        stages = self.config.data.stages
        opened = {
            "/".join((stages[stage].name, *map(str, rest))): stream.fingerprint
            for (stage, *rest), stream in sorted(self._streams.items())
        }
        films = {
            f"{stages[stage].name}/film/{templates}": windows.fingerprint
            for (stage, templates), windows in self._films.items()
        }
        mixtures = {
            f"{mixture.stage.name}/{self.config.data.mixture_of(mixture.stage)}": (
                mixture.stream.fingerprint
            )
            for mixture in self._mixtures.values()
        }
        return {**opened, **films, **mixtures}

    def _longest_plans(self, moment: Moment) -> Iterator[Plan]:
        """A plan for each stream that the stage may draw from, of the longest image sequences."""
        stage = moment.stage
        for templates in self._wordings(moment):
            if stage.image_weight:
                yield Plan(moment, "images", stage.max_images, templates, held_stills=False)
            if stage.clip_weight and stage.still_clip_fraction < 1:
                yield Plan(moment, "clips", 0, templates, held_stills=False)
            if stage.clip_weight and stage.still_clip_fraction > 0:
                yield Plan(moment, "clips", 0, templates, held_stills=True)

    def _wordings(self, moment: Moment) -> tuple[str, ...]:
        return moment.stage.templates or (self.config.data.templates,)

    def _stream(self, plan: Plan) -> SequenceDataset:
        if plan.key not in self._streams:
            corpus = self._held if plan.held_stills else self.corpus
            recipe = sequence_recipe(self.config, plan, len(self))
            self._streams[plan.key] = SequenceDataset(corpus, recipe, self.config.seed)
        return self._streams[plan.key]

    def _captions(self, moment: Moment, rng: np.random.Generator) -> Encoded:
        pool = self.corpus.train_images
        count = min(moment.stage.images_per_caption_example, len(pool))
        chosen = [pool[int(i)] for i in rng.choice(len(pool), size=count, replace=False)]
        return self.prompter.encode_captions(
            [(FrameRef(item.path, 0), self._caption_of[item.path]) for item in chosen]
        )

    def _described(self, example: Example) -> Encoded:
        """The control's example: the same pictures, each with its caption, and no place.

        Of a clip the middle one of its frames is shown.
        """
        frames_of: dict[str, list[FrameRef]] = {}
        for frame in example.frames:
            frames_of.setdefault(frame.path, []).append(frame)
        shown = [frames[len(frames) // 2] for frames in frames_of.values()]
        return self.prompter.encode_captions(
            [(frame, self._caption_of[frame.path]) for frame in shown]
        )

    def _text_items(
        self, example: Example, plan: Plan, rng: np.random.Generator
    ) -> list[str | None]:
        """For each frame the text to show in its place, or None; [] shows all pictures."""
        if plan.kind != "images" or rng.random() >= plan.moment.stage.text_fraction:
            return []
        as_text = rng.random(len(example.frames)) < TEXT_ITEM_CHANCE
        return [
            self._caption_of[frame.path] if chosen else None
            for frame, chosen in zip(example.frames, as_text, strict=True)
        ]

    def _first_steps(self) -> list[int]:
        sizes = self.config.stage_steps
        return [sum(sizes[:index]) for index in range(len(sizes))]


def sequence_recipe(config: TrainConfig, plan: Plan, num_examples: int) -> SequenceRecipe:
    """What seqsynth has to draw for such a batch.

    Args:
        config: the run.
        plan: of the batch.
        num_examples: length of the stream.
    """
    stage = plan.moment.stage
    common: dict[str, Any] = {
        "num_examples": num_examples,
        "codec": config.model.codec,
        "templates": plan.templates,
    }
    if plan.kind == "images":
        return SequenceRecipe(
            tasks=_shares(IMAGE_TASKS, stage.task_weights),
            min_images=plan.num_images,
            max_images=plan.num_images,
            num_turns=min(stage.num_turns, plan.num_images),
            max_targets=stage.max_targets,
            **common,
        )
    return SequenceRecipe(
        tasks=_shares(EVENT_TASKS, stage.clip_task_weights),
        min_clips=stage.min_clips,
        max_clips=stage.max_clips,
        num_frames=stage.num_clip_frames,
        num_turns=stage.num_clip_turns,
        jitter=True,
        **common,
    )


def held_still(image: ImageItem) -> ClipItem:
    """A still as a clip of one frame, which every frame drawn from the clip shows."""
    return ClipItem(
        id=image.id,
        label=image.caption,
        caption=image.caption,
        path=image.path,
        num_frames=1,
        duration_seconds=HELD_STILL_SECONDS,
    )


def _kind_weights(moment: Moment) -> tuple[float, ...]:
    stage = moment.stage
    return stage.caption_weight, stage.image_weight, stage.clip_weight, stage.film_weight


def _shares(tasks: Iterable[str], weights: tuple[float, ...]) -> dict[str, float]:
    return {task: weight for task, weight in zip(tasks, weights, strict=True) if weight}

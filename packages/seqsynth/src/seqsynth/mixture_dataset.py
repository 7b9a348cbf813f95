"""The examples of a mixture: random access, exact shares, a shuffled order, no state.

Place i of the stream leads to one example of one part through a permutation that is computed, not
stored. So an example is a pure function of (corpus content, recipe, seed, i): the same on any
worker, rank or node, and a run that stopped resumes at i.

What stands in for an example that does not work out: for made sequences another draw of the same
task (see dataset.py), for real videos the next video in the seeded order of its part. Of image
sequences unreadable images alone give way.
"""

import bisect
import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from seqsynth._native import Planner
from seqsynth.corpus import Corpus
from seqsynth.dataset import FINGERPRINT_LENGTH, MAX_REPLACEMENTS, SequenceDataset, example_rng
from seqsynth.mixture import MixtureRecipe, Part
from seqsynth.naming import known_name
from seqsynth.permutation import Permutation
from seqsynth.recipes import SequenceRecipe
from seqsynth.records import AnnotatedVideo, Example
from seqsynth.templates import load_templates
from seqsynth.text_budget import FEWER_TURNS, REPLACED_PREFIX, UnfitError
from seqsynth.video_tasks import Pts, lost_turns, video_example

_EPOCH_STEP = 2**32  # apart from each other: the random numbers of a slot in different epochs


@dataclass(frozen=True, slots=True)
class Slot:
    """Which example stands at one place of a mixture.

    Attributes:
        part: name of the part.
        task: of made sequences, "" for videos.
        number: which example of that part and task, from 0.
        epoch: from 0.
    """

    part: str
    task: str
    number: int
    epoch: int


class _Stream(Protocol):
    """The examples of one part and task."""

    def draw(self, number: int, epoch: int, cuts: Counter[str] | None) -> Example:
        """Example `number` as an epoch shows it."""

    def replacement(self, number: int, epoch: int, attempt: int) -> Example:
        """What stands in for it."""

    def mended(self, number: int, bad_paths: Collection[str]) -> Example | None:
        """The same with other images in the places of bad ones, where it is made of images."""


class MixtureDataset:
    """The examples of a mixture over a corpus; works as a map-style dataset of any loader.

    Args:
        corpus: images and clips of its training side, and annotated videos by source.
        recipe: what is made of it.
        seed: in [0, 2**64).

    Raises:
        ValueError: the corpus lacks what a part needs (names the part), or a seed out of range.
    """

    def __init__(self, corpus: Corpus, recipe: MixtureRecipe, seed: int) -> None:
        self.corpus = corpus
        self.recipe = recipe
        self.seed = seed
        self.fingerprint = self._fingerprint()
        self._planner: Planner | None = None
        slots: list[tuple[str, str]] = []
        sizes: list[int] = []
        streams: list[_Stream] = []
        for name, part in recipe.parts.items():
            try:
                for task, size, stream in self._streams_of(name, part):
                    slots.append((name, task))
                    sizes.append(size)
                    streams.append(stream)
            except ValueError as error:
                raise ValueError(f"part {name}: {error}") from None
        self._slots, self._streams = slots, streams
        self._starts = [sum(sizes[:k]) for k in range(len(sizes))]
        self._orders = [
            Permutation(recipe.epoch_size, seed, stream=epoch) for epoch in range(recipe.num_epochs)
        ]

    def __len__(self) -> int:
        return self.recipe.num_examples

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> Example:
        """The example at a place of the stream.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        return self.draw(index)

    def locate(self, index: int) -> Slot:
        """Which example stands at a place of the stream.

        Raises:
            IndexError: not in 0 .. len - 1.
        """
        return self._locate(index)[1]

    def draw(self, index: int, *, cuts: Counter[str] | None = None) -> Example:
        """The same as `[]`; `cuts` counts what the text budget took away, see text_budget.py."""
        stream, slot = self._locate(index)
        return stream.draw(slot.number, slot.epoch, cuts)

    def replacement(self, index: int, attempt: int) -> Example:
        """What stands in for the example at a place if it cannot be shown; attempts from 1."""
        stream, slot = self._locate(index)
        return stream.replacement(slot.number, slot.epoch, attempt)

    def mended(self, index: int, bad_paths: Collection[str]) -> Example | None:
        """The example at a place with other images for bad ones, see `SequenceDataset.mended`."""
        stream, slot = self._locate(index)
        return stream.mended(slot.number, bad_paths)

    def num_videos(self) -> dict[str, int]:
        """How many different videos each part of real videos has to show."""
        return {
            name: len(stream.videos)
            for (name, _), stream in zip(self._slots, self._streams, strict=True)
            if isinstance(stream, _Videos)
        }

    def _locate(self, index: int) -> tuple[_Stream, Slot]:
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        epoch, place = divmod(index, self.recipe.epoch_size)
        number = self._orders[epoch][place]
        row = bisect.bisect_right(self._starts, number) - 1
        return self._streams[row], Slot(*self._slots[row], number - self._starts[row], epoch)

    def _streams_of(self, name: str, part: Part) -> Iterator[tuple[str, int, _Stream]]:
        if part.sources:
            yield "", part.size, _Videos(self, name, part)
            return
        for task, size in part.task_sizes.items():
            recipe = self.recipe.sequence_recipe(name, task)
            seed = _derived_seed(self.seed, name, task)
            dataset = SequenceDataset(self.corpus, recipe, seed, planner=self._planner)
            self._planner = self._planner or dataset.planner  # the table of clips is made once
            yield task, size, _Sequences(dataset)

    def _fingerprint(self) -> str:
        wording = load_templates(self.recipe.sequences.templates).digest_text
        parts = [self.corpus.content_hash, self.recipe.to_record(), wording, self.seed]
        text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


class _Sequences:
    """Made sequences; every epoch shows the same ones."""

    def __init__(self, dataset: SequenceDataset) -> None:
        self._dataset = dataset

    def draw(self, number: int, epoch: int, cuts: Counter[str] | None) -> Example:
        del epoch
        return self._dataset.draw(number, cuts=cuts)

    def replacement(self, number: int, epoch: int, attempt: int) -> Example:
        del epoch
        return self._dataset.replacement(number, attempt)

    def mended(self, number: int, bad_paths: Collection[str]) -> Example | None:
        return self._dataset.mended(number, bad_paths)


class _Videos:
    """Real videos in a seeded order; the order begins anew where a part asks for more of them."""

    def __init__(self, mixture: MixtureDataset, name: str, part: Part) -> None:
        self.videos = _Joined([_videos_of(mixture.corpus, source) for source in part.sources])
        if not len(self.videos):
            raise ValueError(f"the corpus has no videos of {', '.join(part.sources)}")
        self._settings = mixture.recipe.sequences.task_settings
        self._shown = mixture.recipe.video_settings(part)
        self._seed = _derived_seed(mixture.seed, name, "")
        self._order = Permutation(len(self.videos), self._seed)
        self._id_prefix = f"{name}-{mixture.fingerprint}"

    def draw(self, number: int, epoch: int, cuts: Counter[str] | None) -> Example:
        return self._fitting(number, epoch, 0, cuts)

    def replacement(self, number: int, epoch: int, attempt: int) -> Example:
        if not 1 <= attempt <= MAX_REPLACEMENTS:
            raise ValueError(f"attempt must be in [1, {MAX_REPLACEMENTS}], got {attempt}")
        return self._fitting(number, epoch, attempt, None)

    def mended(self, number: int, bad_paths: Collection[str]) -> Example | None:
        del number, bad_paths
        return None

    def _fitting(self, number: int, epoch: int, attempt: int, cuts: Counter[str] | None) -> Example:
        """The example after `attempt` others that work out, of videos in the order of the part."""
        index = epoch * _EPOCH_STEP + number
        reason = ""
        for step in range(min(len(self.videos), attempt + MAX_REPLACEMENTS + 1)):
            row = self._order[(number + step) % len(self.videos)]
            try:
                example = self._example(row, index, step)
            except UnfitError as error:
                reason = reason or str(error)
                continue
            if attempt > 0:
                attempt -= 1
                continue
            if cuts is not None:
                if reason:
                    cuts[REPLACED_PREFIX + _kind_of(reason)] += 1
                if lost_turns(example, self.videos[row], self._settings):
                    cuts[FEWER_TURNS] += 1
            return example
        raise UnfitError(
            f"no replacement of video number {number} works out ({reason or 'unread'})"
        )

    def _example(self, row: int, index: int, step: int) -> Example:
        suffix = f"{index}" if step == 0 else f"{index}-{step}"
        return video_example(
            self.videos[row],
            example_rng(self._seed, index),
            self._settings,
            shown=self._shown,
            seed=self._seed,
            index=index,
            pts=self.videos.pts(row),
            example_id=f"{self._id_prefix}-{suffix}",
        )


class _Joined:
    """Videos of several sources, one after another."""

    def __init__(self, sources: Sequence[Sequence[AnnotatedVideo]]) -> None:
        self._sources = sources
        self._starts = [sum(map(len, sources[:k])) for k in range(len(sources))]

    def __len__(self) -> int:
        return sum(map(len, self._sources))

    def __getitem__(self, row: int) -> AnnotatedVideo:
        source, offset = self._find(row)
        return source[offset]

    def pts(self, row: int) -> Pts | None:
        """When the frames of a video are shown, where a manifest knows."""
        source, offset = self._find(row)
        found: Pts | None = source.pts(offset) if hasattr(source, "pts") else None
        return found

    def _find(self, row: int) -> tuple[Sequence[AnnotatedVideo], int]:
        number = bisect.bisect_right(self._starts, row) - 1
        return self._sources[number], row - self._starts[number]


def stream_of(
    corpus: Corpus, recipe: SequenceRecipe | MixtureRecipe, seed: int
) -> "SequenceDataset | MixtureDataset":
    """The dataset of a recipe of either kind."""
    if isinstance(recipe, SequenceRecipe):
        return SequenceDataset(corpus, recipe, seed)
    return MixtureDataset(corpus, recipe, seed)


def _videos_of(corpus: Corpus, source: str) -> Sequence[AnnotatedVideo]:
    videos: Mapping[str, Sequence[AnnotatedVideo]] = corpus.videos
    return videos[known_name("source", source, videos)] if videos else ()


def _kind_of(reason: str) -> str:
    """A reason without the name of the video and without numbers: equal ones are counted."""
    return re.sub(r"[0-9.]+", "N", reason.partition(": ")[2] or reason)


def _derived_seed(seed: int, part: str, task: str) -> int:
    """A seed of its own for each part and task: one index must not show two the same images."""
    digest = hashlib.sha256(json.dumps([seed, part, task]).encode()).digest()
    return int.from_bytes(digest[:8], "little")

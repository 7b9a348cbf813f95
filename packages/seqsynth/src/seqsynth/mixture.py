"""Mixtures: which made sequences and which real videos a run sees, how many of each, in what order.

A mixture is a list of parts with exact sizes. Its stream is shuffled over all parts by a seeded
permutation, so any beginning of it is a fair sample of the whole.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.naming import known_name
from seqsynth.recipes import SequenceRecipe
from seqsynth.records import TASKS
from seqsynth.video_plan import Compat, Sampling
from seqsynth.video_tasks import EVENT_TASKS, VideoSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a mixture: sequences made of images or clips, or real videos of some sources.

    Attributes:
        count: examples in one epoch, before `share`.
        tasks: for sequences, the share of each task: they have exactly these shares of the part,
            so leaving one out gives its volume to the others. For videos, how those of several
            events are asked about (`dvc`, `tvg`); none: both alike.
        sources: names of sources of annotated videos, as in a manifest; none: made sequences.
        share: what fraction of `count` is used, in (0, 1].
    """

    count: int
    tasks: Mapping[str, float] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    share: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", dict(self.tasks))
        sources: Any = self.sources  # as a file has them; one name would be taken for its letters
        if isinstance(sources, str) or not all(isinstance(name, str) for name in sources):
            raise ValueError(f"sources must be a list of names, got {sources!r}")
        object.__setattr__(self, "sources", tuple(sources))
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")
        if not 0 < self.share <= 1:
            raise ValueError(f"share must be in (0, 1], got {self.share}")
        if not self.sources and not self.tasks:
            raise ValueError("a part needs tasks (made sequences) or sources (real videos)")
        for task, weight in self.tasks.items():
            known_name("task", task, EVENT_TASKS if self.sources else TASKS)
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"the share of {task} must be a positive number, got {weight}")

    @property
    def size(self) -> int:
        """Examples of this part in one epoch, at least one."""
        return max(round(self.count * self.share), 1)

    @property
    def task_sizes(self) -> dict[str, int]:
        """Examples of each task of made sequences in one epoch; they sum to `size`."""
        names = [task for task in TASKS if task in self.tasks]
        sizes = apportion([self.tasks[name] for name in names], self.size)
        return {name: size for name, size in zip(names, sizes, strict=True) if size}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureRecipe:
    """A stream of several parts.

    Attributes:
        parts: by name. Their order does not matter.
        num_epochs: how often the parts are gone through, each time in another order. A later epoch
            shows the same sequences again and other frames of the same videos.
        sequences: sizes, wording, codec and text budget of all parts; `tasks`, `num_examples` and
            `split` are not used.
        image_codec: codec of image sequences where it differs ("index" beside "seconds" for the
            free-form numbers of Table 2); empty: the same.
        sampling, compat: how real videos are sampled, see video_plan.py.
    """

    parts: Mapping[str, Part]
    num_epochs: int = 1
    sequences: SequenceRecipe = field(default_factory=SequenceRecipe)
    image_codec: str = ""
    sampling: Sampling = "random"
    compat: Compat = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", dict(sorted(self.parts.items())))
        if not self.parts:
            raise ValueError("a mixture needs at least one part")
        if self.num_epochs < 1:
            raise ValueError(f"num_epochs must be at least 1, got {self.num_epochs}")
        for name, part in self.parts.items():
            if part.sources:
                self.video_settings(part)
            else:
                for task in part.tasks:
                    self.sequence_recipe(name, task)

    @property
    def epoch_size(self) -> int:
        """Examples of one epoch."""
        return sum(part.size for part in self.parts.values())

    @property
    def num_examples(self) -> int:
        """Examples of the whole stream."""
        return self.num_epochs * self.epoch_size

    def sequence_recipe(self, part_name: str, task: str) -> SequenceRecipe:
        """The recipe of one task of a part of made sequences."""
        codec = self.sequences.codec
        if self.image_codec and task in IMAGE_TASKS:
            codec = self.image_codec
        size = self.parts[part_name].task_sizes.get(task, 1)
        return dataclasses.replace(
            self.sequences, tasks={task: 1.0}, num_examples=size, split="train", codec=codec
        )

    def video_settings(self, part: Part) -> VideoSettings:
        """How the videos of a part are sampled and asked about."""
        return VideoSettings(
            num_frames=self.sequences.num_frames,
            sampling=self.sampling,
            compat=self.compat,
            event_tasks=part.tasks or {"dvc": 1.0, "tvg": 1.0},
        )

    def to_record(self) -> dict[str, Any]:
        """The fields as plain values, for JSON and for fingerprints."""
        record = dataclasses.asdict(self)
        record["sequences"] = self.sequences.to_record()
        for unused in ("tasks", "num_examples", "split"):
            del record["sequences"][unused]
        return record


def apportion(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers in proportion to weights that sum to a total, by largest remainders.

    Example:
        >>> apportion([1, 1, 1], 100)
        [34, 33, 33]
    """
    whole = sum(weights)
    exact = [weight / whole * total for weight in weights]
    sizes = [math.floor(size) for size in exact]
    by_remainder = sorted(range(len(sizes)), key=lambda k: (sizes[k] - exact[k], k))
    for k in by_remainder[: total - sum(sizes)]:
        sizes[k] += 1
    return sizes


def with_shares(recipe: MixtureRecipe, shares: Mapping[str, float]) -> MixtureRecipe:
    """The mixture with a share of some parts (Table 7 of the paper); 0 leaves a part out.

    Raises:
        ValueError: an unknown part, or a share outside [0, 1].
    """
    parts = dict(recipe.parts)
    for name, share in shares.items():
        known_name("part", name, recipe.parts)
        if share == 0:
            del parts[name]
        else:
            parts[name] = dataclasses.replace(parts[name], share=share)
    return dataclasses.replace(recipe, parts=parts)


def with_tasks(recipe: MixtureRecipe, part_name: str, tasks: Sequence[str]) -> MixtureRecipe:
    """The mixture with some tasks of a part at the same volume (Table 6 of the paper).

    Raises:
        ValueError: an unknown part, or a task that it does not have.
    """
    part = recipe.parts[known_name("part", part_name, recipe.parts)]
    shares = {known_name("task", task, part.tasks): part.tasks[task] for task in tasks}
    parts = {**recipe.parts, part_name: dataclasses.replace(part, tasks=shares)}
    return dataclasses.replace(recipe, parts=parts)


def with_size(recipe: MixtureRecipe, epoch_size: int) -> MixtureRecipe:
    """The mixture with so many examples an epoch, parts in proportion to their sizes.

    Raises:
        ValueError: a size that leaves a part without an example.
    """
    names = list(recipe.parts)
    sizes = apportion([recipe.parts[name].size for name in names], epoch_size)
    parts = {}
    for name, size in zip(names, sizes, strict=True):
        if size < 1:
            raise ValueError(f"{epoch_size} examples leave none for {name}; leave it out by name")
        parts[name] = dataclasses.replace(recipe.parts[name], count=size, share=1.0)
    return dataclasses.replace(recipe, parts=parts)

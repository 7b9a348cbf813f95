"""What a stream of examples is made of: tasks and their shares, sizes, wording, number texts."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from seqsynth.clip_tasks import CLIP_TASKS
from seqsynth.corpus import Split
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.naming import known_name
from seqsynth.parsing import parsed_toml
from seqsynth.records import TASKS
from seqsynth.sampler import SamplerSpec
from seqsynth.tasks import MAX_TARGETS, TaskSettings

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def _paper_shares() -> dict[str, float]:
    # 300K image sequences evenly over three tasks, 100K clip sequences over two (section 4.1).
    return {"iig": 100.0, "iic": 100.0, "alr": 100.0, "dvc": 50.0, "tvg": 50.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceRecipe:
    """One stream of examples. The defaults are the paper's Seq2Time data.

    Attributes:
        tasks: relative share of each task; any positive numbers.
        num_examples: length of the stream.
        split: side of the corpus that is drawn from.
        codec, templates, num_turns, max_targets, max_text_tokens: see `TaskSettings`.
        min_images, max_images: image sequences have a uniform length between them.
        min_clips, max_clips: likewise the number of clips.
        num_frames: frames of every clip sequence, exactly.
        min_frames_per_clip, min_relative_rate, max_relative_rate, jitter: see `SamplerSpec`.
    """

    tasks: Mapping[str, float] = field(default_factory=_paper_shares)
    num_examples: int = 400_000
    split: Split = "train"
    codec: str = "rpt"
    templates: str = "paper"
    num_turns: int = 1
    max_targets: int = MAX_TARGETS
    max_text_tokens: int = 0
    min_images: int = 96
    max_images: int = 96
    min_clips: int = 2
    max_clips: int = 10
    num_frames: int = 96
    min_frames_per_clip: int = 2
    min_relative_rate: int = 250
    max_relative_rate: int = 1000
    jitter: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", dict(self.tasks))
        if not self.tasks:
            raise ValueError("tasks is empty: name at least one task and its share")
        for task, share in self.tasks.items():
            known_name("task", task, TASKS)
            if not (math.isfinite(share) and share > 0):
                raise ValueError(f"the share of {task} must be a positive number, got {share}")
        if self.split not in get_args(Split):
            raise ValueError(f"split must be train or heldout, got {self.split!r}")
        if self.num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, got {self.num_examples}")
        fewest = 2 if "alr" in self.tasks else 1
        if not fewest <= self.min_images <= self.max_images:
            raise ValueError(
                f"need {fewest} <= min_images <= max_images, "
                f"got {self.min_images} and {self.max_images}"
            )
        self.sampler_spec, self.task_settings  # noqa: B018 both check their values

    @property
    def task_settings(self) -> TaskSettings:
        """How questions are asked."""
        return TaskSettings(
            codec=self.codec,
            templates=self.templates,
            num_turns=self.num_turns,
            max_targets=self.max_targets,
            max_text_tokens=self.max_text_tokens,
        )

    @property
    def sampler_spec(self) -> SamplerSpec:
        """What clip sequences look like."""
        return SamplerSpec(
            num_frames=self.num_frames,
            min_clips=self.min_clips,
            max_clips=self.max_clips,
            min_frames_per_clip=self.min_frames_per_clip,
            min_relative_rate=self.min_relative_rate,
            max_relative_rate=self.max_relative_rate,
            jitter=self.jitter,
        )

    @property
    def needs_images(self) -> bool:
        """Whether a task shows image sequences."""
        return any(task in IMAGE_TASKS for task in self.tasks)

    @property
    def needs_clips(self) -> bool:
        """Whether a task shows clip sequences."""
        return any(task in CLIP_TASKS for task in self.tasks)

    def to_record(self) -> dict[str, Any]:
        """The fields as plain values, for JSON and for fingerprints."""
        return dataclasses.asdict(self)


def image_sequences() -> SequenceRecipe:
    """The paper's 300K image sequences."""
    return SequenceRecipe(tasks={"iig": 1.0, "iic": 1.0, "alr": 1.0}, num_examples=300_000)


def clip_sequences() -> SequenceRecipe:
    """The paper's 100K clip sequences."""
    return SequenceRecipe(tasks={"dvc": 1.0, "tvg": 1.0}, num_examples=100_000)


RECIPES: dict[str, Callable[[], SequenceRecipe]] = {
    "paper": SequenceRecipe,
    "image_sequences": image_sequences,
    "clip_sequences": clip_sequences,
}


def read_recipe(path: str | Path) -> SequenceRecipe:
    """A recipe from a TOML file: fields of `SequenceRecipe`, and `base`, the recipe they change.

    Raises:
        ValueError: not TOML, an unknown recipe or field, a value of the wrong type or out of range
            (names the file and the field).
    """
    try:
        changes = parsed_toml(Path(path).read_text("utf-8"))
        base = known_name("recipe", str(changes.pop("base", "paper")), RECIPES)
        return changed(RECIPES[base](), changes)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


Record = TypeVar("Record", bound="DataclassInstance")


def changed(record: Record, changes: Mapping[str, Any]) -> Record:
    """A dataclass with other values, as a file names them.

    Raises:
        ValueError: an unknown field, or a value of another type than the field has.
    """
    for name, value in changes.items():
        _check_field(record, name, value)
    return dataclasses.replace(record, **changes)


def _check_field(record: "DataclassInstance", name: str, value: object) -> None:
    known_name("field", name, [f.name for f in dataclasses.fields(record)])
    expected = type(getattr(record, name))
    if expected is float and type(value) is int:
        return
    if type(value) is not expected:
        kind = "list" if expected is tuple else expected.__name__  # as TOML calls it
        raise ValueError(f"{name} must be of type {kind}, got {value!r}")
    if isinstance(value, dict):
        for key, share in value.items():
            if isinstance(share, bool) or not isinstance(share, int | float):
                raise ValueError(f"{name}.{key} must be a number, got {share!r}")

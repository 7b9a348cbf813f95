"""How large an experiment is: model, number of steps, benchmark, seeds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from seqsynth import BenchmarkSpec
from vidllm.config import TrainConfig
from vidllm.recipes import small, smoke, tiny
from vidllm.stage_config import StageConfig

LONG_LENGTHS = (16, 32, 96, 256)
FILM_FRAMES = 24  # of a window, in training and when asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Optimizer steps that each kind of data gets where a row has it; a table's unit of volume.

    Attributes:
        images: image sequences (IS).
        clips: clip sequences (CS).
        captions: pictures with their captions, no places: what every row has, and once more (MC).
        film: windows of the annotated film, in place of the annotated videos of TimeIT.
    """

    images: int
    clips: int
    captions: int
    film: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size of all experiments.

    Attributes:
        name: on the command line, and of the folder of results.
        base: model and optimizer; its last stage gives all settings that tables leave alone.
        parts: volume of the full row.
        max_images: the longest training sequence; 0: the recipe's.
        seeds: each row is trained once with each.
        spec: the benchmark, of held-out concepts; clip sequences have as many frames in training.
        further_tasks: what AI-generated clips and the end of the film are asked; none: nothing.
        num_beams: places looked at side by side in answers; 1 is greedy.
        wording: of training and of questions.
        num_jobs: runs at a time; of a model this small two on a core each do more than one on two.
    """

    name: str
    base: Callable[[], TrainConfig]
    parts: Parts
    seeds: tuple[int, ...]
    spec: BenchmarkSpec
    max_images: int = 0
    further_tasks: tuple[str, ...] = ("tvg", "dvc")
    num_beams: int = 1
    wording: str = "pairs"
    num_jobs: int = 1


def stage_of(size: Size, config: TrainConfig) -> StageConfig:
    """The one stage that rows change: lengths and turns of the size's recipe, no text items."""
    last = config.data.stages[-1]
    return replace(
        last,
        name="mixed",
        templates=(size.wording,),
        supervise="answers",  # rows write freely, so the words around places are learned too
        min_images=4,
        max_images=size.max_images or last.max_images,
        num_clip_frames=size.spec.num_frames,
        num_film_frames=FILM_FRAMES,
        text_fraction=0.0,
        task_weights=(0.8, 0.1, 0.1),
        clip_task_weights=(0.3, 0.7),
        still_clip_fraction=0.0,
        curriculum_fraction=0.0,
        decay="linear",
        decay_fraction=0.4,
        warmup_steps=4,
    )


def _tiny() -> TrainConfig:
    base = tiny()
    return replace(base, data=replace(base.data, stages=base.data.stages[:1]))


SIZES: dict[str, Size] = {
    "smoke": Size(
        name="smoke",
        base=smoke,
        parts=Parts(images=2, clips=1, captions=1),
        seeds=(0,),
        spec=BenchmarkSpec(
            image_lengths=(4,),
            num_image_sequences=2,
            queries_per_sequence=2,
            num_clip_sequences=2,
            max_clips=2,
            num_frames=16,
        ),
        further_tasks=(),
        wording="paper",
    ),
    "tiny": Size(
        name="tiny",
        base=_tiny,
        parts=Parts(images=40, clips=16, captions=3, film=20),
        max_images=16,
        further_tasks=("tvg",),
        num_jobs=2,
        seeds=(0, 1),
        spec=BenchmarkSpec(
            image_lengths=(16,),
            num_image_sequences=16,
            num_clip_sequences=16,
            max_clips=5,
            num_frames=16,
        ),
    ),
    "small": Size(
        name="small",
        base=small,
        parts=Parts(images=1000, clips=500, captions=150, film=250),
        seeds=(0, 1, 2),
        # As many clips as fit into an answer in the wordiest codec.
        spec=BenchmarkSpec(image_lengths=(16, 32, 96), num_image_sequences=50, max_clips=5),
        num_beams=4,
        wording="paper",
    ),
}
"""`paper` is not here: its rows are recipes of vidllm, which `reproduce` lists by a dry run."""

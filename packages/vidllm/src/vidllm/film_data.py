"""Training examples from the annotated film: the one part of the default whose places people gave.

Windows of its first five minutes, asked about as a benchmark asks about its end.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from seqsynth import (
    FILM_TRAIN_SECONDS,
    Example,
    FilmSpec,
    FrameRef,
    film_examples,
    film_video,
)
from seqsynth.video_tasks import EVENT_TASKS
from vidllm.assembly import cache_dir_of
from vidllm.config import TrainConfig
from vidllm.features import frames_standing_for
from vidllm.stage_config import StageConfig

WINDOW_SECONDS = (30.0, 40.0, 60.0)


@dataclass(frozen=True, slots=True)
class FilmWindows:
    """All windows of a stage in one wording.

    Attributes:
        by_task: the examples; every window once for each task.
        fingerprint: names film, annotation and questions, wherever the film lies.
    """

    by_task: Mapping[str, Sequence[Example]]
    fingerprint: str

    def draw(self, task_weights: Sequence[float], rng: np.random.Generator) -> Example:
        """One of them, its task by these shares of `EVENT_TASKS`."""
        weights = np.array(task_weights)
        task = EVENT_TASKS[int(rng.choice(len(EVENT_TASKS), p=weights / weights.sum()))]
        pool = self.by_task[task]
        return pool[int(rng.integers(len(pool)))]


def film_windows_of(config: TrainConfig, stage: StageConfig, templates: str) -> FilmWindows:
    """What a stage shows of the film.

    Raises:
        FileNotFoundError: the film has not been fetched (says what to run).
    """
    video = film_video(cache_dir_of(config.data))
    spec = FilmSpec(
        part=FILM_TRAIN_SECONDS,
        window_seconds=WINDOW_SECONDS,
        num_frames=stage.num_film_frames,
        num_turns=stage.num_film_turns,
        codec=config.model.codec,
        templates=templates,
        seed=config.seed,
    )
    examples = film_examples(video, spec)
    by_task = {task: [one for one in examples if one.task == task] for task in EVENT_TASKS}
    known = repr((replace(video, path=""), spec))
    return FilmWindows(by_task, hashlib.sha256(known.encode()).hexdigest())


def film_frames_of(config: TrainConfig) -> list[FrameRef]:
    """Every frame of the film that a run shows; as of clips, each n-th has features of its own."""
    shown: list[FrameRef] = []
    for stage in config.data.stages:
        if not stage.film_weight or config.data.mixture_of(stage):
            continue
        windows = film_windows_of(config, stage, config.data.templates)
        for examples in windows.by_task.values():
            shown += (frame for example in examples for frame in example.frames)
    return frames_standing_for(shown, config.data.clip_frame_step)

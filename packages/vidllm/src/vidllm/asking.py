"""A trained run asked about one video file: where something happens, or what happens when."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import timetokens as tt
from seqsynth import AnnotatedVideo, Example, Turn, load_templates
from seqsynth.index_probe import ProbeError, probe_video
from seqsynth.tasks import TaskSettings
from seqsynth.video_tasks import VideoSettings, video_example
from vidllm import assembly, checkpoint, run_folder
from vidllm.benchmarks import queries_of
from vidllm.checkpoint import CheckpointError
from vidllm.config import TrainConfig
from vidllm.generation import answers
from vidllm.mixture_data import mixture_recipe, sequences_of
from vidllm.predict import events_of, group_by_prefix, weights_name
from vidllm.prediction_files import PredictionSettings
from vidllm.processes import own_device
from vidllm.reading import reader

GROUND, CAPTION = "tvg", "dvc"


@dataclass(frozen=True, kw_only=True, slots=True)
class AskSettings:
    """How a run is asked.

    Attributes:
        num_frames: frames that are looked at, evenly spaced; 0: as many as in training.
        num_beams: places looked at side by side; 1 is greedy.
        constrained: answers are held to the form of the task.
    """

    num_frames: int = 0
    num_beams: int = 1
    constrained: bool = True

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.num_frames < 0:
            raise ValueError(f"num_frames is {self.num_frames}: give 0 (as trained) or more")
        if self.num_beams < 1:
            raise ValueError(f"num_beams is {self.num_beams}: give at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoAnswer:
    """What a run says about a video.

    Attributes:
        video: its path.
        query: what was asked for; "" for a caption of all that happens.
        duration_seconds: of the video.
        num_frames: frames that were looked at.
        events: start and end in seconds, and what happens ("" when it was asked for).
        text: the answer as the model wrote it.
        malformed: pieces of it that could not be read.
        system: which run, checkpoint and parts answered.
        settings: how it was asked.
    """

    video: str
    query: str
    duration_seconds: float
    num_frames: int
    events: list[list[Any]]
    text: str
    malformed: int
    system: dict[str, str]
    settings: dict[str, Any]

    def to_record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Asker:
    """A run with its weights in memory.

    Args:
        run_dir: a run folder.
        settings: how it is asked.

    Raises:
        RunFolderError: no run there.
        CheckpointError: it has no good checkpoint.
        FileNotFoundError: the base's weights have not been fetched; the message says how.
    """

    def __init__(self, run_dir: str | Path, settings: AskSettings) -> None:
        run_dir = Path(run_dir)
        self.config = run_folder.load_config(run_dir)
        found = checkpoint.newest_good(run_dir)
        if found is None:
            raise CheckpointError(f"{run_dir} has no checkpoint yet: train it first")
        adapter = assembly.adapter_of(self.config.model)
        cache_dir = assembly.cache_dir_of(self.config.data)
        self.frames = reader(adapter, self.config.model, cache_dir)
        self.parts = assembly.assemble(self.config, self.frames.width)
        checkpoint.load_weights(self.parts.model, found.path)
        model: Any = self.parts.model
        model.to(own_device()).eval()
        self.settings = replace(
            settings, num_frames=settings.num_frames or trained_frames(self.config)
        )
        self.system = {
            "run": str(run_dir),
            "recipe": self.config.recipe,
            "weights": weights_name(found.path),
            "steps": f"{found.step} of {self.config.num_steps}",
            **adapter.describe(self.config.model).provenance,
        }

    def ground(self, video: str | Path, query: str) -> VideoAnswer:
        """Where in a video something happens.

        Raises:
            ValueError: an empty query, or no video that can be read.
        """
        if not query.strip():
            raise ValueError("the query is empty: say what to look for")
        return self._ask(Path(video), GROUND, query.strip())

    def caption(self, video: str | Path) -> VideoAnswer:
        """What happens in a video, and when.

        Raises:
            ValueError: no video that can be read.
        """
        return self._ask(Path(video), CAPTION, "")

    def _ask(self, video: Path, task: str, query: str) -> VideoAnswer:
        example = self._example(video, task, query)
        settings = PredictionSettings(
            system="trained",
            weights=self.system["weights"],
            benchmark_sha256="",
            constrained=self.settings.constrained,
            templates=self.config.data.templates,
            num_beams=self.settings.num_beams,
        )
        asked = list(queries_of(example))
        groups = group_by_prefix(self.parts, asked, settings)
        end_id = self.parts.prompter.end_ids[0]
        model = self.parts.model
        ((answer,),) = answers(
            model, self.frames, groups, end_id=end_id, num_beams=settings.num_beams
        )
        tokenizer: Any = self.parts.tokenizer
        text = tokenizer.decode(answer.ids, skip_special_tokens=True).strip()
        events, malformed = events_of(asked[0], text)
        return VideoAnswer(
            video=str(video),
            query=query,
            duration_seconds=example.duration_seconds,
            num_frames=len(example.frames),
            events=events,
            text=text,
            malformed=malformed,
            system=self.system,
            settings=asdict(self.settings),
        )

    def _example(self, video: Path, task: str, query: str) -> Example:
        """The video with one question in the wording of the run."""
        try:
            probe = probe_video(video, "pts")
        except ProbeError as error:
            raise ValueError(f"{video}: {error}") from None
        wording = load_templates(self.config.data.templates)
        asks = wording.tvg if task == GROUND else wording.dvc
        # A caption cannot break out: what looks like a position is written apart.
        prompt = asks.questions[0].replace("{caption}", tt.escape(query).rstrip("."))
        shown = VideoSettings(num_frames=self.settings.num_frames, sampling="uniform")
        pts = None
        if probe.pts_index is not None and probe.pts_end is not None:
            pts = (np.asarray(probe.pts_index, dtype=np.int64), probe.pts_end)
        asked = AnnotatedVideo(
            id=video.name,
            path=str(video),
            duration_seconds=probe.duration_seconds,
            num_frames=probe.num_frames,
            turns=(Turn(prompt, ""),),
        )
        example = video_example(
            asked,
            np.random.default_rng(0),
            TaskSettings(codec=self.config.model.codec, templates=self.config.data.templates),
            shown=shown,
            seed=0,
            index=0,
            pts=pts,
            example_id=f"{video.name}-0",
        )
        return replace(example, task=task, turns=(Turn(prompt, ""),))


def trained_frames(config: TrainConfig) -> int:
    """Frames of a clip sequence in the last stage of a run."""
    stage = config.data.stages[-1]
    if not config.data.mixture_of(stage):
        return stage.num_clip_frames
    return sequences_of(mixture_recipe(config, stage)).num_frames

"""Batches of the annotated film, on a short one made here."""

from dataclasses import replace
from pathlib import Path

import pytest

import timetokens as tt
from seqsynth import AnnotatedVideo, Corpus, FrameRef
from seqsynth.testing import VideoRecipe, write_video
from vidllm import film_data, run_folder
from vidllm.assembly import Assembly
from vidllm.config import DataConfig, TrainConfig
from vidllm.data import TrainingData
from vidllm.film_data import film_frames_of
from vidllm.stage_config import StageConfig
from vidllm.terminal import messages
from vidllm.training import train

NUM_FRAMES, RATE = 120, 25
STAGE = StageConfig(
    name="film",
    num_steps=30,
    image_weight=0.0,
    film_weight=1.0,
    num_film_frames=6,
    num_film_turns=2,
    clip_task_weights=(0.3, 0.7),
)


@pytest.fixture
def film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AnnotatedVideo:
    path = tmp_path / "film.mp4"
    write_video(VideoRecipe(num_frames=NUM_FRAMES, options={"preset": "ultrafast"}), path)
    events = tuple(tt.Event(float(k), k + 0.5, f"event {k} of the film") for k in range(4))
    video = AnnotatedVideo(
        id="film",
        path=str(path),
        duration_seconds=NUM_FRAMES / RATE,
        num_frames=NUM_FRAMES,
        events=events,
    )
    monkeypatch.setattr(film_data, "film_video", lambda cache_dir: video)
    monkeypatch.setattr(film_data, "WINDOW_SECONDS", (2.0, 3.0))
    monkeypatch.setattr(film_data, "FILM_TRAIN_SECONDS", (0.0, 4.0))
    return video


def run_of(config: TrainConfig, *stages: StageConfig) -> TrainConfig:
    return replace(config, data=replace(config.data, stages=stages))


def test_batches_of_the_film_show_windows_of_its_beginning(
    film: AnnotatedVideo, config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    run = run_of(config, STAGE)
    data = TrainingData(run, corpus, assembly.prompter)
    examples = [data[index] for index in range(len(data))]
    assert {example.source for example in examples} == {"film"}
    tasks = [example.task for example in examples]
    assert set(tasks) == {"dvc", "tvg"}
    assert tasks.count("tvg") > tasks.count("dvc")
    last = 4.0 * RATE
    for example in examples:
        assert len(example.frames) == STAGE.num_film_frames
        assert {frame.path for frame in example.frames} == {film.path}
        assert max(frame.frame_index for frame in example.frames) < last
    assert data.fingerprints.keys() == {"film/film/paper"}


def test_of_the_film_every_frame_shown_has_features(
    film: AnnotatedVideo, config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    run = run_of(config, replace(STAGE, templates=("paper", "pairs")))
    known = set(film_frames_of(run))
    data = TrainingData(run, corpus, assembly.prompter)
    step = run.data.clip_frame_step
    shown = {
        FrameRef(frame.path, frame.frame_index // step * step)
        for index in range(len(data))
        for frame in data[index].frames
    }
    assert shown <= known


def test_a_run_that_is_shown_the_film_trains(
    film: AnnotatedVideo, config: TrainConfig, tmp_path: Path
) -> None:
    mixed = replace(STAGE, num_steps=4, image_weight=1.0, film_weight=1.0)
    run = run_of(config, mixed)
    folder = tmp_path / "run"
    run_folder.create(run, folder)
    outcome = train(run, folder, resume_from=None, console=messages())
    assert outcome.step == 4
    sources = {name for row in run_folder.read_metrics(folder) for name in row["source_losses"]}
    assert "film" in sources


def test_a_stage_of_a_mixture_shows_no_film(film: AnnotatedVideo, config: TrainConfig) -> None:
    assert film_frames_of(run_of(config, replace(STAGE, mixture="paper"))) == []


def test_a_stage_without_the_film_does_not_look_for_it(config: TrainConfig) -> None:
    assert film_frames_of(config) == []


def test_the_control_without_places_has_no_use_for_the_film() -> None:
    with pytest.raises(ValueError, match=r"film_weight is 1\.0: give 0"):
        DataConfig(without_places=True, stages=(STAGE,))

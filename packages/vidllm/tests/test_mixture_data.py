"""Runs on mixtures of seqsynth over an indexed corpus: exact shares, and past broken files."""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import timetokens as tt
from seqsynth import Corpus, ImageItem, MediaError, TooManySkippedError
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from vidllm import assembly as assembling
from vidllm import run_folder
from vidllm.adapters.base import Shown
from vidllm.assembly import Assembly
from vidllm.config import TrainConfig
from vidllm.data import TrainingData
from vidllm.mixture_data import manifests_of
from vidllm.stage_config import StageConfig
from vidllm.training import Outcome, train

MIXTURE = """
num_epochs = 2

[parts.pictures]
count = 12
tasks = { iig = 1.0, alr = 1.0 }

[parts.clips]
count = 6
tasks = { dvc = 1.0 }

[parts.films]
count = 6
sources = ["youcook2"]

[sequences]
min_images = 4
max_images = 6
max_clips = 3
num_frames = 8
templates = "brief"
"""


def rows_of(corpus: Corpus) -> Iterator[ManifestRow]:
    for image in corpus.train_images:
        yield ManifestRow(
            id=image.id, kind="image", path=Path(image.path).name, caption=image.caption,
            label=image.label, source="image_folder",
        )  # fmt: skip
    for clip in corpus.train_clips:
        yield ManifestRow(
            id=clip.id, kind="clip", path=Path(clip.path).name, caption=clip.caption,
            label=clip.label, duration_seconds=clip.duration_seconds, num_frames=clip.num_frames,
            source="clip_folder",
        )  # fmt: skip
    for number, clip in enumerate(corpus.train_clips[:5]):
        yield ManifestRow(
            id=f"film{number}", kind="video", path=Path(clip.path).name, duration_seconds=1.2,
            num_frames=clip.num_frames, source="youcook2",
            events=(tt.Event(0.1, 0.5, f"{clip.caption} begins"), tt.Event(0.5, 1.1, "it ends")),
        )  # fmt: skip


@pytest.fixture
def root(tmp_path: Path, corpus: Corpus) -> Path:
    """A folder with media and their manifest."""
    media = tmp_path / "data" / "media"
    shutil.copytree(corpus.root, media, ignore=shutil.ignore_patterns("features"))
    write_manifest(rows_of(corpus), media.parent / "m.arrow", root=str(media), command="test")
    return media.parent


@pytest.fixture
def mixed(config: TrainConfig, root: Path, tmp_path: Path) -> TrainConfig:
    """Six steps of the mixture, then two of image sequences."""
    (tmp_path / "mixture.toml").write_text(MIXTURE)
    stages = (
        StageConfig(name="mixed", num_steps=6, mixture=str(tmp_path / "mixture.toml")),
        StageConfig(name="images", num_steps=2),
    )
    data = replace(config.data, root=str(root), stages=stages)
    return replace(config, data=data, checkpoint_every=3)


@pytest.fixture
def data(mixed: TrainConfig, assembly: Assembly) -> TrainingData:
    return TrainingData(mixed, assembling.load_corpus(mixed.data), assembly.prompter)


def test_a_stage_shows_its_mixture_in_exact_shares(data: TrainingData) -> None:
    sources = [data[index].source for index in range(24)]  # one epoch of the mixture
    counts = {name: sources.count(name) for name in sorted(set(sources))}
    assert counts == {"clips": 6, "films": 6, "pictures": 12}
    assert set(counts) <= set(data.sources)
    assert {data[index].source for index in range(24, 32)} == {"images"}
    assert [data[index].index for index in (0, 7, 30)] == [0, 7, 30]
    assert data.length(5) == len(data[5].input_ids)
    assert data.length(30) == len(data[30].input_ids)


def test_examples_are_a_function_of_their_number(data: TrainingData) -> None:
    first = [data[index].input_ids for index in range(8)]
    assert [data[index].input_ids for index in reversed(range(8))] == first[::-1]


def test_a_mixture_that_the_corpus_cannot_serve_is_refused(
    mixed: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    without = replace(mixed, data=replace(mixed.data, root=""))
    with pytest.raises(ValueError, match=r"stage 'mixed': part films: .*--data\.root"):
        TrainingData(without, corpus, assembly.prompter)
    with pytest.raises(FileNotFoundError, match="holds no manifest: write one with seqsynth index"):
        manifests_of(replace(mixed.data, root=corpus.root))
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        manifests_of(replace(mixed.data, root="/nowhere"))


def test_a_corpus_too_small_for_a_mixture_is_told_before_pictures_and_model_are_loaded(
    mixed: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("load_features", "assemble"):
        monkeypatch.setattr(assembling, name, None)
    text = MIXTURE.replace("max_images = 6", "max_images = 600")
    (tmp_path / "mixture.toml").write_text(text)
    run_folder.create(mixed, tmp_path / "run")
    with pytest.raises(ValueError, match=r"stage 'mixed': part pictures: .*600"):
        train(mixed, tmp_path / "run", resume_from=None, console=Console(quiet=True))


class Broken:
    """A frame source some of whose files cannot be read."""

    width = 0

    def __init__(self, paths: set[str]) -> None:
        self.paths = paths

    def inputs(self, shown: Sequence[Shown]) -> dict[str, torch.Tensor]:
        for frame in (frame for one in shown for frame in one.frames):
            if frame.path in self.paths:
                raise MediaError(f"{frame.path}: no picture")
        return {}


def test_two_bad_examples_among_the_first_stop_a_short_run_alone(
    mixed: TrainConfig, assembly: Assembly
) -> None:
    """The share is that of the stage: of 200 examples ten may be bad, whichever come first."""
    for num_steps in (50, 6):
        stage = replace(mixed.data.stages[0], num_steps=num_steps)
        config = replace(mixed, data=replace(mixed.data, stages=(stage,), max_skipped_share=0.05))
        data = TrainingData(config, assembling.load_corpus(config.data), assembly.prompter)
        first = [data[index] for index in range(2)]
        frames = Broken({frame.path for example in first for frame in example.frames})
        stand_in = data.readable(first[0], frames)
        assert not frames.paths & {frame.path for frame in stand_in.frames}
        if num_steps == 50:
            assert data.readable(first[1], frames).index == 1
        else:
            with pytest.raises(TooManySkippedError, match=r"at most 5\.0% are allowed"):
                data.readable(first[1], frames)


def test_a_run_passes_broken_files_and_says_so(
    mixed: TrainConfig, root: Path, tmp_path: Path, data: TrainingData
) -> None:
    broken = {Path(data[2].frames[0].path).name, Path(data[14].frames[0].path).name}
    for name in broken:
        (root / "media" / name).write_bytes(b"no picture")
    config = replace(mixed, data=replace(mixed.data, max_skipped_share=1.0))
    run_dir = tmp_path / "run"
    run_folder.create(config, run_dir)
    outcome = train(config, run_dir, resume_from=None, console=Console(quiet=True))
    # A signal to the tests (a time limit, say) ends the run early and in good order.
    assert outcome == Outcome(run_dir, 8, signal_number=None)
    rows = run_folder.read_metrics(run_dir)
    assert [row["stage"] for row in rows] == ["mixed"] * 6 + ["images"] * 2
    assert set().union(*(row["source_losses"] for row in rows)) == {
        "clips", "films", "images", "pictures",
    }  # fmt: skip
    lines = [json.loads(line) for line in (run_dir / "skipped.jsonl").read_text().splitlines()]
    assert any(name in line["reason"] for line in lines for name in broken)
    streams = json.loads((run_dir / "manifest.json").read_text())["example_streams"]
    assert any(name.startswith("mixed/") for name in streams)
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert manifest["format_version"] == 1
    assert manifest["corpus"]["name"] == str(root)
    assert set(manifest["templates_sha256"]) == {"brief", "paper"}  # the mixture's, and the run's


class Lazy(Sequence[ImageItem]):
    """Pictures of which there are too many to hold all."""

    def __init__(self, items: Sequence[ImageItem]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __iter__(self) -> Iterator[ImageItem]:
        raise AssertionError("all are asked for")


def test_a_stage_of_a_mixture_holds_no_items(
    config: TrainConfig, corpus: Corpus, assembly: Assembly, tmp_path: Path
) -> None:
    clips = MIXTURE.index("[parts.clips]")
    sizes = MIXTURE.index("[sequences]")
    (tmp_path / "pictures.toml").write_text(MIXTURE[:clips] + MIXTURE[sizes:])
    stage = StageConfig(name="mixed", num_steps=2, mixture=str(tmp_path / "pictures.toml"))
    run = replace(config, data=replace(config.data, stages=(stage,)))
    lazy = replace(corpus, train_images=Lazy(corpus.train_images), known_hash="0" * 64)
    data = TrainingData(run, lazy, assembly.prompter)
    assert {data[index].source for index in range(len(data))} == {"pictures"}

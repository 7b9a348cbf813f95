"""The order of a stream, with its pixels: the same for all ranks and workers and after a resume."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import timetokens as tt
from seqsynth import (
    AnnotatedVideo,
    ClipItem,
    Corpus,
    Example,
    ImageItem,
    MixtureDataset,
    MixtureRecipe,
    Part,
    RankShare,
    SequenceRecipe,
    SkipLog,
    load_frames,
    read_frames,
)
from seqsynth.loader import LoaderSettings, Workers, prefetch_examples

SIZE = 8
USED = 12  # examples before the resume: whole steps of 1, 2 and 3 ranks

Shown = tuple[str, str]


@pytest.fixture
def mixture(
    tmp_path: Path, write_animation: Callable[[Path, list[tuple[int, int, int]]], Path]
) -> MixtureDataset:
    """Two epochs of stills (two are damaged), clips (one is) and films."""
    images, clips, films = [], [], []
    for number in range(24):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (12, 9), (10 * number, 255 - 10 * number, 40)).save(path)
        images.append(
            ImageItem(id=f"i{number}", caption=f"card {number}", path=str(path), label="card")
        )
    for number in range(9):
        colours = [(25 * number, 20 * k, 200 - 20 * k) for k in range(6 + number)]
        path = str(write_animation(tmp_path / f"{number}.webp", colours))
        clips.append(
            ClipItem(
                id=f"c{number}",
                label=f"act {number}",
                caption=f"they act {number}",
                path=path,
                num_frames=6 + number,
                duration_seconds=1.0,
            )
        )
        event = tt.Event(0.1, 0.5, f"scene {number}")
        films.append(
            AnnotatedVideo(
                id=f"f{number}",
                path=path,
                duration_seconds=1.0,
                num_frames=6 + number,
                events=(event,),
            )
        )
    for name in ("3.png", "17.png", "5.webp"):
        (tmp_path / name).write_bytes(b"damaged")
    recipe = MixtureRecipe(
        parts={
            "stills": Part(count=12, tasks={"iig": 1, "iic": 1, "alr": 1}),
            "clips": Part(count=4, tasks={"dvc": 1, "tvg": 1}),
            "films": Part(count=5, sources=("films",)),
        },
        num_epochs=2,
        sequences=SequenceRecipe(min_images=3, max_images=5, max_clips=3, num_frames=8),
    )
    corpus = Corpus(
        train_images=images,
        heldout_images=(),
        train_clips=clips,
        heldout_clips=(),
        root=str(tmp_path),
        videos={"films": films},
    )
    return MixtureDataset(corpus, recipe, seed=11)


def shown(example: Example, frames: NDArray[np.uint8]) -> Shown:
    return example.to_json(), hashlib.sha256(frames.tobytes()).hexdigest()


def read_by_ranks(
    stream: MixtureDataset, indices: range, num_ranks: int, settings: LoaderSettings
) -> list[Shown]:
    """What all ranks read, each with its own workers, in the order of their steps."""
    ranks: list[Iterator[tuple[Example, NDArray[np.uint8]]]] = [
        prefetch_examples(
            stream, indices[rank::num_ranks], settings, log=SkipLog(None, max_share=1)
        )
        for rank in range(num_ranks)
    ]
    return [shown(*next(ranks[step % num_ranks])) for step in range(len(indices))]


def read_alone(stream: MixtureDataset) -> tuple[list[Shown], SkipLog]:
    log = SkipLog(None, max_share=1)
    read = [
        shown(*read_frames(stream, index, lambda refs: load_frames(refs, SIZE), log=log))
        for index in range(len(stream))
    ]
    return read, log


def test_ranks_and_workers_and_a_resume_change_neither_examples_nor_order(
    mixture: MixtureDataset,
) -> None:
    expected, log = read_alone(mixture)
    assert len(expected) == 42
    assert log.num_exchanged > 0
    assert log.num_replaced > 0
    settings = LoaderSettings(size=SIZE)
    for num_ranks, num_workers in product((1, 2, 3), repeat=2):
        before = read_by_ranks(
            mixture, range(USED), num_ranks, replace(settings, num_workers=num_workers)
        )
        # It goes on with other numbers of both.
        after = read_by_ranks(
            mixture,
            range(USED, 42),
            num_ranks % 3 + 1,
            replace(settings, num_workers=num_workers % 3 + 1),
        )
        assert Counter(before + after) == Counter(expected), (num_ranks, num_workers)
        assert before + after == expected, (num_ranks, num_workers)


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_a_resume_may_be_anywhere(mixture: MixtureDataset, workers: Workers) -> None:
    expected, _ = read_alone(mixture)
    settings = LoaderSettings(size=SIZE, num_workers=2, workers=workers)
    for start in (7, 41, 42) if workers == "threads" else (7,):
        assert read_by_ranks(mixture, range(start, 42), 2, settings) == expected[start:]


def test_shares_of_ranks_are_the_indices_that_the_loader_is_given(mixture: MixtureDataset) -> None:
    for num_ranks, start in product((1, 2, 3), (0, 5)):
        for rank in range(num_ranks):
            share = RankShare(mixture, rank, num_ranks, start=start)
            indices = range(start, len(mixture))[rank::num_ranks]
            assert [example.id for example in share] == [mixture[index].id for index in indices]

import hashlib
import pickle
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import timetokens as tt
from seqsynth import Corpus, MediaError, SequenceDataset, SequenceRecipe, load_frames
from seqsynth.manifest_corpus import JoinedViews, open_corpus
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from seqsynth.mixture import MixtureRecipe, Part
from seqsynth.mixture_dataset import MixtureDataset
from seqsynth.records import ClipItem

SMALL = SequenceRecipe(
    num_examples=30, min_images=4, max_images=9, max_clips=5, num_frames=12, num_turns=2
)


def rows_of(corpus: Corpus, *, timed: bool = False) -> Iterator[ManifestRow]:
    for image in corpus.train_images:
        yield ManifestRow(
            id=image.id, kind="image", path=Path(image.path).name, caption=image.caption,
            label=image.label, source="image_folder",
        )  # fmt: skip
    for clip in corpus.train_clips:
        yield ManifestRow(
            id=clip.id, kind="clip", path=Path(clip.path).name, caption=clip.caption,
            label=clip.label, duration_seconds=clip.duration_seconds, num_frames=clip.num_frames,
            pts_index=[3 * k * k for k in range(clip.num_frames)] if timed else None,
            pts_end=3 * clip.num_frames**2 if timed else None, source="clip_folder",
        )  # fmt: skip
    for k in range(6):
        yield ManifestRow(
            id=f"v{k}", kind="video", path=f"v{k}.mp4", duration_seconds=10.0, num_frames=50,
            events=(tt.Event(1.0, 2.0, f"event {k}"),), source="youcook2" if k % 2 else "timeit",
            part="" if k % 2 else ("coin", "vitt")[k // 4],
        )  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path, corpus: Corpus) -> Path:
    write_manifest(rows_of(corpus), tmp_path / "m.arrow", root="/media", command="test")
    return tmp_path / "m.arrow"


def test_an_indexed_corpus_gives_the_examples_of_the_same_items(
    manifest: Path, corpus: Corpus
) -> None:
    indexed = open_corpus([manifest])
    assert list(indexed.train_images) == list(corpus.train_images)
    assert list(indexed.train_clips) == list(corpus.train_clips)
    for index in range(30):
        mine = SequenceDataset(indexed, SMALL, 7)[index]
        assert replace(SequenceDataset(corpus, SMALL, 7)[index], id=mine.id) == mine


def test_the_name_of_the_corpus_is_the_hash_of_the_manifest(manifest: Path, corpus: Corpus) -> None:
    indexed = open_corpus([manifest])
    moved = open_corpus([manifest], root="/moved")
    assert indexed.content_hash == moved.content_hash
    assert moved.train_images[0].path.startswith("/moved/")
    assert len(bytes.fromhex(indexed.content_hash)) == 32
    twice = open_corpus([manifest, manifest])
    pair = "\n".join([indexed.content_hash] * 2).encode()
    assert twice.content_hash == hashlib.sha256(pair).hexdigest()
    assert len(twice.train_images) == 2 * len(corpus.train_images)
    assert twice.train_images[len(corpus.train_images)] == twice.train_images[0]


def test_a_manifest_that_moved_with_its_media_gives_the_same_examples_and_frames(
    tmp_path: Path,
) -> None:
    rows = []
    for number in range(12):
        path = tmp_path / "here" / "media" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 9)).save(path)
        rows.append(
            ManifestRow(
                id=f"i{number}", kind="image", path=path.name, caption=f"card {number}", source="x"
            )
        )
    lists, media = Path("lists", "m.arrow"), tmp_path / "here" / "media"
    write_manifest(rows, tmp_path / "here" / lists, root=media, command="test")
    recipe = replace(SMALL, tasks={"iig": 1})

    def drawn(manifest: Path, root: Path | None = None) -> tuple[str, bytes, str]:
        corpus = open_corpus([manifest], root)
        example = SequenceDataset(corpus, recipe, 3)[0]
        pixels = load_frames(example.frames, 8).tobytes()
        return example.to_json(corpus.root), pixels, str(Path(example.frames[0].path).parent)

    before = drawn(tmp_path / "here" / lists)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = drawn(tmp_path / "there" / lists)
    assert moved[:2] == before[:2]
    assert moved[2] == str(tmp_path / "there" / "media")

    shutil.copytree(tmp_path / "there" / "media", media)  # the media alone are back
    assert drawn(tmp_path / "there" / lists) == before
    (tmp_path / "there" / lists).rename(tmp_path / "m.arrow")
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    with pytest.raises(MediaError, match="no such file"):
        drawn(tmp_path / "m.arrow")
    assert drawn(tmp_path / "m.arrow", tmp_path / "elsewhere" / "media")[:2] == before[:2]


def test_videos_are_found_by_their_source(manifest: Path) -> None:
    indexed = open_corpus([manifest])
    assert {source: len(videos) for source, videos in indexed.videos.items()} == {
        "timeit": 3, "timeit/coin": 2, "timeit/vitt": 1, "youcook2": 3
    }  # fmt: skip
    assert [video.id for video in indexed.videos["timeit/coin"]] == ["v0", "v2"]
    assert [video.id for video in indexed.videos["youcook2"]] == ["v1", "v3", "v5"]
    recipe = MixtureRecipe(parts={"a": Part(count=4, sources=("youcook2",))})
    paths = {MixtureDataset(indexed, recipe, 0)[k].frames[0].path for k in range(4)}
    assert paths == {"/media/v1.mp4", "/media/v3.mp4", "/media/v5.mp4"}


def test_a_dataset_of_a_manifest_is_small_when_sent_to_a_worker(manifest: Path) -> None:
    dataset = SequenceDataset(open_corpus([manifest]), SMALL, 7)
    sent = pickle.dumps(dataset)
    assert len(sent) < 20_000
    assert [pickle.loads(sent)[k] for k in range(5)] == [dataset[k] for k in range(5)]


def test_frames_of_clips_are_chosen_by_presentation_time_where_it_is_known(
    tmp_path: Path, corpus: Corpus, manifest: Path
) -> None:
    """Frame k appears at 3 k^2 ticks: a frame's number is the root of its time."""
    timed_path = tmp_path / "timed.arrow"
    write_manifest(rows_of(corpus, timed=True), timed_path, root="/media", command="test")
    recipe = replace(SMALL, tasks={"dvc": 1})
    even = SequenceDataset(open_corpus([manifest]), recipe, 0)
    timed = SequenceDataset(open_corpus([timed_path]), recipe, 0)
    lengths = {clip.path: clip.num_frames for clip in corpus.train_clips}
    for index in range(10):
        assert timed[index].targets == even[index].targets, "clips and boundaries stay"
        for by_time, by_number in zip(timed[index].frames, even[index].frames, strict=True):
            assert by_time.path == by_number.path
            num_frames = lengths[by_time.path]
            share = by_number.frame_index / num_frames  # about the same place of the clip
            assert by_time.frame_index == pytest.approx(num_frames * np.sqrt(share), abs=3)


def test_clips_are_read_by_columns_as_one_by_one(manifest: Path) -> None:
    clips = open_corpus([manifest, manifest]).train_clips
    assert isinstance(clips, JoinedViews)
    without_paths = [replace(clip, path="") for clip in clips]
    assert list(clips.texts_and_sizes()) == without_paths
    assert all(isinstance(clip, ClipItem) for clip in clips[2:5])
    with pytest.raises(IndexError, match="item 24 of 24"):
        clips[24]


def test_no_manifest_is_no_corpus() -> None:
    with pytest.raises(ValueError, match="at least one manifest"):
        open_corpus([])

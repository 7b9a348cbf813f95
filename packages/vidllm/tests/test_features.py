"""The feature cache: what is computed once, and what makes it compute again."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from seqsynth import Corpus, FrameRef
from vidllm import features as features_module
from vidllm.adapters.base import Eye
from vidllm.adapters.random import RandomAdapter
from vidllm.assembly import load_features
from vidllm.config import ModelConfig, TrainConfig
from vidllm.features import FeatureStore, build_features, frames_of_corpus, side_by_side
from vidllm.shapes import shapes_corpus


class CountingEye:
    """The random eye; knows how many frames it was shown."""

    def __init__(self) -> None:
        self.eye = RandomAdapter().load_eye(ModelConfig(), None)
        self.num_frames = 0

    def features(self, frames_FHWC: Tensor) -> Tensor:
        self.num_frames += len(frames_FHWC)
        return self.eye.features(frames_FHWC)


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., FeatureStore]:
    def make(
        frames: list[FrameRef], load_eye: Callable[[], Eye], **changes: object
    ) -> FeatureStore:
        settings = {"key": "random", "image_size": 32, "cache_dir": tmp_path / "features"}
        return build_features(frames, load_eye, **{**settings, **changes})  # type: ignore[arg-type]

    return make


def no_eye() -> Eye:
    raise AssertionError("the eye was loaded though everything was in the cache")


def test_features_are_computed_once(corpus: Corpus, build: Callable[..., FeatureStore]) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=True)
    eye = CountingEye()
    first = build(frames, lambda: eye)
    assert eye.num_frames == len(set(frames)) == 80 + 40 * 3
    again = build(frames, no_eye)
    assert torch.equal(first.lookup(frames), again.lookup(frames))


def test_a_larger_corpus_adds_to_the_cache(
    corpus: Corpus, build: Callable[..., FeatureStore]
) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=True)
    build(frames[:10], CountingEye)
    eye = CountingEye()
    store = build(frames, lambda: eye)
    assert eye.num_frames == len(frames) - 10
    fresh = build(frames, CountingEye, key="other")
    assert torch.equal(store.lookup(frames), fresh.lookup(frames))


def test_another_eye_or_size_has_a_cache_of_its_own(
    corpus: Corpus, build: Callable[..., FeatureStore]
) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=False)[:3]
    build(frames, CountingEye)
    for change in ({"key": "other"}, {"image_size": 64}):
        eye = CountingEye()
        build(frames, lambda eye=eye: eye, **change)
        assert eye.num_frames == 3


def test_other_pixels_of_the_same_files_have_a_cache_of_their_own(
    corpus: Corpus, build: Callable[..., FeatureStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=False)[:3]
    build(frames, CountingEye)
    monkeypatch.setattr("vidllm.features.PIXELS_VERSION", 0)
    eye = CountingEye()
    build(frames, lambda: eye)
    assert eye.num_frames == 3


def test_features_of_several_sizes_stand_side_by_side(
    corpus: Corpus, build: Callable[..., FeatureStore]
) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=False)
    small = build(frames, CountingEye, clip_frame_step=4)
    build(frames[::-1], CountingEye, image_size=64)  # rows of another order in this cache
    large = build(frames, no_eye, image_size=64, clip_frame_step=4)
    both = side_by_side([small, large], [*frames, *frames[:2]])
    chosen = [frames[-1], frames[0], FrameRef(frames[-1].path, frames[-1].frame_index + 1)]
    expected = torch.cat([small.lookup(chosen), large.lookup(chosen)], dim=1)
    assert torch.equal(both.lookup(chosen), expected)
    assert both.width == small.width + large.width


def test_what_else_the_cache_holds_does_not_matter(
    config: TrainConfig, corpus: Corpus, tmp_path: Path
) -> None:
    elsewhere = replace(corpus, root=str(tmp_path))  # features lie beside the corpus
    frames = frames_of_corpus(corpus, 4, heldout=False)
    own = load_features(config, elsewhere, frames)
    load_features(config, elsewhere, frames_of_corpus(corpus, 4, heldout=True))
    again = load_features(config, elsewhere, frames)
    assert torch.equal(own.features_NC, again.features_NC)
    assert len(own.features_NC) == len(set(frames))


def test_features_follow_the_content_not_the_path(
    tmp_path: Path, build: Callable[..., FeatureStore]
) -> None:
    corpus = shapes_corpus(tmp_path / "shapes")
    a, b = (FrameRef(image.path, 0) for image in corpus.train_images[:2])
    before = build([a, b], CountingEye).lookup([a, b])
    shutil.copy(b.path, a.path)  # the picture under this name is another one now
    after = build([a, b], no_eye).lookup([a, b])
    assert torch.equal(after[0], before[1])
    assert not torch.equal(before[0], before[1])


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_cache_is_made_again(
    corpus: Corpus, build: Callable[..., FeatureStore], tmp_path: Path, damage: str
) -> None:
    frames = frames_of_corpus(corpus, 4, heldout=False)[:5]
    expected = build(frames, CountingEye).lookup(frames)
    (path,) = (tmp_path / "features").glob("*.safetensors")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-1] ^= 0xFF
    path.write_bytes(
        content[: {"cut": len(content) // 2, "flip": len(content), "empty": 0}[damage]]
    )
    eye = CountingEye()
    assert torch.equal(build(frames, lambda: eye).lookup(frames), expected)
    assert eye.num_frames == 5
    assert len(load_file(path)["features"]) == 5


def test_clips_take_features_of_every_nth_frame(features: FeatureStore, corpus: Corpus) -> None:
    path = corpus.train_clips[0].path
    rows = features.lookup([FrameRef(path, index) for index in range(12)])
    assert all(torch.equal(rows[index], rows[index // 4 * 4]) for index in range(12))
    assert not torch.equal(rows[0], rows[4])


def test_an_unknown_frame_is_named(features: FeatureStore) -> None:
    with pytest.raises(KeyError, match=r"frame 3 of nowhere\.png"):
        features.lookup([FrameRef("nowhere.png", 3)])


def test_progress_ends_at_the_end(corpus: Corpus, build: Callable[..., FeatureStore]) -> None:
    seen: list[tuple[int, int]] = []
    frames = frames_of_corpus(corpus, 4, heldout=True)
    build(frames, CountingEye, progress=lambda *pair: seen.append(pair))
    assert seen[-1] == (200, 200)
    assert seen == sorted(seen)


def test_a_large_cache_is_written_less_often(
    corpus: Corpus, build: Callable[..., FeatureStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def count(path: Path, known: dict[str, int], features_NC: Tensor) -> None:
        assert len(known) == len(features_NC)
        sizes.append(len(known))
        write(path, known, features_NC)

    write = features_module._write_cache
    monkeypatch.setattr(features_module, "_write_cache", count)
    monkeypatch.setattr(features_module, "CHUNK", 1)
    monkeypatch.setattr(features_module, "SAVE_EVERY", 1)
    frames = frames_of_corpus(corpus, 4, heldout=True)[:60]
    store = build(frames, CountingEye)
    assert sizes[:9] == list(range(1, 10))
    assert all(after - before <= before / 8 + 1 for before, after in pairwise(sizes))
    assert sizes[-1] == 60
    assert len(sizes) < 30
    assert torch.equal(build(frames, no_eye).lookup(frames), store.lookup(frames))


def test_no_frames_is_an_error(build: Callable[..., FeatureStore]) -> None:
    with pytest.raises(ValueError, match="is empty"):
        build([], no_eye)


def test_shapes_hold_out_whole_colours(tmp_path: Path) -> None:
    corpus = shapes_corpus(tmp_path)
    assert (len(corpus.train_images), len(corpus.heldout_images)) == (64, 16)
    assert (len(corpus.train_clips), len(corpus.heldout_clips)) == (32, 8)
    train = {item.caption.split()[0] for item in [*corpus.train_images, *corpus.train_clips]}
    held = {item.caption.split()[0] for item in [*corpus.heldout_images, *corpus.heldout_clips]}
    assert not train & held
    assert shapes_corpus(tmp_path) == replace(corpus)

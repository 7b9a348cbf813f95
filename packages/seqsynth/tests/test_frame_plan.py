from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth import ClipItem, ImageItem
from seqsynth.frame_plan import clip_planner, draw_images, plan_clip_sequence
from seqsynth.sampler import SamplerSpec
from seqsynth.tasks import caption_key

MakeImages = Callable[..., tuple[ImageItem, ...]]
MakeClips = Callable[..., tuple[ClipItem, ...]]


@given(seed=st.integers(0, 999), pool_size=st.integers(20, 60), length=st.integers(1, 20))
def test_images_of_a_sequence_are_different_ones(seed: int, pool_size: int, length: int) -> None:
    pool = [
        ImageItem(id=f"{k}", caption=f"caption {k}", path=f"/{k}", label="x")
        for k in range(pool_size)
    ]
    drawn = draw_images(pool, length, np.random.default_rng(seed))
    assert len({image.id for image in drawn}) == length
    assert set(drawn) <= set(pool)


@pytest.mark.parametrize("pool_size", [40, 5000])
def test_captions_of_a_sequence_never_read_the_same(pool_size: int) -> None:
    pool = [
        ImageItem(id=f"{k}", caption=f"Caption {k % 20}.", path=f"/{k}", label="x")
        for k in range(pool_size)
    ]
    for seed in range(5):
        drawn = draw_images(pool, 20, np.random.default_rng(seed))
        assert len({caption_key(image.caption) for image in drawn}) == 20


def test_every_image_is_drawn_equally_often(make_images: MakeImages) -> None:
    rng, pool = np.random.default_rng(0), make_images(10)
    counts = Counter(image.id for _ in range(1000) for image in draw_images(pool, 3, rng))
    assert sorted(counts) == sorted(image.id for image in pool)
    assert max(abs(count - 300) for count in counts.values()) < 75  # 5 standard deviations


@pytest.mark.parametrize("pool_size", [30, 5000])
def test_a_pool_with_too_few_captions_is_refused(pool_size: int) -> None:
    pool = [
        ImageItem(id=f"{k}", caption=f"caption {k % 7}", path=f"/{k}", label="x")
        for k in range(pool_size)
    ]
    with pytest.raises(ValueError, match=rf"of 8 images .* the {pool_size} images .* have 7"):
        draw_images(pool, 8, np.random.default_rng(0))


@given(seed=st.integers(0, 2**64 - 1), index=st.integers(0, 2**40))
def test_clip_plans_have_distinct_labels_and_exactly_the_frames(seed: int, index: int) -> None:
    clips = [
        ClipItem(
            id=f"{k}",
            label=f"label {k % 13}",
            caption=f"act {k % 13}, take {k}",
            path=f"/{k}",
            num_frames=5 + k,
            duration_seconds=0.5 + k,
        )
        for k in range(40)
    ]
    planner = clip_planner(clips, SamplerSpec())
    sequence = plan_clip_sequence(clips, planner, seed=seed, index=index)
    assert 2 <= len(sequence.clips) <= 10
    assert len({clip.label for clip in sequence.clips}) == len(sequence.clips)
    assert sequence.num_frames == len(sequence.frames) == 96
    assert sequence.boundaries[0] == 0
    assert sequence.duration_seconds == sum(clip.duration_seconds for clip in sequence.clips)
    for k, clip in enumerate(sequence.clips):
        frames = sequence.frames[sequence.boundaries[k] : sequence.boundaries[k + 1]]
        assert len(frames) >= 2
        assert {frame.path for frame in frames} == {clip.path}
        indices = [frame.frame_index for frame in frames]
        assert indices == sorted(indices)
        assert 0 <= indices[0] <= indices[-1] < clip.num_frames


def test_clips_with_one_caption_never_meet(make_clips: MakeClips) -> None:
    clips = list(make_clips(6))
    clips[1] = replace(clips[1], caption=clips[0].caption.upper())
    clips[2] = replace(clips[2], label=clips[1].label)  # joins 0, 1 and 2 through clip 1
    planner = clip_planner(clips, SamplerSpec(max_clips=4, num_frames=12))
    for index in range(200):
        drawn = plan_clip_sequence(clips, planner, seed=0, index=index).clips
        assert sum(clip.id in {"act-0", "act-1", "act-2"} for clip in drawn) <= 1


def test_too_few_labels_are_refused(make_clips: MakeClips) -> None:
    with pytest.raises(ValueError, match=r"up to 10 clips .* the 4 clips have 4"):
        clip_planner(make_clips(4), SamplerSpec())


@pytest.mark.parametrize("broken", [{"num_frames": 0}, {"duration_seconds": 0.0}])
def test_a_clip_without_length_is_named(make_clips: MakeClips, broken: dict[str, float]) -> None:
    clips = [*make_clips(11), replace(make_clips(12)[11], **broken)]
    with pytest.raises(ValueError, match="clip act-11 has"):
        clip_planner(clips, SamplerSpec())

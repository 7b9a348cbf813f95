"""Clip sequences at varying frame rates: what every plan has to keep, whatever is drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.clip_table import ClipTable
from seqsynth.philox import philox4x32, random_words
from seqsynth.sampler import STREAM_LABELS, STREAM_RATES, SamplerSpec, SequencePlanner

KNOWN_ANSWERS = [  # published with Random123: counter, key, words
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
specs = st.builds(
    lambda clips, min_frames, spare, rates, jitter: SamplerSpec(
        num_frames=clips[1] * min_frames + spare,
        min_clips=clips[0],
        max_clips=clips[1],
        min_frames_per_clip=min_frames,
        min_relative_rate=rates[0],
        max_relative_rate=rates[1],
        jitter=jitter,
    ),
    clips=st.tuples(st.integers(1, 10), st.integers(1, 10)).map(sorted),
    min_frames=st.integers(1, 4),
    spare=st.integers(0, 100),
    rates=st.tuples(st.integers(1, 65_535), st.integers(1, 65_535)).map(sorted),
    jitter=st.booleans(),
)


def make_table(rng: np.random.Generator, *, with_pts: bool = False) -> ClipTable:
    """40 clips of 20 labels; with times, frame steps vary by a factor of 30."""
    num_source_frames = rng.integers(1, 80, 40)
    times = [np.cumsum(rng.integers(1, 31, count)) for count in num_source_frames]
    return ClipTable(
        labels=rng.permutation(40) % 20,
        durations_ms=rng.integers(1, 20_000, 40),
        num_source_frames=num_source_frames,
        pts=np.concatenate(times) if with_pts else None,
        pts_ends=np.array([clip[-1] + 10 for clip in times]) if with_pts else None,
    )


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_published_words(counter, key, words) -> None:
    assert tuple(philox4x32(np.array([counter], dtype=np.uint64), key)[0]) == words


def test_streams_indices_and_seeds_do_not_share_draws() -> None:
    calls = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 2**32, 0), (2**32, 0, 0)]
    draws = [tuple(random_words(*call, 8)) for call in calls]
    assert len(set(draws)) == len(calls)
    assert tuple(random_words(0, 0, 0, 5)) == draws[0][:5]


@given(specs, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1), st.booleans())
def test_every_plan_keeps_the_rules(
    spec: SamplerSpec, seed: int, index: int, with_pts: bool
) -> None:
    table = make_table(np.random.default_rng(5), with_pts=with_pts)
    plan = SequencePlanner(table, spec).plan(seed, index)
    assert spec.min_clips <= len(plan.clip_ids) <= spec.max_clips
    assert len(set(table.labels[plan.clip_ids])) == len(plan.clip_ids)
    assert plan.frame_counts.min() >= spec.min_frames_per_clip
    assert plan.boundaries[0] == 0
    assert plan.boundaries[-1] == len(plan.frame_indices) == spec.num_frames
    for slot, clip_id in enumerate(plan.clip_ids):
        shown = plan.frame_indices[plan.boundaries[slot] : plan.boundaries[slot + 1]]
        assert (np.diff(shown) >= 0).all()
        assert 0 <= shown[0] <= shown[-1] < table.num_source_frames[clip_id]


@given(st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**63 - 1), max_size=5))
def test_a_batch_is_its_plans(seed: int, indices: list[int]) -> None:
    planner = SequencePlanner(make_table(np.random.default_rng(6)), SamplerSpec())
    batch = planner.plan_batch(seed, np.array(indices, dtype=np.int64))
    assert len(batch) == len(indices)
    for row, index in enumerate(indices):
        plan = planner.plan(seed, index)
        np.testing.assert_array_equal(batch[row].clip_ids, plan.clip_ids)
        np.testing.assert_array_equal(batch[row].frame_counts, plan.frame_counts)
        np.testing.assert_array_equal(batch[row].frame_indices, plan.frame_indices)
        assert (batch.clip_ids[row, len(plan.clip_ids) :] == -1).all()
        assert (batch.frame_counts[row, len(plan.clip_ids) :] == 0).all()


def test_clips_that_the_caller_chose_keep_their_order() -> None:
    planner = SequencePlanner(make_table(np.random.default_rng(7)), SamplerSpec())
    plan = planner.plan_clips(3, 4, [9, 2, 9])
    assert plan.clip_ids.tolist() == [9, 2, 9]
    drawn = planner.plan(3, 4)
    again = planner.plan_clips(3, 4, drawn.clip_ids.tolist())
    np.testing.assert_array_equal(again.frame_indices, drawn.frame_indices)


def test_frames_follow_duration_times_rate() -> None:
    """With one rate for all, frames are shared in proportion to seconds."""
    table = ClipTable(
        labels=np.arange(3),
        durations_ms=np.array([1000, 2000, 5000]),
        num_source_frames=np.full(3, 100),
    )
    spec = SamplerSpec(num_frames=86, max_clips=3, min_relative_rate=7, max_relative_rate=7)
    assert SequencePlanner(table, spec).plan_clips(0, 0, [0, 1, 2]).frame_counts.tolist() == [
        12,
        22,
        52,
    ]
    varying = replace(spec, min_relative_rate=250, max_relative_rate=1000)
    rates = 250 + (random_words(0, 0, STREAM_RATES, 3) * np.uint64(751) >> np.uint64(32))
    shares = table.durations_ms * rates.astype(np.int64)
    counts = SequencePlanner(table, varying).plan_clips(0, 0, [0, 1, 2]).frame_counts
    np.testing.assert_allclose(counts, 2 + 80 * shares / shares.sum(), atol=1)


def test_evenly_spaced_clips_show_the_middles_of_equal_slices() -> None:
    table = ClipTable(
        labels=np.array([0]), durations_ms=np.array([1000]), num_source_frames=np.array([12])
    )
    spec = SamplerSpec(num_frames=4, min_clips=1, max_clips=1)
    assert SequencePlanner(table, spec).plan(0, 0).frame_indices.tolist() == [1, 4, 7, 10]
    more = SequencePlanner(table, replace(spec, num_frames=24)).plan(0, 0)
    assert more.frame_indices.tolist() == [index for index in range(12) for _ in range(2)]


def test_times_decide_which_frame_is_on_screen() -> None:
    """Frame 0 lasts 90 of 100 ticks, so it is what nine of ten instants show."""
    table = ClipTable(
        labels=np.array([0]),
        durations_ms=np.array([1000]),
        num_source_frames=np.array([3]),
        pts=np.array([1000, 1090, 1095]),
        pts_ends=np.array([1100]),
    )
    spec = SamplerSpec(num_frames=10, min_clips=1, max_clips=1)
    assert SequencePlanner(table, spec).plan(0, 0).frame_indices.tolist() == [0] * 9 + [2]


def test_jitter_stays_inside_its_slice_and_reaches_all_of_it() -> None:
    table = ClipTable(
        labels=np.array([0]), durations_ms=np.array([1000]), num_source_frames=np.array([40])
    )
    spec = SamplerSpec(num_frames=4, min_clips=1, max_clips=1, jitter=True)
    indices = SequencePlanner(table, spec).plan_batch(0, np.arange(400)).frame_indices
    for slot in range(4):
        assert set(indices[:, slot]) == set(range(10 * slot, 10 * slot + 10))


def test_clip_counts_and_ordered_labels_are_drawn_uniformly() -> None:
    """6 ordered pairs of 3 labels, 2 or 3 clips: each within 5 standard deviations."""
    table = ClipTable(
        labels=np.array([4, 4, 4, 9, -1]),
        durations_ms=np.full(5, 100),
        num_source_frames=np.full(5, 9),
    )
    spec = SamplerSpec(num_frames=9, min_clips=2, max_clips=3, min_frames_per_clip=1)
    batch = SequencePlanner(table, spec).plan_batch(1, np.arange(3000))
    assert abs((batch.num_clips == 2).sum() - 1500) < 5 * 27.4
    first_two = table.labels[batch.clip_ids[:, :2]]
    _, counts = np.unique(first_two, axis=0, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 500).max() < 5 * 20.4
    clips_of_four = batch.clip_ids[:, 0][first_two[:, 0] == 4]
    assert set(clips_of_four) == {0, 1, 2}


def test_the_first_label_is_that_of_the_first_word() -> None:
    """Nothing that comes later in a plan moves what was drawn before it."""
    table = make_table(np.random.default_rng(8))
    spec = SamplerSpec(min_clips=10)
    plan = SequencePlanner(table, spec).plan(0, 0)
    first = int(random_words(0, 0, STREAM_LABELS, 1)[0]) * 20 >> 32
    assert table.labels[plan.clip_ids[0]] == first

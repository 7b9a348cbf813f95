"""The compiled sampler gives the bits of its specification, `seqsynth.sampler`."""

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

from seqsynth.clip_table import ClipTable  # noqa: E402
from seqsynth.sampler import SamplerSpec, SequencePlanner  # noqa: E402

BATCH_FIELDS = ("num_clips", "clip_ids", "frame_counts", "frame_indices")
PLAN_FIELDS = BATCH_FIELDS[1:]


def compiled(table: ClipTable, spec: SamplerSpec) -> seqnative.SequencePlanner:
    return seqnative.SequencePlanner(
        table.labels,
        table.durations_ms,
        table.num_source_frames,
        table.pts,
        table.pts_ends,
        **asdict(spec),
    )


def make_table(rng: np.random.Generator, num_clips: int, *, with_pts: bool) -> ClipTable:
    """Clips of 1 to 60 frames, 1 ms to 20 s, irregular times, few and many clips a label."""
    num_source_frames = rng.integers(1, 61, num_clips)
    pts = pts_ends = None
    if with_pts:
        clip_times = [
            rng.integers(-(10**9), 10**9) + np.cumsum(rng.integers(1, 9000, count))
            for count in num_source_frames
        ]
        pts = np.concatenate(clip_times)
        pts_ends = np.array([times[-1] for times in clip_times]) + rng.integers(1, 9000, num_clips)
    return ClipTable(
        labels=rng.integers(-5, max(12, num_clips // 3), num_clips),
        durations_ms=rng.integers(1, 20_001, num_clips),
        num_source_frames=num_source_frames,
        pts=pts,
        pts_ends=pts_ends,
    )


@pytest.mark.parametrize("with_pts", [False, True])
@pytest.mark.parametrize("jitter", [False, True])
def test_batches_are_bit_equal(with_pts: bool, jitter: bool) -> None:
    rng = np.random.default_rng(3)
    table = make_table(rng, 200, with_pts=with_pts)
    spec = SamplerSpec(jitter=jitter)
    indices = np.concatenate([np.arange(150), rng.integers(0, 2**63 - 1, 150, dtype=np.int64)])
    expected = SequencePlanner(table, spec).plan_batch(2**64 - 1, indices)
    got = compiled(table, spec).plan_batch(2**64 - 1, indices)
    for name, array in zip(BATCH_FIELDS, got, strict=True):
        np.testing.assert_array_equal(array, getattr(expected, name), err_msg=name)


@pytest.mark.parametrize(
    "spec",
    [
        SamplerSpec(num_frames=1, min_clips=1, max_clips=1, min_frames_per_clip=1),
        SamplerSpec(num_frames=20, min_clips=10, max_clips=10, min_frames_per_clip=2),
        SamplerSpec(num_frames=1000, min_clips=1, max_clips=64, min_frames_per_clip=1, jitter=True),
        SamplerSpec(num_frames=65_536, max_relative_rate=65_535, min_relative_rate=1),
    ],
    ids=["one frame", "no frame to spare", "64 clips", "largest numbers"],
)
def test_specs_at_their_limits_are_bit_equal(spec: SamplerSpec) -> None:
    labels = np.arange(70)
    table = ClipTable(
        labels=labels,
        durations_ms=np.where(labels % 2, 2**28 - 1, 1),
        num_source_frames=np.where(labels % 3, 1, 2**32 - 1),
    )
    expected = SequencePlanner(table, spec).plan_batch(11, np.arange(20))
    got = compiled(table, spec).plan_batch(11, np.arange(20))
    for name, array in zip(BATCH_FIELDS, got, strict=True):
        np.testing.assert_array_equal(array, getattr(expected, name), err_msg=name)


@st.composite
def tables_and_specs(draw: st.DrawFn) -> tuple[ClipTable, SamplerSpec]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    table = make_table(rng, draw(st.integers(40, 90)), with_pts=draw(st.booleans()))
    max_clips = draw(st.integers(1, min(64, table.num_labels)))
    min_frames = draw(st.integers(1, 4))
    max_rate = draw(st.integers(1, 65_535))
    return table, SamplerSpec(
        num_frames=max_clips * min_frames + draw(st.integers(0, 200)),
        min_clips=draw(st.integers(1, max_clips)),
        max_clips=max_clips,
        min_frames_per_clip=min_frames,
        min_relative_rate=draw(st.integers(1, max_rate)),
        max_relative_rate=max_rate,
        jitter=draw(st.booleans()),
    )


@settings(max_examples=60)
@given(tables_and_specs(), st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
def test_single_plans_are_bit_equal(
    case: tuple[ClipTable, SamplerSpec], seed: int, index: int
) -> None:
    table, spec = case
    twin, planner = SequencePlanner(table, spec), compiled(table, spec)
    expected = twin.plan(seed, index)
    for name, array in zip(PLAN_FIELDS, planner.plan(seed, index), strict=True):
        np.testing.assert_array_equal(array, getattr(expected, name), err_msg=name)
    chosen = expected.clip_ids[::-1].copy()
    expected = twin.plan_clips(seed, index, chosen)
    for name, array in zip(PLAN_FIELDS, planner.plan_clips(seed, index, chosen), strict=True):
        np.testing.assert_array_equal(array, getattr(expected, name), err_msg=name)


def test_an_empty_batch_has_rows_of_the_right_width() -> None:
    table = make_table(np.random.default_rng(0), 50, with_pts=False)
    planner = compiled(table, SamplerSpec(num_frames=40, max_clips=5))
    shapes = [array.shape for array in planner.plan_batch(0, np.array([], dtype=np.int64))]
    assert shapes == [(0,), (0, 5), (0, 5), (0, 40)]


def test_the_planner_keeps_its_times_alive() -> None:
    table = make_table(np.random.default_rng(1), 50, with_pts=True)
    expected = SequencePlanner(table, SamplerSpec()).plan(4, 4).frame_indices
    planner = seqnative.SequencePlanner(
        table.labels.copy(),
        table.durations_ms.copy(),
        table.num_source_frames.copy(),
        table.pts.copy(),
        table.pts_ends.copy(),
        **asdict(SamplerSpec()),
    )
    filler = [np.zeros(len(table.pts), dtype=np.int64) for _ in range(50)]
    np.testing.assert_array_equal(planner.plan(4, 4)[2], expected)
    assert len(filler) == 50


def test_a_batch_lets_other_threads_run(
    turns_during: Callable[[Callable[[], object]], int],
) -> None:
    table = make_table(np.random.default_rng(2), 50, with_pts=False)
    planner = compiled(table, SamplerSpec(num_frames=2000, jitter=True))
    indices = np.arange(2000)
    assert turns_during(lambda: planner.plan_batch(0, indices)) >= 200

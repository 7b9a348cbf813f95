import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqsynth.video_plan import check_sampling, random_frames, uniform_frames

# What TimeChat's load_video chose, for 13 lengths and 2 counts: run with the original.
GOLDEN = json.loads((Path(__file__).parent / "golden" / "timechat_sampling.json").read_text())

lengths = st.integers(1, 20_000)
counts = st.integers(1, 200)


@pytest.mark.parametrize("case", [case for case in GOLDEN if case["mode"] == "uniform"])
def test_uniform_frames_are_those_of_timechat(case: dict[str, object]) -> None:
    frames = uniform_frames(case["num_source_frames"], case["count"])
    assert frames.tolist() == case["indices"]


@pytest.mark.parametrize("case", [case for case in GOLDEN if case["mode"] == "rand"])
def test_random_frames_lie_where_timechat_draws_them(case: dict[str, object]) -> None:
    """The draws themselves are another generator's; parts and number of frames are the same."""
    num_source_frames, count = case["num_source_frames"], case["count"]
    ours = random_frames(num_source_frames, count, seed=0, index=0, compat="timechat").tolist()
    assert len(ours) == len(case["indices"])
    assert ours == sorted(set(ours))
    if num_source_frames >= 2 * count:
        edges = [i * num_source_frames // count for i in range(count + 1)]
        for frames in (ours, case["indices"]):
            assert all(a <= f < b - 1 for f, a, b in zip(frames, edges, edges[1:], strict=False))
    elif num_source_frames <= count:
        assert ours == case["indices"] == list(range(num_source_frames))


@given(num_source_frames=lengths, count=counts, seed=st.integers(0, 2**64 - 1))
def test_every_part_of_the_video_shows_one_frame(
    num_source_frames: int, count: int, seed: int
) -> None:
    num_parts = min(count, num_source_frames)
    edges = [i * num_source_frames // num_parts for i in range(num_parts + 1)]
    for frames in (
        uniform_frames(num_source_frames, count),
        random_frames(num_source_frames, count, seed=seed, index=7),
    ):
        assert frames.dtype == np.int64
        assert len(frames) == num_parts
        assert all(a <= f < b for f, a, b in zip(frames, edges, edges[1:], strict=False))


@given(num_source_frames=lengths, count=counts)
def test_compat_never_shows_a_frame_twice(num_source_frames: int, count: int) -> None:
    frames = random_frames(num_source_frames, count, seed=3, index=1, compat="timechat").tolist()
    assert len(frames) == min(count, num_source_frames)
    assert frames == sorted(set(frames))
    assert frames[0] >= 0
    assert frames[-1] < num_source_frames


def test_random_frames_are_spread_over_their_parts_the_last_frame_included() -> None:
    drawn = np.stack([random_frames(40, 4, seed=0, index=i) for i in range(600)])
    for part in range(4):
        counted = np.bincount(drawn[:, part] - 10 * part, minlength=10)
        assert len(counted) == 10
        assert counted.min() > 30  # 60 expected, standard deviation 7.3
    again = random_frames(40, 4, seed=0, index=5)
    assert again.tolist() == drawn[5].tolist()
    assert random_frames(40, 4, seed=1, index=5).tolist() != again.tolist()


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="num_source_frames must be at least 1, got 0"):
        uniform_frames(0, 4)
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        random_frames(4, 0, seed=0, index=0)
    with pytest.raises(ValueError, match="sampling must be one of 'uniform', 'random', got 'rand'"):
        check_sampling("rand", "")
    with pytest.raises(ValueError, match="compat must be one of '', 'timechat', got 'x'"):
        check_sampling("random", "x")

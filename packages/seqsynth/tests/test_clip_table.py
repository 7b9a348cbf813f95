"""The clip table refuses rows that would give wrong frames, and names them."""

import numpy as np
import pytest

from seqsynth.clip_table import ClipTable
from seqsynth.sampler import SamplerSpec, SequencePlanner

ROWS = {
    "labels": np.array([7, 7, 8]),
    "durations_ms": np.array([10, 20, 30]),
    "num_source_frames": np.array([2, 1, 2]),
}
TIMES = {"pts": np.array([0, 10, 5, 0, 1]), "pts_ends": np.array([20, 6, 2])}


def test_rows_are_grouped_by_label() -> None:
    table = ClipTable(**{**ROWS, "labels": np.array([8, 7, 8])})
    assert table.num_labels == 2
    assert table.clips_by_label.tolist() == [1, 0, 2]
    assert table.label_starts.tolist() == [0, 1, 3]


def test_times_may_go_back_from_clip_to_clip() -> None:
    assert len(ClipTable(**ROWS, **TIMES)) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([], dtype=np.int64)}, "at least one clip"),
        ({"labels": np.array([1.0, 2.0, 3.0])}, "labels must hold integers, got float64"),
        ({"labels": np.zeros((3, 1), dtype=np.int64)}, r"one dimension, got shape \(3, 1\)"),
        ({"durations_ms": np.array([10, 20])}, "durations_ms has 2 rows, expected 3"),
        ({"durations_ms": np.array([10, 20, 0])}, r"durations_ms\[2\] = 0 must be in"),
        ({"num_source_frames": np.array([2, 0, 2])}, r"num_source_frames\[1\] = 0"),
        ({"pts": TIMES["pts"]}, "give both or neither"),
        ({"pts_ends": TIMES["pts_ends"]}, "give both or neither"),
        ({**TIMES, "pts": np.arange(4)}, "pts has 4 rows, expected 5"),
        ({**TIMES, "pts": np.array([0, 0, 5, 0, 1])}, r"pts\[1\] = 0 must be greater .* it, 0"),
        ({**TIMES, "pts": np.array([0, 1, 5, 3, 2])}, r"pts\[4\] = 2 must be greater .* it, 3"),
        ({**TIMES, "pts_ends": np.array([20, 5, 2])}, r"pts_ends\[1\] = 5 .* last time, 5"),
    ],
)
def test_bad_rows_are_named(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClipTable(**{**ROWS, **changes})


def test_integers_of_any_width_are_taken() -> None:
    narrow = ClipTable(**{name: array.astype(np.uint8) for name, array in ROWS.items()})
    assert narrow.durations_ms.dtype == np.int64
    spec = SamplerSpec(num_frames=8, max_clips=2)
    wide = SequencePlanner(ClipTable(**ROWS), spec).plan(0, 0)
    np.testing.assert_array_equal(
        SequencePlanner(narrow, spec).plan(0, 0).frame_indices, wide.frame_indices
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_frames": 0}, "num_frames = 0"),
        ({"min_clips": 5, "max_clips": 4}, "min_clips = 5"),
        ({"num_frames": 19}, "10 clips of at least 2 frames do not fit into num_frames = 19"),
        ({"min_relative_rate": 0}, "min_relative_rate = 0"),
        ({"max_relative_rate": 249}, "min_relative_rate = 250 must be in \\[1, 249\\]"),
    ],
)
def test_specs_that_no_sequence_can_meet_are_refused(
    settings: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        SamplerSpec(**settings)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda planner: planner.plan(-1, 0), ValueError, "seed = -1"),
        (lambda planner: planner.plan(0, 2**63), ValueError, "index = 9223372036854775808"),
        (lambda planner: planner.plan_batch(0, [1, -2]), ValueError, r"indices\[1\] = -2"),
        (lambda planner: planner.plan_clips(0, 0, [0, 3]), IndexError, r"clip_ids\[1\] = 3"),
        (lambda planner: planner.plan_clips(0, 0, []), ValueError, "number of clips = 0"),
    ],
)
def test_calls_that_make_no_sense_are_refused(call, error: type[Exception], message: str) -> None:
    planner = SequencePlanner(ClipTable(**ROWS), SamplerSpec(max_clips=2))
    with pytest.raises(error, match=message):
        call(planner)


def test_too_few_labels_say_so() -> None:
    planner = SequencePlanner(ClipTable(**ROWS), SamplerSpec(max_clips=3))
    with pytest.raises(ValueError, match=r"max_clips = 3 .* a table of 2 labels"):
        planner.plan(0, 0)

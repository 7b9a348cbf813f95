import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import ClipItem, Example, FrameRef
from seqsynth.clip_tasks import CLIP_TASKS, dvc, tvg
from seqsynth.frame_plan import ClipSequence
from seqsynth.tasks import TaskSettings

CODECS = sorted(tt.CODECS)


@st.composite
def sequences(draw: st.DrawFn) -> ClipSequence:
    counts = draw(st.lists(st.integers(2, 20), min_size=2, max_size=10))
    clips = tuple(
        ClipItem(
            id=f"id-{k}",
            label=f"label {k}",
            caption=f"someone does act {k}",
            path=f"/{k}.webp",
            num_frames=99,
            duration_seconds=2.0 + k / 8,
        )
        for k in range(len(counts))
    )
    boundaries = tuple(np.concatenate([[0], np.cumsum(counts)]).tolist())
    frames = tuple(
        FrameRef(clip.path, index)
        for clip, count in zip(clips, counts, strict=True)
        for index in range(count)
    )
    return ClipSequence(clips, boundaries, frames)


def tolerance(example: Example) -> float:
    return tt.CODECS[example.codec].max_error(example.duration_seconds) + 1e-6


@given(sequence=sequences(), seed=st.integers(0, 99), codec=st.sampled_from(CODECS))
def test_dense_captions_are_read_back_as_the_clips(
    sequence: ClipSequence, seed: int, codec: str
) -> None:
    example = dvc(sequence, np.random.default_rng(seed), TaskSettings(codec=codec))
    (turn,), (targets,) = example.turns, example.targets
    read = tt.parse_events(turn.answer, codec, duration_seconds=example.duration_seconds)
    assert not read.malformed
    assert [event.caption.rstrip(".") for event in read.events] == [t.caption for t in targets]
    for event, target in zip(read.events, targets, strict=True):
        start, end = (p * example.duration_seconds for p in (target.start, target.end))
        assert event.start_seconds == pytest.approx(start, abs=tolerance(example))
        assert event.end_seconds == pytest.approx(end, abs=tolerance(example))


@settings(max_examples=60)
@given(
    sequence=sequences(),
    seed=st.integers(0, 999),
    codec=st.sampled_from(CODECS),
    templates=st.sampled_from(["paper", "brief"]),
)
def test_grounding_answers_are_read_back_as_the_span_of_the_clip(
    sequence: ClipSequence, seed: int, codec: str, templates: str
) -> None:
    asked = TaskSettings(codec=codec, templates=templates, num_turns=len(sequence.clips))
    example = tvg(sequence, np.random.default_rng(seed), asked)
    assert {targets[0].caption for targets in example.targets} == {
        clip.caption for clip in sequence.clips
    }
    for turn, (target,) in zip(example.turns, example.targets, strict=True):
        assert target.caption in turn.prompt
        read = tt.parse_spans(turn.answer, codec, duration_seconds=example.duration_seconds)
        assert not read.malformed
        (span,) = read.spans
        start, end = (p * example.duration_seconds for p in (target.start, target.end))
        assert span.start_seconds == pytest.approx(start, abs=tolerance(example))
        assert span.end_seconds == pytest.approx(end, abs=tolerance(example))


@given(sequence=sequences())
def test_spans_tile_the_sequence_and_match_the_frames(sequence: ClipSequence) -> None:
    example = dvc(sequence, np.random.default_rng(0))
    (targets,) = example.targets
    assert targets[0].start == 0.0
    assert targets[-1].end == 1.0
    assert [t.end for t in targets[:-1]] == [t.start for t in targets[1:]]
    for clip, target in zip(sequence.clips, targets, strict=True):
        first, stop = (round(p * sequence.num_frames) for p in (target.start, target.end))
        assert {frame.path for frame in example.frames[first:stop]} == {clip.path}


def test_frames_are_timed_from_zero_and_ties_are_exact() -> None:
    clips = tuple(
        ClipItem(
            id=f"{k}",
            label=f"label {k}",
            caption=f"act {k}",
            path=f"/{k}",
            num_frames=50,
            duration_seconds=1.7,
        )
        for k in range(2)
    )
    frames = tuple(FrameRef(clips[k // 48].path, k % 48) for k in range(96))
    example = tvg(ClipSequence(clips, (0, 48, 96), frames), np.random.default_rng(0))
    assert example.frame_codes[0] == "<0><0><0><0>"
    # 3 / 96 is exactly 0.03125; computed through seconds it could round to 0313.
    assert example.frame_codes[3] == "<0><3><1><2>"
    assert list(example.frame_codes) == [
        tt.encode_seconds(float(k), duration_seconds=96.0) for k in range(96)
    ]


def test_seconds_are_written_with_their_unit_and_tokens_without() -> None:
    clips = tuple(
        ClipItem(
            id=f"{k}",
            label=f"l{k}",
            caption=f"act {k}.",
            path=f"/{k}",
            num_frames=9,
            duration_seconds=5.0,
        )
        for k in range(2)
    )
    frames = tuple(FrameRef(clips[k // 2].path, k % 2) for k in range(4))
    sequence = ClipSequence(clips, (0, 2, 4), frames)
    rng = np.random.default_rng(0)
    assert dvc(sequence, rng, TaskSettings(codec="seconds")).turns[0].answer == (
        "0.0 - 5.0 seconds, act 0. 5.0 - 10.0 seconds, act 1."
    )
    assert dvc(sequence, rng).turns[0].answer == (
        "<0><0><0><0> - <5><0><0><0>, act 0. <5><0><0><0> - <9><9><9><9>, act 1."
    )


@pytest.mark.parametrize("task", sorted(CLIP_TASKS))
def test_clips_that_read_the_same_are_refused(task: str) -> None:
    clips = tuple(
        ClipItem(
            id=f"{k}",
            label=f"label {k}",
            caption="the same act",
            path=f"/{k}",
            num_frames=9,
            duration_seconds=1.0,
        )
        for k in range(2)
    )
    sequence = ClipSequence(clips, (0, 1, 2), (FrameRef("/0", 0), FrameRef("/1", 0)))
    with pytest.raises(ValueError, match="items 1 and 2 have the same caption"):
        CLIP_TASKS[task](sequence, np.random.default_rng(0))

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import Example, Turn
from seqsynth.records import AnnotatedVideo
from seqsynth.tasks import TaskSettings
from seqsynth.text_budget import UnfitError
from seqsynth.video_tasks import Pts, VideoSettings, caption_questions, video_example

READY = AnnotatedVideo(
    id="timeit-1",
    path="/v/a.mp4",
    duration_seconds=20.0,
    num_frames=500,
    turns=(
        Turn(
            "Transcribed speech: 1.0 - 3.0 seconds, hello. Based on the video content and possible "
            "transcribed speech, find 'key <3>'.",
            "The given query happens in 5.0 - 9.1 seconds.",
        ),
        Turn("What happens?", "0.0 - 5.0 seconds, a man waves.  5.0 - 9.1 seconds, he leaves."),
    ),
    time_codec="seconds",
)
DENSE = AnnotatedVideo(
    id="yc-1",
    path="/v/b.mp4",
    duration_seconds=100.0,
    num_frames=2500,
    events=(
        tt.Event(0.0, 12.5, "mix <1> egg."),
        tt.Event(12.5, 50.0, "fry it"),
        tt.Event(40.0, 120.0, "serve it"),
        tt.Event(101.0, 110.0, "credits"),
    ),
)


def made(
    video: AnnotatedVideo, seed: int = 0, pts: Pts | None = None, **changes: object
) -> Example:
    shown = {k: changes.pop(k) for k in ("num_frames", "sampling", "event_tasks") if k in changes}
    return video_example(
        video,
        np.random.default_rng(seed),
        TaskSettings(**changes),
        shown=VideoSettings(**shown),
        seed=seed,
        index=3,
        pts=pts,
        example_id="x",
    )


def test_times_of_ready_turns_are_rewritten_wherever_they_stand() -> None:
    example = made(READY)
    assert example.task == "video"
    assert example.turns[0].answer == ("The given query happens in <2><5><0><0> - <4><5><5><0>.")
    assert "<0><5><0><0> - <1><5><0><0>, hello." in example.turns[0].prompt
    assert "<3>" not in example.turns[0].prompt, "a caption's own token is escaped"
    assert example.turns[1].answer == (
        "<0><0><0><0> - <2><5><0><0>, a man waves.  <2><5><0><0> - <4><5><5><0>, he leaves."
    )
    assert [(t.start, t.end) for t in example.targets[0]] == [(0.25, 9.1 / 20)]
    assert [t.caption for t in example.targets[1]] == ["a man waves.", "he leaves."]


def test_ready_turns_stay_as_they_are_in_their_own_codec() -> None:
    assert made(READY, codec="seconds").turns == READY.turns


def test_turns_without_times_are_only_escaped() -> None:
    video = replace(READY, turns=(Turn("In 5 seconds <2>?", "3 - 4 men."),), time_codec="")
    example = made(video)
    assert example.turns[0].answer == "3 - 4 men."
    assert "<2>" not in example.turns[0].prompt
    assert tt.unescape(example.turns[0].prompt) == "In 5 seconds <2>?"
    assert example.targets == ((),)


def test_dense_captions_are_the_events_within_the_video() -> None:
    example = made(DENSE, event_tasks={"dvc": 1})
    assert example.task == "dvc"
    read = tt.parse_events(example.turns[0].answer, "rpt", duration_seconds=100.0)
    assert not read.malformed
    found = [(round(e.start_seconds, 2), round(e.end_seconds, 2)) for e in read.events]
    assert found == [(0.0, 12.5), (12.5, 50.0), (40.0, 99.99)]
    assert [t.caption for t in example.targets[0]] == ["mix <1> egg.", "fry it", "serve it"]
    assert [(t.start, t.end) for t in example.targets[0]] == [(0, 0.125), (0.125, 0.5), (0.4, 1)]


@given(seed=st.integers(0, 999), codec=st.sampled_from(sorted(tt.CODECS)))
def test_grounding_answers_are_the_spans_of_the_caption_asked_for(seed: int, codec: str) -> None:
    twice = replace(DENSE, events=(*DENSE.events, tt.Event(60.0, 70.0, "Fry it.")))
    example = made(twice, seed, codec=codec, num_turns=3, event_tasks={"tvg": 1})
    assert example.task == "tvg"
    assert len({targets[0].caption for targets in example.targets}) == 3
    for turn, targets in zip(example.turns, example.targets, strict=True):
        read = tt.parse_spans(turn.answer, codec, duration_seconds=100.0)
        assert len(read.spans) == len(targets) == (2 if "fry" in turn.prompt else 1)
        for span, target in zip(read.spans, targets, strict=True):
            error = tt.CODECS[codec].max_error(100.0) + 1e-6
            assert span.start_seconds == pytest.approx(100 * target.start, abs=error)
            assert span.end_seconds == pytest.approx(100 * target.end, abs=error)


def test_videos_of_several_events_are_asked_both_ways_and_of_one_only_where() -> None:
    counts = Counter(made(DENSE, seed).task for seed in range(60))
    assert set(counts) == {"dvc", "tvg"}
    assert min(counts.values()) > 15
    single = replace(DENSE, events=DENSE.events[:1])
    assert {made(single, seed).task for seed in range(9)} == {"tvg"}


def test_captions_describe_the_whole_video() -> None:
    video = AnnotatedVideo(
        id="s", path="/v/c.mp4", duration_seconds=8.0, num_frames=200, caption="A <9> of hearts."
    )
    asked = set()
    for seed in range(60):
        example = made(video, seed)
        asked.add(example.turns[0].prompt)
        assert example.task == "caption"
        assert tt.unescape(example.turns[0].answer) == "A <9> of hearts."
        assert "<9>" not in example.turns[0].answer
    assert asked == set(caption_questions())


@given(num_frames=st.integers(1, 3000), sampling=st.sampled_from(["uniform", "random"]))
def test_frames_are_those_of_the_plan_and_carry_their_time(num_frames: int, sampling: str) -> None:
    example = made(replace(READY, num_frames=num_frames), sampling=sampling)
    indices = [frame.frame_index for frame in example.frames]
    assert len(indices) == min(96, num_frames)
    assert indices == sorted(set(indices))
    assert all(0 <= index < num_frames for index in indices)
    assert list(example.frame_codes) == [
        tt.encode_seconds(float(index), duration_seconds=float(num_frames)) for index in indices
    ]


def test_presentation_times_decide_the_codes_where_they_are_known() -> None:
    video = replace(READY, num_frames=4)
    pts = (np.array([100, 110, 180, 190]), 200)
    assert made(video, pts=pts).frame_codes == (
        "<0><0><0><0>", "<1><0><0><0>", "<8><0><0><0>", "<9><0><0><0>",
    )  # fmt: skip
    assert made(video, pts=pts, codec="seconds").frame_codes == ("0.0", "2.0", "16.0", "18.0")


def test_the_budget_leaves_out_whole_turns() -> None:
    assert len(made(READY).turns) == 2
    example = made(READY, max_text_tokens=70)
    assert example.turns == made(READY).turns[:1]
    assert len(example.targets) == 1
    with pytest.raises(UnfitError, match=r"timeit-1: its first turn has \d+ tokens, the budget 20"):
        made(READY, max_text_tokens=20)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_frames": None}, "timeit-1: None frames and 20.0 seconds in the index"),
        ({"duration_seconds": 0.0}, "500 frames and 0.0 seconds"),
        ({"turns": ()}, "neither turns nor events nor a caption"),
        ({"turns": (), "events": (tt.Event(30.0, 40.0, "x"),)}, "none of its 1 events"),
    ],
)
def test_videos_that_say_nothing_are_refused_by_name(
    changes: dict[str, object], reason: str
) -> None:
    with pytest.raises(UnfitError, match=reason):
        made(replace(READY, **changes))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"num_frames": 0}, "num_frames must be at least 1"),
        ({"sampling": "rand"}, "sampling must be one of"),
        ({"event_tasks": {"dvg": 1}}, "unknown task of videos 'dvg'"),
        ({"event_tasks": {"dvc": 0}}, "the share of dvc must be a positive number"),
        ({"event_tasks": {}}, "event_tasks is empty"),
    ],
)
def test_video_settings_are_checked(settings: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        VideoSettings(**settings)

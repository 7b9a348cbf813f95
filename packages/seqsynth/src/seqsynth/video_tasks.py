"""Examples of real annotated videos: ready conversations, events, or a caption of the whole.

What a video is asked about depends on what people wrote about it, in this order: its own questions
and answers, with every time rewritten in the codec of the recipe; its events, as dense captioning
or grounding in the wording of clip sequences; its caption.
"""

import functools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

import numpy as np
from numpy.typing import NDArray

import timetokens as tt
from seqsynth.image_tasks import SENTENCE_JOINER
from seqsynth.naming import known_name
from seqsynth.records import AnnotatedVideo, Example, FrameRef, Target, Turn
from seqsynth.tasks import TaskSettings, caption_key, deal, written
from seqsynth.templates import fill, pick
from seqsynth.text_budget import UnfitError, turn_tokens
from seqsynth.video_plan import Compat, Sampling, check_sampling, random_frames, uniform_frames

READY = "video"
"""The task of examples whose questions and answers come from the source."""

CAPTION = "caption"
"""The task of examples that describe a whole video."""

EVENT_TASKS = ("dvc", "tvg")
SPAN_JOINER = ", "

Pts = tuple[NDArray[np.int64], int]
"""When each frame is shown and when the last one ends, in ticks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSettings:
    """How long videos are sampled.

    Attributes:
        num_frames: frames of every example; all of them where a video has fewer.
        sampling: `random` as in training, or `uniform`.
        compat: see video_plan.py.
        event_tasks: shares of `dvc` and `tvg` for videos of several events; a single event is
            grounded.
    """

    num_frames: int = 96
    sampling: Sampling = "random"
    compat: Compat = ""
    event_tasks: Mapping[str, float] = field(default_factory=lambda: {"dvc": 1.0, "tvg": 1.0})

    def __post_init__(self) -> None:
        check_sampling(self.sampling, self.compat)
        if self.num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {self.num_frames}")
        for name, share in self.event_tasks.items():
            known_name("task of videos", name, EVENT_TASKS)
            if not (math.isfinite(share) and share > 0):
                raise ValueError(f"the share of {name} must be a positive number, got {share}")
        if not self.event_tasks:
            raise ValueError("event_tasks is empty: name dvc, tvg or both")


def video_example(
    video: AnnotatedVideo,
    rng: np.random.Generator,
    settings: TaskSettings,
    *,
    shown: VideoSettings,
    seed: int,
    index: int,
    pts: Pts | None = None,
    example_id: str = "",
) -> Example:
    """One example of one video.

    Args:
        video: what is shown; its file is not opened.
        rng: decides tasks and wording.
        settings: codec, wording, number of questions and text budget.
        shown: how frames are chosen and events asked about.
        seed: with `index`, decides random frames.
        index: another index, other frames.
        pts: when each frame is shown; None: they are evenly spaced.
        example_id: becomes the example's id.

    Raises:
        UnfitError: nothing is known to say about it, it has no frames or seconds, its annotation
            does not fit its length, or its text does not fit the budget.
    """
    if not video.num_frames or not video.duration_seconds > 0:
        raise UnfitError(
            f"{video.id}: {video.num_frames} frames and {video.duration_seconds} seconds in the "
            "index; probe the file when indexing"
        )
    frames = _frames(video.num_frames, shown, seed, index)
    if video.turns:
        task, turns, targets = READY, *_ready(video, settings.codec)
    elif video.events:
        task, turns, targets = _about_events(video, rng, settings, shown.event_tasks)
    elif video.caption:
        question = pick(caption_questions(), rng)
        task, turns = CAPTION, [Turn(question, written(video.caption))]
        targets = [(Target(0.0, 1.0, video.caption),)]
    else:
        raise UnfitError(f"{video.id}: neither turns nor events nor a caption")
    turns = _within_budget(video, turns, settings.max_text_tokens)
    return Example(
        id=example_id,
        task=task,
        codec=settings.codec,
        frames=tuple(FrameRef(video.path, frame) for frame in frames.tolist()),
        frame_codes=tuple(_frame_codes(video, frames, settings.codec, pts)),
        turns=tuple(turns),
        targets=tuple(targets[: len(turns)]),
        duration_seconds=video.duration_seconds,
    )


def lost_turns(example: Example, video: AnnotatedVideo, settings: TaskSettings) -> int:
    """How many turns the text budget has taken from an example of a video."""
    num_asked = len(video.turns) or (settings.num_turns if example.task == "tvg" else 1)
    return num_asked - len(example.turns)


@functools.cache
def caption_questions() -> tuple[str, ...]:
    """Ways to ask for a description of a whole video."""
    text = resources.files("seqsynth").joinpath("templates", "videos.toml").read_text("utf-8")
    return tuple(tomllib.loads(text)["caption"]["questions"])


def _frames(
    num_source_frames: int, shown: VideoSettings, seed: int, index: int
) -> NDArray[np.int64]:
    if shown.sampling == "uniform":
        return uniform_frames(num_source_frames, shown.num_frames)
    return random_frames(
        num_source_frames, shown.num_frames, seed=seed, index=index, compat=shown.compat
    )


def _frame_codes(
    video: AnnotatedVideo, frames: NDArray[np.int64], codec_name: str, pts: Pts | None
) -> list[str]:
    """The time at which each frame appears: the first frame of a video is at 0."""
    codec = tt.CODECS[codec_name]
    if pts is None:
        parts, whole = frames.tolist(), video.num_frames or 1
    else:
        times, end = pts
        parts, whole = (times[frames] - times[0]).tolist(), int(end - times[0])
    if not codec.is_relative:
        seconds = [part / whole * video.duration_seconds for part in parts]
        return [
            codec.format_point(
                tt.time_position(second, duration_seconds=video.duration_seconds, clamp=True)
            )
            for second in seconds
        ]
    return [codec.format_point(tt.TimePosition(float(part), float(whole))) for part in parts]


def _ready(video: AnnotatedVideo, codec: str) -> tuple[list[Turn], list[tuple[Target, ...]]]:
    """The source's own turns, times rewritten; targets are the spans that their answers name."""
    turns: list[Turn] = []
    targets: list[tuple[Target, ...]] = []
    duration = video.duration_seconds
    for turn in video.turns:
        if not video.time_codec:
            turns.append(Turn(tt.escape(turn.prompt), tt.escape(turn.answer)))
            targets.append(())
            continue
        try:
            prompt, answer = (
                tt.convert_text(
                    text, video.time_codec, codec, duration_seconds=duration, clamp=True
                ).text
                for text in (turn.prompt, turn.answer)
            )
            events = tt.parse_events(
                turn.answer, video.time_codec, duration_seconds=duration
            ).events
        except tt.CodecError as error:
            raise UnfitError(f"{video.id}: {error}") from None
        turns.append(Turn(prompt, answer))
        targets.append(tuple(_target(event, duration) for event in _inside(events, duration)))
    return turns, targets


def _about_events(
    video: AnnotatedVideo,
    rng: np.random.Generator,
    settings: TaskSettings,
    event_tasks: Mapping[str, float],
) -> tuple[str, list[Turn], list[tuple[Target, ...]]]:
    duration, wording = video.duration_seconds, settings.wording
    events = _inside(video.events, duration)
    if not events:
        raise UnfitError(
            f"{video.id}: none of its {len(video.events)} events lies within its {duration} seconds"
        )
    groups: dict[str, list[tt.Event]] = {}
    for event in events:
        groups.setdefault(caption_key(event.caption), []).append(event)
    task = "tvg" if len(groups) == 1 else _draw_task(rng, event_tasks)
    if task == "dvc":
        question = pick(wording.dvc.questions, rng)
        sentences = [
            fill(
                wording.dvc.answers[0],
                span=_span(event, duration, settings.codec),
                caption=written(event.caption),
            )
            for event in events
        ]
        targets = tuple(_target(event, duration) for event in events)
        return task, [Turn(question, SENTENCE_JOINER.join(sentences))], [targets]
    queries = list(groups.values())
    turns: list[Turn] = []
    asked: list[tuple[Target, ...]] = []
    for (number,) in deal(len(queries), [1] * settings.num_turns, rng):
        group = queries[number]
        spans = SPAN_JOINER.join(_span(event, duration, settings.codec) for event in group)
        question = fill(pick(wording.tvg.questions, rng), caption=written(group[0].caption))
        turns.append(Turn(question, fill(pick(wording.tvg.answers, rng), span=spans)))
        asked.append(tuple(_target(event, duration) for event in group))
    return task, turns, asked


def _draw_task(rng: np.random.Generator, event_tasks: Mapping[str, float]) -> str:
    names = [name for name in EVENT_TASKS if name in event_tasks]
    shares = np.cumsum([event_tasks[name] for name in names])
    return names[int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))]


def _inside(events: Sequence[tt.Event], duration_seconds: float) -> list[tt.Event]:
    """Events within the video: what begins after its end is left out, the rest is clamped."""
    clamped = []
    for event in events:
        start, end = sorted((event.start_seconds, event.end_seconds))
        if start < duration_seconds and end >= 0:
            clamped.append(
                tt.Event(max(start, 0.0), min(max(end, 0.0), duration_seconds), event.caption)
            )
    return clamped


def _target(event: tt.Event, duration_seconds: float) -> Target:
    start, end = event.start_seconds / duration_seconds, event.end_seconds / duration_seconds
    return Target(start, end, event.caption)


def _span(event: tt.Event, duration_seconds: float, codec: str) -> str:
    start, end = (
        tt.TimePosition(seconds, duration_seconds)
        for seconds in (event.start_seconds, event.end_seconds)
    )
    return tt.span_text(start, end, codec)


def _within_budget(video: AnnotatedVideo, turns: list[Turn], max_tokens: int) -> list[Turn]:
    """The first turns that fit together; what people wrote is not shortened."""
    if not max_tokens:
        return turns
    kept: list[Turn] = []
    num_tokens = 0
    for turn in turns:
        num_tokens += turn_tokens(turn)
        if num_tokens > max_tokens:
            break
        kept.append(turn)
    if not kept:
        raise UnfitError(
            f"{video.id}: its first turn has {num_tokens} tokens, the budget {max_tokens}"
        )
    return kept

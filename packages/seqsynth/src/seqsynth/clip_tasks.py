"""The two tasks of clip sequences (section 3.2): dense captioning and temporal grounding.

A clip that shows frames [a, b) of F, counted from 0, spans [a / F, b / F): spans tile the sequence.
The paper prints no templates for these; the wording is our own.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

import timetokens as tt
from seqsynth.frame_plan import ClipSequence
from seqsynth.image_tasks import SENTENCE_JOINER
from seqsynth.records import Example, Target, Turn
from seqsynth.tasks import TaskSettings, check_distinct, deal, written
from seqsynth.templates import Wording, fill, pick
from seqsynth.text_budget import Writer, fit_turn

ClipTask = Callable[..., Example]


def dvc(
    sequence: ClipSequence,
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
    cuts: Counter[str] | None = None,
) -> Example:
    """Dense video captioning: every clip with its span, in order. Always one turn.

    Args:
        sequence: clips with distinct captions.
        rng: decides the wording.
        settings: default `TaskSettings()`; `num_turns` and `max_targets` do not apply.
        example_id: becomes the example's id.
        cuts: counts what the text budget took away, see text_budget.py.

    Raises:
        UnfitError: the text budget is too small for these captions.
        ValueError: two clips with the same caption.
    """
    settings = settings or TaskSettings()
    asked = pick(settings.wording.dvc.questions, rng)
    answer_item = settings.wording.dvc.answers[0]

    def write(hand: Sequence[int], captions: Sequence[str]) -> Turn:
        events = [
            fill(answer_item, span=_span(sequence, k, settings), caption=written(captions[k]))
            for k in hand
        ]
        return Turn(asked, SENTENCE_JOINER.join(events))

    turn, _ = fit_turn(
        range(len(sequence.clips)),
        [clip.caption for clip in sequence.clips],
        lambda _: write,
        max_tokens=settings.max_text_tokens,  # always one turn
        may_drop=False,
        cuts=cuts,
    )
    targets = tuple(_target(sequence, k) for k in range(len(sequence.clips)))
    return _example("dvc", sequence, [turn], [targets], settings, example_id)


def tvg(
    sequence: ClipSequence,
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
    cuts: Counter[str] | None = None,
) -> Example:
    """Temporal video grounding: given a caption, the span of its clip; one target a turn.

    Arguments and errors as for `dvc`; `num_turns` questions ask about different clips until every
    clip has been asked about.
    """
    settings = settings or TaskSettings()
    turns: list[Turn] = []
    targets: list[tuple[Target, ...]] = []
    for (k,) in deal(len(sequence.clips), [1] * settings.num_turns, rng):
        span = _span(sequence, k, settings)
        turn, _ = fit_turn(
            (k,),
            [clip.caption for clip in sequence.clips],
            partial(_tvg_writer, settings.wording.tvg, span, rng),
            max_tokens=settings.max_turn_tokens,
            may_drop=False,
            cuts=cuts,
        )
        turns.append(turn)
        targets.append((_target(sequence, k),))
    return _example("tvg", sequence, turns, targets, settings, example_id)


CLIP_TASKS: dict[str, ClipTask] = {"dvc": dvc, "tvg": tvg}


def _tvg_writer(kind: Wording, span: str, rng: np.random.Generator, _: int) -> Writer:
    asked, answered = pick(kind.questions, rng), pick(kind.answers, rng)

    def write(hand: Sequence[int], captions: Sequence[str]) -> Turn:
        (k,) = hand
        return Turn(fill(asked, caption=written(captions[k])), fill(answered, span=span))

    return write


def _span(sequence: ClipSequence, k: int, settings: TaskSettings) -> str:
    codec = tt.CODECS[settings.codec]
    start, end = (_position(sequence, sequence.boundaries[b], settings) for b in (k, k + 1))
    return f"{codec.format_span(start, end)} {codec.time_unit}".rstrip()


def _position(sequence: ClipSequence, boundary: int, settings: TaskSettings) -> tt.TimePosition:
    """The place of the frame boundary before frame `boundary` (counted from 0)."""
    if tt.CODECS[settings.codec].is_relative:
        # In frames the fraction is exact; in seconds it could fall on the other side of a tie.
        return tt.TimePosition(float(boundary), float(sequence.num_frames))
    seconds = boundary / sequence.num_frames * sequence.duration_seconds
    return tt.TimePosition(min(seconds, sequence.duration_seconds), sequence.duration_seconds)


def _target(sequence: ClipSequence, k: int) -> Target:
    start, end = (sequence.boundaries[b] / sequence.num_frames for b in (k, k + 1))
    return Target(start, end, sequence.clips[k].caption)


def _example(
    task: str,
    sequence: ClipSequence,
    turns: list[Turn],
    targets: list[tuple[Target, ...]],
    settings: TaskSettings,
    example_id: str,
) -> Example:
    check_distinct(clip.caption for clip in sequence.clips)
    codec = tt.CODECS[settings.codec]
    return Example(
        id=example_id,
        task=task,
        codec=settings.codec,
        frames=sequence.frames,
        frame_codes=tuple(
            codec.format_point(_position(sequence, f, settings)) for f in range(sequence.num_frames)
        ),
        turns=tuple(turns),
        targets=tuple(targets),
        duration_seconds=sequence.duration_seconds,
    )

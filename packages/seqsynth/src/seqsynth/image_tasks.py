"""The three pretext tasks of image sequences (section 3.1 of the paper, Figures 6 to 10).

Item numbers count from 1, and image k of L is written as k / L. For scoring it occupies
[(k - 1) / L, k / L). Readings of what the paper leaves open: docs/decisions.md.
"""

from collections.abc import Callable, Sequence

import numpy as np

import timetokens as tt
from seqsynth.records import Example, FrameRef, ImageItem, Target, Turn
from seqsynth.tasks import TaskSettings, check_distinct, deal, written
from seqsynth.templates import fill, list_captions, pick

INDEX_JOINER = ", "
SENTENCE_JOINER = " "

ImageTask = Callable[..., Example]


def iig(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
) -> Example:
    """Image index grounding: given one or several captions, say at which index each image is.

    Captions are in random order and the answer keeps it.

    Args:
        items: the sequence, 1 or more images, captions distinct.
        rng: decides targets and wording.
        settings: default `TaskSettings()`.
        example_id: becomes the example's id.

    Raises:
        ValueError: no items, or two with the same caption.
    """
    settings = settings or TaskSettings()
    wording, turns, targets = settings.wording, [], []
    for hand in _hands(items, rng, settings):
        captions = [written(items[i].caption) for i in hand]
        codes = [_code(i, len(items), settings) for i in hand]
        if len(hand) == 1:
            question = fill(pick(wording.iig_single.questions, rng), caption=captions[0])
            answer = fill(pick(wording.iig_single.answers, rng), index=codes[0])
        else:
            listed = list_captions(wording.iig_item, captions)
            question = fill(pick(wording.iig_multiple.questions, rng), captions=listed)
            question = f"{question} {wording.iig_closing}".rstrip()
            answer = fill(pick(wording.iig_multiple.answers, rng), indices=INDEX_JOINER.join(codes))
        turns.append(Turn(question, answer))
        targets.append(tuple(_target(items, i) for i in hand))
    return _example("iig", items, turns, targets, settings, example_id)


def iic(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
) -> Example:
    """Indexed image captioning: given one or several indices, say what each image shows.

    Arguments and errors as for `iig`.
    """
    settings = settings or TaskSettings()
    wording, turns, targets = settings.wording, [], []
    for hand in _hands(items, rng, settings):
        captions = [written(items[i].caption) for i in hand]
        codes = [_code(i, len(items), settings) for i in hand]
        if len(hand) == 1:
            kind = wording.iic_single
            question = fill(pick(kind.questions, rng), index=codes[0])
        else:
            kind = wording.iic_multiple
            question = fill(pick(kind.questions, rng), indices=INDEX_JOINER.join(codes))
        sentence = pick(kind.answers, rng)
        answer = SENTENCE_JOINER.join(
            fill(sentence, index=code, caption=caption)
            for code, caption in zip(codes, captions, strict=True)
        )
        turns.append(Turn(question, answer))
        targets.append(tuple(_target(items, i) for i in hand))
    return _example("iic", items, turns, targets, settings, example_id)


def alr(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
) -> Example:
    """Adjacent location reasoning: locate and describe the image before or after another one.

    The neighbour always exists. Arguments and errors as for `iig`; at least 2 items.
    """
    settings = settings or TaskSettings()
    if len(items) < 2:
        raise ValueError(f"alr needs at least 2 images to have neighbours, got {len(items)}")
    wording, turns = settings.wording, []
    targets: list[tuple[Target, ...]] = []
    for (left,) in deal(len(items) - 1, [1] * settings.num_turns, rng):
        is_before = rng.random() < 0.5
        anchor, neighbour = (left + 1, left) if is_before else (left, left + 1)
        kind = wording.alr_before if is_before else wording.alr_after
        question = fill(pick(kind.questions, rng), caption=written(items[anchor].caption))
        answer = fill(
            pick(kind.answers, rng),
            index=_code(neighbour, len(items), settings),
            caption=written(items[neighbour].caption),
        )
        turns.append(Turn(question, answer))
        targets.append((_target(items, neighbour),))
    return _example("alr", items, turns, targets, settings, example_id)


IMAGE_TASKS: dict[str, ImageTask] = {"iig": iig, "iic": iic, "alr": alr}


def _hands(
    items: Sequence[ImageItem], rng: np.random.Generator, settings: TaskSettings
) -> list[list[int]]:
    if not items:
        raise ValueError("an image sequence needs at least 1 image")
    most = min(settings.max_targets, len(items))
    sizes = rng.integers(1, most, size=settings.num_turns, endpoint=True).tolist()
    return list(deal(len(items), sizes, rng))


def _code(item_index: int, length: int, settings: TaskSettings) -> str:
    position = tt.ItemPosition(item_index + 1, length)
    return tt.CODECS[settings.codec].format_point(position)


def _target(items: Sequence[ImageItem], item_index: int) -> Target:
    length = len(items)
    return Target(item_index / length, (item_index + 1) / length, items[item_index].caption)


def _example(
    task: str,
    items: Sequence[ImageItem],
    turns: list[Turn],
    targets: list[tuple[Target, ...]],
    settings: TaskSettings,
    example_id: str,
) -> Example:
    check_distinct(item.caption for item in items)
    return Example(
        id=example_id,
        task=task,
        codec=settings.codec,
        frames=tuple(FrameRef(item.path, 0) for item in items),
        frame_codes=tuple(_code(i, len(items), settings) for i in range(len(items))),
        turns=tuple(turns),
        targets=tuple(targets),
        duration_seconds=float(len(items)),
    )

"""The three pretext tasks of image sequences (section 3.1 of the paper, Figures 6 to 10).

Item numbers count from 1, and image k of L is written as k / L. For scoring it occupies
[(k - 1) / L, k / L). Readings of what the paper leaves open: docs/decisions.md.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

import timetokens as tt
from seqsynth.records import Example, FrameRef, ImageItem, Target, Turn
from seqsynth.tasks import TaskSettings, check_distinct, deal, written
from seqsynth.templates import Wording, fill, list_captions, pick
from seqsynth.text_budget import Writer, fit_turn

INDEX_JOINER = ", "
SENTENCE_JOINER = " "

ImageTask = Callable[..., Example]


def iig(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
    cuts: Counter[str] | None = None,
) -> Example:
    """Image index grounding: given one or several captions, say at which index each image is.

    Captions are in random order and the answer keeps it.

    Args:
        items: the sequence, 1 or more images, captions distinct.
        rng: decides targets and wording.
        settings: default `TaskSettings()`.
        example_id: becomes the example's id.
        cuts: counts what the text budget took away, see text_budget.py.

    Raises:
        UnfitError: the text budget is too small for these captions.
        ValueError: no items, or two with the same caption.
    """
    settings = settings or TaskSettings()
    wording = settings.wording

    def choose(num_targets: int) -> Writer:
        kind = wording.iig_single if num_targets == 1 else wording.iig_multiple
        asked, answered = pick(kind.questions, rng), pick(kind.answers, rng)

        def write(hand: Sequence[int], captions: Sequence[str]) -> Turn:
            shown = [written(captions[i]) for i in hand]
            codes = [_code(i, len(items), settings) for i in hand]
            if num_targets == 1:
                return Turn(fill(asked, caption=shown[0]), fill(answered, index=codes[0]))
            question = fill(asked, captions=list_captions(wording.iig_item, shown))
            question = f"{question} {wording.iig_closing}".rstrip()
            return Turn(question, fill(answered, indices=INDEX_JOINER.join(codes)))

        return write

    turns, targets = _ask(items, _hands(items, rng, settings), choose, settings, cuts)
    return _example("iig", items, turns, targets, settings, example_id)


def iic(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
    cuts: Counter[str] | None = None,
) -> Example:
    """Indexed image captioning: given one or several indices, say what each image shows.

    Arguments and errors as for `iig`.
    """
    settings = settings or TaskSettings()
    wording = settings.wording

    def choose(num_targets: int) -> Writer:
        kind = wording.iic_single if num_targets == 1 else wording.iic_multiple
        asked, sentence = pick(kind.questions, rng), pick(kind.answers, rng)

        def write(hand: Sequence[int], captions: Sequence[str]) -> Turn:
            codes = [_code(i, len(items), settings) for i in hand]
            indices = {"index" if num_targets == 1 else "indices": INDEX_JOINER.join(codes)}
            answers = [
                fill(sentence, index=code, caption=written(captions[i]))
                for i, code in zip(hand, codes, strict=True)
            ]
            return Turn(fill(asked, **indices), SENTENCE_JOINER.join(answers))

        return write

    turns, targets = _ask(items, _hands(items, rng, settings), choose, settings, cuts)
    return _example("iic", items, turns, targets, settings, example_id)


def alr(
    items: Sequence[ImageItem],
    rng: np.random.Generator,
    settings: TaskSettings | None = None,
    *,
    example_id: str = "",
    cuts: Counter[str] | None = None,
) -> Example:
    """Adjacent location reasoning: locate and describe the image before or after another one.

    The neighbour always exists. Arguments and errors as for `iig`; at least 2 items.
    """
    settings = settings or TaskSettings()
    if len(items) < 2:
        raise ValueError(f"alr needs at least 2 images to have neighbours, got {len(items)}")
    turns: list[Turn] = []
    targets: list[tuple[Target, ...]] = []
    captions = [item.caption for item in items]
    for (left,) in deal(len(items) - 1, [1] * settings.num_turns, rng):
        is_before = rng.random() < 0.5
        anchor, neighbour = (left + 1, left) if is_before else (left, left + 1)
        kind = settings.wording.alr_before if is_before else settings.wording.alr_after
        code = _code(neighbour, len(items), settings)
        turn, _ = fit_turn(
            (anchor, neighbour),
            captions,
            partial(_alr_writer, kind, code, rng),
            max_tokens=settings.max_turn_tokens,
            may_drop=False,
            cuts=cuts,
        )
        turns.append(turn)
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


def _ask(
    items: Sequence[ImageItem],
    hands: Sequence[Sequence[int]],
    choose: Callable[[int], Writer],
    settings: TaskSettings,
    cuts: Counter[str] | None,
) -> tuple[list[Turn], list[tuple[Target, ...]]]:
    """A turn for each hand, and its targets in the order of the answer."""
    captions = [item.caption for item in items]
    turns: list[Turn] = []
    targets: list[tuple[Target, ...]] = []
    for hand in hands:
        turn, kept = fit_turn(
            hand,
            captions,
            choose,
            max_tokens=settings.max_turn_tokens,
            may_drop=True,
            cuts=cuts,
        )
        turns.append(turn)
        targets.append(tuple(_target(items, i) for i in kept))
    return turns, targets


def _alr_writer(kind: Wording, code: str, rng: np.random.Generator, _: int) -> Writer:
    """Writes a question about the first item of a hand and an answer about the second."""
    asked, answered = pick(kind.questions, rng), pick(kind.answers, rng)

    def write(hand: Sequence[int], captions: Sequence[str]) -> Turn:
        anchor, neighbour = (written(captions[i]) for i in hand)
        return Turn(fill(asked, caption=anchor), fill(answered, index=code, caption=neighbour))

    return write


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

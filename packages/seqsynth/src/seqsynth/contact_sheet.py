"""Draws an example for the eye: its frames with their position texts, then questions and answers.

Frames that the first question asks for have a coloured frame, one colour a target.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import timetokens as tt
from seqsynth.image_tasks import IMAGE_TASKS
from seqsynth.records import Example, Target

_THUMBNAIL_PIXELS = 112
_GAP_PIXELS = 8
_LABEL_PIXELS = 16
_MAX_COLUMNS = 10
_MIN_COLUMNS = 6
_FONT_PIXELS = 12
_LINE_PIXELS = 18
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_COLOURS = ("#d33", "#27c", "#283", "#a3a", "#c70", "#077", "#850", "#557")


def describe(example: Example) -> str:
    """The example as text: id, size, and for each turn question, answer and targets."""
    lines = [f"{example.id}: {facts_of(example)}"]
    for number, (turn, targets) in enumerate(zip(example.turns, example.targets, strict=True), 1):
        lines += [f"Q{number}  {turn.prompt}", f"A{number}  {turn.answer}"]
        lines += [f"    [{t.start:.4f}, {t.end:.4f})  {t.caption}" for t in targets]
    return "\n".join(lines)


def facts_of(example: Example) -> str:
    """Task, size and codec of an example, in a few words."""
    return (
        f"{example.task}, {len(example.frames)} frames, {example.duration_seconds:g} seconds, "
        f"codec {example.codec}"
    )


def draw_sheet(example: Example, frames: NDArray[np.uint8]) -> Image.Image:
    """The contact sheet.

    Args:
        example: what to show.
        frames: (len(example.frames), size, size, 3) uint8, its pictures, any size.
    """
    font = ImageFont.load_default(_FONT_PIXELS)
    columns = max(min(len(frames), _MAX_COLUMNS), _MIN_COLUMNS)
    rows = -(-len(frames) // columns)
    step_x = _THUMBNAIL_PIXELS + _GAP_PIXELS
    step_y = step_x + _LABEL_PIXELS
    width = columns * step_x + _GAP_PIXELS
    lines = [
        line
        for paragraph in describe(example).splitlines()
        for line in _wrapped(paragraph, font, width - 2 * _GAP_PIXELS)
    ]
    height = rows * step_y + len(lines) * _LINE_PIXELS + 2 * _GAP_PIXELS
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    colours = frame_colours(example)
    for number, frame in enumerate(frames):
        x = _GAP_PIXELS + number % columns * step_x
        y = _GAP_PIXELS + number // columns * step_y
        edge = (_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS)
        if colours[number]:
            box = (x - 4, y - 4, x + _THUMBNAIL_PIXELS + 3, y + _THUMBNAIL_PIXELS + 3)
            draw.rectangle(box, fill=colours[number])
        sheet.paste(Image.fromarray(frame).resize(edge), (x, y))
        label = f"{number + 1}: {example.frame_codes[number]}"
        draw.text((x, y + _THUMBNAIL_PIXELS + 3), label, fill="black", font=font)
    for number, line in enumerate(lines):
        place = (_GAP_PIXELS, rows * step_y + _GAP_PIXELS + number * _LINE_PIXELS)
        draw.text(place, line, fill="black", font=font)
    return sheet


def frame_colours(example: Example) -> list[str]:
    """The colour around each frame, empty for none."""
    colours = [""] * len(example.frames)
    for number, target in enumerate(example.targets[0]):
        for frame in _frames_of(example, target):
            colours[frame] = _COLOURS[number % len(_COLOURS)]
    return colours


def _frames_of(example: Example, target: Target) -> Sequence[int]:
    """The frames that a target speaks of."""
    num_frames = len(example.frames)
    if example.task in IMAGE_TASKS or len({frame.path for frame in example.frames}) > 1:
        return range(round(target.start * num_frames), round(target.end * num_frames))
    # The frames of a real video are not evenly spaced; each says when it is shown.
    codec, duration = tt.CODECS[example.codec], example.duration_seconds
    rounding = codec.max_error(duration)
    seconds = [codec.parse_point(code, duration_seconds=duration) for code in example.frame_codes]
    start, end = (place * duration - rounding for place in (target.start, target.end))
    return [frame for frame, second in enumerate(seconds) if start <= second < end]


def _wrapped(text: str, font: Font, width: int) -> Sequence[str]:
    first, *words = re.split(r"(?<=\S) ", text)  # an indented line stays indented
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(f"    {word}")
    return lines

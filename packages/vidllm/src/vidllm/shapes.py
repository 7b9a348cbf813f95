"""A corpus that is drawn on the spot: coloured shapes, for trials and tests without downloads.

80 stills ("red circle") and 40 clips in which a shape moves ("blue star"), the held-out ones in
colours that no training item has. Drawn once into a folder, in well under a second.
"""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path

from PIL import Image, ImageDraw

from seqsynth import ClipItem, Corpus, ImageItem
from vidllm.scratch import built

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 170, 60),
    "blue": (40, 60, 220),
    "yellow": (240, 210, 40),
    "black": (20, 20, 20),
    "pink": (250, 150, 190),
    "brown": (120, 70, 30),
    "grey": (130, 130, 130),
    "orange": (250, 130, 20),
    "purple": (130, 40, 170),
}
HELDOUT_COLOURS = ("orange", "purple")
# name: (corners, turn in radians, inner radius of a star or 1)
OUTLINES = {
    "circle": (40, 0.0, 1.0),
    "triangle": (3, 0.0, 1.0),
    "square": (4, math.pi / 4, 1.0),
    "diamond": (4, 0.0, 1.0),
    "pentagon": (5, 0.0, 1.0),
    "hexagon": (6, 0.0, 1.0),
    "star": (5, 0.0, 0.4),
    "cross": (4, math.pi / 4, 0.3),
}
CLIP_OUTLINES = ("circle", "triangle", "square", "star")
PICTURE_SIZE = 64
CLIP_FRAMES, CLIP_SECONDS = 12, 1.2


def shapes_corpus(root: str | Path) -> Corpus:
    """The corpus, its pictures drawn below `root` where they are not there yet.

    Raises:
        OSError: the folder cannot be written.
    """
    root = Path(root)
    root.mkdir(parents=True, exist_ok=True)
    images = [_image(root, colour, outline) for colour, outline in product(COLOURS, OUTLINES)]
    clips = [_clip(root, colour, outline) for colour, outline in product(COLOURS, CLIP_OUTLINES)]
    return Corpus(
        train_images=tuple(item for item in images if not _is_heldout(item.caption)),
        heldout_images=tuple(item for item in images if _is_heldout(item.caption)),
        train_clips=tuple(item for item in clips if not _is_heldout(item.caption)),
        heldout_clips=tuple(item for item in clips if _is_heldout(item.caption)),
        root=str(root),
    )


def _is_heldout(caption: str) -> bool:
    return caption.partition(" ")[0] in HELDOUT_COLOURS


def _image(root: Path, colour: str, outline: str) -> ImageItem:
    path = root / f"{colour}-{outline}.png"
    if not path.exists():
        _save(path, [_drawn(colour, outline, 0.5, 0.5)])
    name = f"{colour} {outline}"
    return ImageItem(id=f"shapes:{path.stem}", caption=name, path=str(path), label=name)


def _clip(root: Path, colour: str, outline: str) -> ClipItem:
    path = root / f"{colour}-{outline}-moving.webp"
    if not path.exists():
        places = [0.25 + 0.5 * index / (CLIP_FRAMES - 1) for index in range(CLIP_FRAMES)]
        _save(path, [_drawn(colour, outline, place, 0.5) for place in places])
    name = f"{colour} {outline}"
    return ClipItem(
        id=f"shapes:{path.stem}",
        label=name,
        caption=name,
        path=str(path),
        num_frames=CLIP_FRAMES,
        duration_seconds=CLIP_SECONDS,
    )


def _drawn(colour: str, outline: str, centre_x: float, centre_y: float) -> Image.Image:
    corners, turn, inner = OUTLINES[outline]
    picture = Image.new("RGB", (PICTURE_SIZE, PICTURE_SIZE), "white")
    points = []
    steps = corners if inner == 1.0 else 2 * corners
    for step in range(steps):
        radius = 0.35 * PICTURE_SIZE * (inner if step % 2 and inner != 1.0 else 1.0)
        angle = turn - math.pi / 2 + 2 * math.pi * step / steps
        points.append(
            (
                centre_x * PICTURE_SIZE + radius * math.cos(angle),
                centre_y * PICTURE_SIZE + radius * math.sin(angle),
            )
        )
    ImageDraw.Draw(picture).polygon(points, fill=COLOURS[colour])
    return picture


def _save(path: Path, frames: list[Image.Image]) -> None:
    """Writes beside the place and renames: another process may be drawing the same picture."""
    with built(path) as scratch:
        if len(frames) == 1:
            frames[0].save(scratch, format="PNG")
            return
        milliseconds = round(1000 * CLIP_SECONDS / CLIP_FRAMES)
        frames[0].save(
            scratch,
            format="WEBP",
            save_all=True,
            append_images=frames[1:],
            duration=milliseconds,
            lossless=True,
            minimize_size=False,
        )

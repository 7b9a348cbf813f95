"""What the loader gives: sequences a second by threads, by processes, and one after the other.

A clip sequence is 16 frames of each of six H.264 clips (320 x 240, a key frame every 250), an
image sequence 96 JPEGs of 640 x 480; frames are squares of 224 pixels. There are as many workers as
this process may use cores. Figures are of time on the clock, from when the workers have given their
first sequences: run it on a quiet machine.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth import FrameRef, load_frames
from seqsynth.loader import LoaderSettings, Workers, prefetch_frames
from seqsynth.testing import VideoRecipe, write_video

RUNS = 3
EDGE = 224
NUM_FRAMES = 96
NUM_CLIPS = 6
CLIP = VideoRecipe(size=(320, 240), num_frames=250, options={"crf": "23", "g": "250"})
WARM_UP = 6  # sequences: more than are decoded ahead
MEASURED = 12
ROOM = 4 * NUM_FRAMES * EDGE * EDGE * 3  # bytes, of sequences decoded ahead

Plan = list[FrameRef]


def run() -> dict[str, dict[str, Any]]:
    """All cases."""
    cases: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind, plans in (
            ("clip", clip_plans(Path(name))),
            ("image", image_plans(Path(name))),
        ):
            rates = {
                "threads": lambda plans=plans: prefetched(plans, "threads"),
                "processes": lambda plans=plans: prefetched(plans, "processes"),
                "one_by_one": lambda plans=plans: (load_frames(plan, EDGE) for plan in plans),
            }
            cases |= compared(f"loader_{kind}_sequences", rates)
    return cases


def prefetched(plans: Sequence[Plan], workers: Workers) -> Iterator[Any]:
    settings = LoaderSettings(
        size=EDGE, num_workers=len(os.sched_getaffinity(0)), workers=workers, max_bytes=ROOM
    )
    return prefetch_frames(plans, settings)


def compared(name: str, streams: dict[str, Callable[[], Iterator[Any]]]) -> dict[str, Any]:
    """Threads against the others, which take turns."""
    rates: dict[str, list[float]] = {way: [] for way in streams}
    for _ in range(RUNS):
        for way, stream in streams.items():
            frames = iter(stream())
            for _ in islice(frames, WARM_UP):
                pass
            start = time.perf_counter()
            for _ in frames:
                pass
            rates[way].append(MEASURED / (time.perf_counter() - start))
    medians = {way: statistics.median(figures) for way, figures in rates.items()}
    return {
        f"{name}_threads_vs_{way}": {
            "ours": round(medians["threads"], 2),
            "peer": round(medians[way], 2),
            "ratio": round(medians["threads"] / medians[way], 3),
            "unit": "sequences of 96 frames/s",
            "runs": RUNS,
            "note": f"{len(os.sched_getaffinity(0))} workers, time on the clock",
        }
        for way in ("processes", "one_by_one")
    }


def clip_plans(folder: Path) -> list[Plan]:
    """Frames of six clips, in each sequence other ones."""
    scene = shades(480, 360)

    def panned(number: int, width: int, height: int) -> NDArray[np.uint8]:
        across, down = number * 2 % (480 - width), number % (360 - height)
        return scene[down : down + height, across : across + width]

    clip = write_video(CLIP, folder / "0.mp4", picture=panned).read_bytes()
    paths = [folder / f"{number}.mp4" for number in range(NUM_CLIPS)]
    for path in paths:
        path.write_bytes(clip)
    step = 10
    return [
        [
            FrameRef(str(path), (number + step * k) % CLIP.num_frames)
            for path in paths
            for k in range(NUM_FRAMES // NUM_CLIPS)
        ]
        for number in range(WARM_UP + MEASURED)
    ]


def image_plans(folder: Path) -> list[Plan]:
    """96 pictures, in each sequence in another order."""
    scene = shades(736, 480)
    refs = []
    for number in range(NUM_FRAMES):
        path = folder / f"{number}.jpg"
        Image.fromarray(scene[:, number : number + 640]).save(path, quality=90)
        refs.append(FrameRef(str(path), 0))
    return [
        list(islice(cycle(refs), number, number + NUM_FRAMES))
        for number in range(WARM_UP + MEASURED)
    ]


def shades(width: int, height: int) -> NDArray[np.uint8]:
    """A picture whose detail falls with its fineness, as in photographs."""
    rng = np.random.default_rng(0)
    picture = np.zeros((height, width, 3))
    for coarseness in (64, 16, 4, 1):
        small = rng.integers(
            0, 256, (-(-height // coarseness) + 1, -(-width // coarseness) + 1, 3)
        ).astype(np.uint8)
        large = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        picture += np.asarray(large) * coarseness**0.7
    picture -= picture.min()
    return (255 * picture / picture.max()).astype(np.uint8)

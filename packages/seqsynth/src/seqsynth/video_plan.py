"""Which frames of a long video are shown: spread evenly, or one at random of each part.

Both are TimeChat's ways of sampling. A video of V frames is cut into n = min(count, V) parts at
i * V // n; `uniform` shows the first frame of each part, `random` any frame of it, decided by the
counter-based generator from (seed, index) alone. TimeChat's own code never draws the last frame of
a part, and of a video of fewer than 2 n frames it draws n at random; `compat="timechat"` does the
same.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from seqsynth.philox import random_words, scale_words

Sampling = Literal["uniform", "random"]
Compat = Literal["", "timechat"]

STREAM_FRAMES = 5  # apart from the streams of sampler.py

Int64Array = NDArray[np.int64]


def check_sampling(sampling: str, compat: str) -> None:
    """Refuses unknown names.

    Raises:
        ValueError: names those there are.
    """
    for kind, name, known in (
        ("sampling", sampling, get_args(Sampling)),
        ("compat", compat, get_args(Compat)),
    ):
        if name not in known:
            raise ValueError(f"{kind} must be one of {', '.join(map(repr, known))}, got {name!r}")


def uniform_frames(num_source_frames: int, count: int) -> Int64Array:
    """The first frame of each of `count` equal parts; every frame where the video has fewer.

    Args:
        num_source_frames: frames of the video, at least 1.
        count: frames wanted, at least 1.

    Returns:
        (min(count, num_source_frames),) int64, rising, each below num_source_frames.

    Example:
        >>> uniform_frames(10, 4)
        array([0, 2, 5, 7])
    """
    return _edges(num_source_frames, count)[:-1]


def random_frames(
    num_source_frames: int, count: int, *, seed: int, index: int, compat: Compat = ""
) -> Int64Array:
    """A random frame of each of `count` equal parts; every frame where the video has fewer.

    Args:
        num_source_frames: frames of the video, at least 1.
        count: frames wanted, at least 1.
        seed: in [0, 2**64).
        index: in [0, 2**63); another index, another draw.
        compat: `timechat` leaves out the last frame of each part, and draws without parts where the
            video has fewer than 2 * count frames.

    Returns:
        (min(count, num_source_frames),) int64, rising, each below num_source_frames.
    """
    edges = _edges(num_source_frames, count)
    widths = np.diff(edges)
    if compat == "timechat":
        if num_source_frames < 2 * count:  # a part of one frame would have none to draw
            shuffled = np.argsort(
                random_words(seed, index, STREAM_FRAMES, num_source_frames), kind="stable"
            )
            return np.sort(shuffled[: len(widths)]).astype(np.int64)
        widths = widths - 1
    words = random_words(seed, index, STREAM_FRAMES, len(widths))
    frames: Int64Array = edges[:-1] + scale_words(words, widths)
    return frames


def _edges(num_source_frames: int, count: int) -> Int64Array:
    for name, value in (("num_source_frames", num_source_frames), ("count", count)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    num_parts = min(count, num_source_frames)
    edges: Int64Array = np.arange(num_parts + 1, dtype=np.int64) * num_source_frames // num_parts
    return edges

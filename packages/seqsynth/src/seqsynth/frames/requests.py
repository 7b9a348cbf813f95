"""What a decoder of videos is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seqsynth.frames.geometry import Fit


@dataclass(frozen=True, slots=True)
class VideoRequest:
    """Some frames of one video.

    Attributes:
        path: the file.
        frame_indices: rising, no two alike, from 0.
    """

    path: str
    frame_indices: tuple[int, ...]


VideoBackend = Callable[[Sequence[VideoRequest], Fit], list[NDArray[np.uint8]]]
"""Returns (number of indices, size, size, 3) uint8 for each request; raises `MediaError`."""

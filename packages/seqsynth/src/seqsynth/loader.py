"""Frames of many plans, decoded ahead by several workers, in order and within a bound of memory.

A sequence is decoded in parts, a video or a few pictures each, so that many workers share even one;
`dali` gets the videos of a sequence together, and each thread has a graph of its own for them.
Threads are the default: PyAV, Pillow and simplejpeg let other threads run while they decode, and
nothing is copied between processes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from seqsynth.frames import BACKENDS, MediaError, load_frames
from seqsynth.frames.dali_graph import MAX_VIDEOS
from seqsynth.frames.geometry import Fit, Geometry
from seqsynth.frames.video_index import is_video
from seqsynth.naming import known_name
from seqsynth.rank_share import ExampleStream
from seqsynth.records import Example, FrameRef
from seqsynth.skipping import SkipLog, read_frames
from seqsynth.worker_process import begin_worker

Workers = Literal["threads", "processes"]

_VIDEOS_PER_PART = {"dali": MAX_VIDEOS}  # one, where a decoder gains nothing from several
_PICTURES_PER_PART = 12  # some milliseconds of work; one alone would cost more to hand over
_PARTS_PER_WORKER = 8  # waiting: no worker ever runs dry, and the first frames come soon

Uint8Array = NDArray[np.uint8]
Key = TypeVar("Key")


class LoaderError(RuntimeError):
    """A worker process that ended in the middle of its work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderSettings:
    """How frames are made ahead.

    Attributes:
        size: edge of the frames, pixels.
        geometry: see `load_frames`.
        backend: decoder of videos, see `load_frames`.
        num_workers: how many decode at a time.
        workers: `threads`, or `processes`, which are started anew and take no part of this one.
        max_bytes: of frames that are decoded or being decoded and were not taken yet; a single
            plan may be larger.
        pinned: give frames in page-locked memory, from which a GPU copies faster; needs torch.
    """

    size: int
    geometry: Geometry = "stretch"
    backend: str = "pyav"
    num_workers: int = 4
    workers: Workers = "threads"
    max_bytes: int = 1 << 30
    pinned: bool = False

    def __post_init__(self) -> None:
        Fit(self.size, self.geometry)  # checks both
        known_name("backend", self.backend, BACKENDS)
        known_name("kind of workers", self.workers, get_args(Workers))
        for name in ("num_workers", "max_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.pinned and not _can_pin():
            raise ValueError("pinned memory needs torch and a CUDA device; leave pinned out")


def prefetch_examples(
    stream: ExampleStream, indices: Iterable[int], settings: LoaderSettings, *, log: SkipLog
) -> Iterator[tuple[Example, Uint8Array]]:
    """Examples with their frames, in the order of the indices, whatever finishes first.

    What cannot be read is replaced as `read_frames` does, so the result is that of reading one
    example after the other. Closing the iterator ends the workers.

    Args:
        stream: a dataset.
        indices: places in the stream; taken no earlier than there is room for their frames.
        settings: how.
        log: counts examples and failures.

    Raises:
        TooManySkippedError: see `read_frames`.
        LoaderError: a worker process was killed.
    """
    examples = ((index, stream[index]) for index in indices)
    plans = ((pair, pair[1].frames) for pair in examples)
    load = partial(
        load_frames, size=settings.size, geometry=settings.geometry, backend=settings.backend
    )
    for (index, example), frames in _ahead(plans, settings):
        if isinstance(frames, MediaError):
            yield read_frames(stream, index, load, log=log, example=example)
        else:
            log.add_read()
            yield example, frames


def prefetch_frames(
    plans: Iterable[Sequence[FrameRef]], settings: LoaderSettings
) -> Iterator[Uint8Array]:
    """The frames of each plan, (F, size, size, 3), in order; see `load_frames`.

    Raises:
        MediaError: when it is the turn of a plan that cannot be read.
        LoaderError: a worker process was killed.
    """
    for _, frames in _ahead(((None, plan) for plan in plans), settings):
        if isinstance(frames, MediaError):
            raise frames
        yield frames


@dataclass(frozen=True, slots=True)
class _Part:
    """Some frames of a plan, decoded together.

    Attributes:
        places: in the plan.
        frames: what comes of them.
    """

    places: list[int]
    frames: Future[Uint8Array | MediaError]


def _ahead(
    plans: Iterable[tuple[Key, Sequence[FrameRef]]], settings: LoaderSettings
) -> Iterator[tuple[Key, Uint8Array | MediaError]]:
    """Keeps workers busy with the plans to come, and gives what they make in order."""
    waiting: deque[tuple[Key, int, list[_Part]]] = deque()
    room, num_parts = settings.max_bytes, 0
    source = iter(plans)
    following = next(source, None)
    pool = _pool(settings)
    try:
        while following is not None or waiting:
            while following is not None:
                key, refs = following
                num_bytes = 3 * settings.size**2 * len(refs)
                is_enough = num_parts >= _PARTS_PER_WORKER * settings.num_workers
                if waiting and (num_bytes > room or is_enough):
                    break
                parts = _submit(pool, refs, settings)
                waiting.append((key, len(refs), parts))
                room -= num_bytes
                num_parts += len(parts)
                following = next(source, None)
            key, num_frames, parts = waiting.popleft()
            yield key, _joined(num_frames, parts, settings)
            room += 3 * settings.size**2 * num_frames
            num_parts -= len(parts)
    except BrokenProcessPool:
        raise LoaderError(
            "a worker process was killed, perhaps because memory ran out: use fewer workers or a "
            "smaller max_bytes, or workers='threads'"
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pool(settings: LoaderSettings) -> Executor:
    if settings.workers == "threads":
        return ThreadPoolExecutor(settings.num_workers, thread_name_prefix="frames")
    # Spawned, not forked: threads of torch or of FFmpeg do not survive a fork.
    return ProcessPoolExecutor(
        settings.num_workers, mp_context=get_context("spawn"), initializer=begin_worker
    )


def _submit(pool: Executor, refs: Sequence[FrameRef], settings: LoaderSettings) -> list[_Part]:
    return [
        _Part(places, pool.submit(_decoded, [refs[place] for place in places], settings))
        for places in _parts(refs, _VIDEOS_PER_PART.get(settings.backend, 1))
    ]


def _parts(refs: Sequence[FrameRef], videos_per_part: int) -> list[list[int]]:
    """Places of a plan that are decoded together: some videos, or some pictures."""
    places_of: dict[str, list[int]] = {}
    for place, ref in enumerate(refs):
        places_of.setdefault(ref.path, []).append(place)
    videos = [places for path, places in places_of.items() if is_video(path)]
    stills = [places for path, places in places_of.items() if not is_video(path)]
    animations = [places for places in stills if len(places) > 1]
    pictures = [place for places in stills if len(places) == 1 for place in places]
    return [
        *([place for places in some for place in places] for some in _cut(videos, videos_per_part)),
        *animations,
        *_cut(pictures, _PICTURES_PER_PART),
    ]


def _cut(things: list[Key], length: int) -> list[list[Key]]:
    """A list in pieces of some length, and the rest."""
    return [things[start : start + length] for start in range(0, len(things), length)]


def _decoded(refs: list[FrameRef], settings: LoaderSettings) -> Uint8Array | MediaError:
    """Runs in a worker. An error of the media is a result: it waits for its turn."""
    try:
        return load_frames(
            refs, settings.size, geometry=settings.geometry, backend=settings.backend
        )
    except MediaError as error:
        return error


def _joined(
    num_frames: int, parts: list[_Part], settings: LoaderSettings
) -> Uint8Array | MediaError:
    results = [part.frames.result() for part in parts]
    frames = _empty((num_frames, settings.size, settings.size, 3), pinned=settings.pinned)
    for part, decoded in zip(parts, results, strict=True):
        if isinstance(decoded, MediaError):
            return decoded
        frames[part.places] = decoded
    return frames


def _empty(shape: tuple[int, ...], *, pinned: bool) -> Uint8Array:
    if not pinned:
        return np.empty(shape, dtype=np.uint8)
    import torch

    frames: Uint8Array = torch.empty(shape, dtype=torch.uint8, pin_memory=True).numpy()
    return frames


def _can_pin() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return bool(torch.cuda.is_available())

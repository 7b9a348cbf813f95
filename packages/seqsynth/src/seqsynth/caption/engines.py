"""Where captions are made: in this process, by one backend or in several threads of one.

`ray_captions` does the same on a Ray cluster. Results come in the order of the requests.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np

from seqsynth.caption.backends import CaptionBackend, NoAnswer, Question
from seqsynth.caption.records import Captioned, Failed, Result
from seqsynth.caption.requests import CaptionRequest
from seqsynth.caption.settings import CaptionSettings
from seqsynth.frames import MediaError, load_frames
from seqsynth.records import FrameRef

_IN_FLIGHT_PER_THREAD = 2  # one is answered, one waits at hand

Batch = Sequence[CaptionRequest]


def batches_of(requests: Iterable[CaptionRequest], size: int) -> Iterator[list[CaptionRequest]]:
    """The requests in groups of at most `size`."""
    remaining = iter(requests)
    while batch := list(islice(remaining, size)):
        yield batch


def caption_batch(
    backend: CaptionBackend, settings: CaptionSettings, root: Path, batch: Batch
) -> list[Result]:
    """Shows the clips of a batch to a model.

    Args:
        backend: answers.
        settings: what is asked, and how frames are shown.
        root: where the paths of the requests begin.
        batch: any number of requests.

    Returns:
        One result for each request, in their order.
    """
    results: dict[int, Result] = {}
    asked: list[tuple[int, str, Question]] = []
    for place, request in enumerate(batch):
        path = str(root / request.path)
        refs = [FrameRef(path, frame_index) for frame_index in request.frame_indices]
        try:
            frames = load_frames(refs, settings.frame_size, geometry=settings.geometry)
        except MediaError as error:
            results[place] = Failed(request, str(error))
            continue
        digest = hashlib.sha256(np.ascontiguousarray(frames).tobytes()).hexdigest()
        text = settings.prompt.about(request.label)
        asked.append((place, digest, Question(text, frames, request.seed)))
    answers = backend.answer([question for _, _, question in asked]) if asked else []
    for (place, digest, _), answer in zip(asked, answers, strict=True):
        request = batch[place]
        if isinstance(answer, NoAnswer):
            results[place] = Failed(request, answer.reason)
        elif not answer.text.strip():
            results[place] = Failed(request, f"empty answer ({answer.finish_reason})")
        else:
            text, reason = answer.text.strip(), answer.finish_reason
            results[place] = Captioned(request, text, reason, digest, backend.revision)
    return [results[place] for place in range(len(batch))]


def local_results(
    backend: CaptionBackend,
    settings: CaptionSettings,
    root: Path,
    batches: Iterable[Batch],
    *,
    num_threads: int,
) -> Generator[Result, None, None]:
    """The results of all batches in order, by one backend in this process.

    Args:
        backend: is closed at the end, however that comes.
        settings: what is asked, and how frames are shown.
        root: where the paths of the requests begin.
        batches: read as results are taken.
        num_threads: batches that are under way at the same time; above 1 for backends that wait
            for somebody else.
    """
    if num_threads == 1:
        try:
            for batch in batches:
                yield from caption_batch(backend, settings, root, batch)
        finally:
            backend.close()
        return
    pool = ThreadPoolExecutor(num_threads)
    pending: deque[Future[list[Result]]] = deque()
    try:
        for batch in batches:
            pending.append(pool.submit(caption_batch, backend, settings, root, batch))
            if len(pending) == num_threads * _IN_FLIGHT_PER_THREAD:
                yield from pending.popleft().result()
        while pending:
            yield from pending.popleft().result()
    finally:
        backend.close()  # first: threads that wait for an answer would be waited for
        pool.shutdown(wait=True, cancel_futures=True)

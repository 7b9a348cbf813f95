"""The answers of a system that looks at nothing: the floor that every score is measured from.

Index grounding: an image at random. Grounding in clip sequences: the span of a random clip of a
random training sequence of as many clips as the benchmark's have, so chance knows how long clips
tend to be. Dense captions: all spans and captions of such a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seqsynth import Corpus, Example, SequenceDataset, SequenceRecipe
from seqsynth.video_tasks import EVENT_TASKS
from vidllm.benchmarks import Query

Events = list[tuple[float, float, str]]

NUM_CLIPS = (2, 10)  # the paper's


def chance_events(
    queries: Sequence[Query],
    corpus: Corpus,
    *,
    seed: int,
    num_clips: tuple[int, int] = NUM_CLIPS,
) -> list[Events]:
    """Events in seconds for each query, drawn from the seed.

    Args:
        queries: what is asked.
        corpus: its training side gives spans and captions.
        seed: another seed, other draws.
        num_clips: fewest and most clips of the benchmark's sequences.

    Raises:
        ValueError: a task that chance has no answer for.
    """
    rng = np.random.default_rng(seed)
    streams: dict[int, SequenceDataset] = {}
    drawn: list[Events] = []
    for query in queries:
        if query.example.task == "iig":
            item = int(rng.integers(query.num_frames))
            drawn.append([(float(item), float(item + 1), "")])
        elif query.example.task in EVENT_TASKS:
            if query.num_frames not in streams:
                streams[query.num_frames] = _clip_stream(corpus, query.num_frames, num_clips, seed)
            stream = streams[query.num_frames]
            other = stream[int(rng.integers(len(stream)))]
            drawn.append(_events_of(other, query, rng))
        else:
            raise ValueError(f"query {query.id}: no chance answer for task {query.example.task!r}")
    return drawn


def _clip_stream(
    corpus: Corpus, num_frames: int, num_clips: tuple[int, int], seed: int
) -> SequenceDataset:
    num_labels = len({clip.label for clip in corpus.train_clips})
    fewest, most = (min(number, num_labels, num_frames // 2) for number in num_clips)
    recipe = SequenceRecipe(
        tasks={"dvc": 1.0}, num_frames=num_frames, min_clips=fewest, max_clips=most
    )
    return SequenceDataset(corpus, recipe, seed)


def _events_of(other: Example, query: Query, rng: np.random.Generator) -> Events:
    duration = query.example.duration_seconds
    events = [(t.start * duration, t.end * duration, t.caption) for t in other.targets[0]]
    if query.example.task == "dvc":
        return events
    start, end, _ = events[int(rng.integers(len(events)))]
    return [(start, end, "")]

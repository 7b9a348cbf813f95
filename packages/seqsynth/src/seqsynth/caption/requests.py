"""Which clips are asked about, and which of their frames are shown."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqsynth.manifest import Manifest, ManifestView
from seqsynth.video_plan import uniform_frames


@dataclass(frozen=True, slots=True)
class CaptionRequest:
    """One clip to caption.

    Attributes:
        id: of the clip, unique in its corpus.
        label: the action, "" where the corpus names none.
        path: of the file, relative to the root of the corpus, with `/`.
        frame_indices: frames that are shown, rising.
        frame_seconds: when each is shown, from the first frame of the clip.
        seed: for the draws of this clip's caption.
    """

    id: str
    label: str
    path: str
    frame_indices: tuple[int, ...]
    frame_seconds: tuple[float, ...]
    seed: int


def requests_of(
    clips: ManifestView[Any], *, num_frames: int, seed: int, done: Container[str] = frozenset()
) -> Iterator[CaptionRequest]:
    """The requests of clips that are not done, in the order of the manifest.

    Args:
        clips: the rows to caption, all of kind clip.
        num_frames: frames to show of each, at least 1.
        seed: decides draws, together with the id.
        done: ids to pass over.

    Raises:
        ValueError: a clip that lies inside a shard.
    """
    manifest = clips.manifest
    columns = ("id", "label", "path", "shard_offset", "num_frames", "duration_seconds")
    for row in clips.rows:
        record = manifest.record(int(row), columns)
        if record["id"] in done:
            continue
        if record["shard_offset"] is not None:
            raise ValueError(
                f"{manifest.path}: clip {record['id']!r} lies inside {record['path']}; "
                "clips have to be files"
            )
        indices = uniform_frames(record["num_frames"], num_frames).tolist()
        yield CaptionRequest(
            id=record["id"],
            label=record["label"],
            path=record["path"],
            frame_indices=tuple(indices),
            frame_seconds=tuple(_seconds(manifest, int(row), record, indices)),
            seed=clip_seed(seed, record["id"]),
        )


def clip_seed(seed: int, clip_id: str) -> int:
    """A seed of its own for each clip, in [0, 2**31): draws depend on nothing else.

    Example:
        >>> clip_seed(0, "a"), clip_seed(0, "a") == clip_seed(1, "a")
        (1392137939, False)
    """
    digest = hashlib.blake2b(f"{seed}\0{clip_id}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little") >> 1


def _seconds(
    manifest: Manifest, row: int, record: dict[str, Any], indices: list[int]
) -> list[float]:
    """By presentation time where it is indexed, else frames are evenly spaced."""
    times = manifest.pts(row)
    if times is None:
        places = np.asarray(indices) / record["num_frames"]
    else:
        starts, end = times
        places = (starts[indices] - starts[0]) / (end - starts[0])
    return [round(float(second), 6) for second in places * record["duration_seconds"]]

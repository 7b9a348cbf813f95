"""Which pictures a sequence shows: images without replacement, clips at varying frame rates.

Plans are drawn from (seed, index) alone; a clip plan comes from the counter-based sampler, in
NumPy or compiled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from seqsynth._native import Planner, make_planner
from seqsynth.clip_table import ClipTable
from seqsynth.records import ClipItem, FrameRef, ImageItem
from seqsynth.sampler import SamplerSpec
from seqsynth.tasks import caption_key

_SHUFFLED_POOL = 4096  # a smaller pool is shuffled as a whole, a larger one drawn from


@dataclass(frozen=True, slots=True)
class ClipSequence:
    """Clips joined to one video.

    Attributes:
        clips: in showing order, labels and captions distinct.
        boundaries: one more than clips; clip k shows frames [boundaries[k], boundaries[k + 1]).
        frames: the frame plan; as many as the last boundary says.
    """

    clips: tuple[ClipItem, ...]
    boundaries: tuple[int, ...]
    frames: tuple[FrameRef, ...]

    @property
    def num_frames(self) -> int:
        """Frames of the whole sequence."""
        return self.boundaries[-1]

    @property
    def duration_seconds(self) -> float:
        """Playing time of what is shown; every clip is shown from end to end."""
        return sum(clip.duration_seconds for clip in self.clips)


def draw_images(
    pool: Sequence[ImageItem], length: int, rng: np.random.Generator
) -> tuple[ImageItem, ...]:
    """Images in random order, none twice, no two captions that read the same.

    Raises:
        ValueError: the pool has fewer distinct captions than `length`.
    """
    drawn: list[ImageItem] = []
    keys: set[str] = set()
    for index in _draw_order(len(pool), length, rng):
        image = pool[index]
        key = caption_key(image.caption)
        if key not in keys:
            keys.add(key)
            drawn.append(image)
            if len(drawn) == length:
                return tuple(drawn)
    raise ValueError(
        f"a sequence of {length} images needs as many distinct captions; "
        f"the {len(pool)} images of the pool have {len(keys)}"
    )


def _draw_order(pool_size: int, length: int, rng: np.random.Generator) -> Iterator[int]:
    """Indices to try; a repeated one is absorbed by the caller's caption check."""
    if pool_size > _SHUFFLED_POOL:
        yield from rng.integers(pool_size, size=4 * length).tolist()
    yield from rng.permutation(pool_size).tolist()


def clip_planner(clips: Sequence[ClipItem], spec: SamplerSpec) -> Planner:
    """A planner whose sequences have distinct labels and distinct captions.

    Raises:
        ValueError: fewer distinct labels than `spec.max_clips`, or a clip without frames or time.
    """
    for clip in clips:
        if clip.num_frames < 1 or round(clip.duration_seconds * 1000) < 1:
            raise ValueError(
                f"clip {clip.id} has {clip.num_frames} frames and {clip.duration_seconds} seconds; "
                "a clip needs at least 1 frame and 0.001 seconds"
            )
    groups = _label_groups(clips)
    num_labels = len(set(groups))
    if num_labels < spec.max_clips:
        raise ValueError(
            f"sequences of up to {spec.max_clips} clips need as many different labels; "
            f"the {len(clips)} clips have {num_labels}"
        )
    table = ClipTable(
        labels=np.array(groups, dtype=np.int64),
        durations_ms=np.array([round(clip.duration_seconds * 1000) for clip in clips]),
        num_source_frames=np.array([clip.num_frames for clip in clips]),
    )
    return make_planner(table, spec)


def plan_clip_sequence(
    clips: Sequence[ClipItem], planner: Planner, *, seed: int, index: int
) -> ClipSequence:
    """The clip sequence number `index` of a seed, drawn by a planner over these clips."""
    plan = planner.plan(seed, index)
    chosen = tuple(clips[row] for row in plan.clip_ids.tolist())
    owners = np.repeat(np.arange(len(chosen)), plan.frame_counts).tolist()
    frames = zip(owners, plan.frame_indices.tolist(), strict=True)
    return ClipSequence(
        clips=chosen,
        boundaries=tuple(plan.boundaries.tolist()),
        frames=tuple(FrameRef(chosen[owner].path, frame_index) for owner, frame_index in frames),
    )


def _label_groups(clips: Sequence[ClipItem]) -> list[int]:
    """A number for each clip; clips with the same label or the same caption share one.

    The sampler keeps labels apart. Two labels under one caption would still make a grounding
    question ambiguous, so the caption joins their groups.
    """
    group_of: dict[tuple[str, str], int] = {}
    parent: list[int] = []

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    groups = []
    for clip in clips:
        keys = (("label", clip.label), ("caption", caption_key(clip.caption)))
        known = [root(group_of[key]) for key in keys if key in group_of]
        if not known:
            known = [len(parent)]
            parent.append(len(parent))
        for other in known:
            parent[other] = known[0]
        for key in keys:
            group_of[key] = known[0]
        groups.append(known[0])
    return [root(group) for group in groups]

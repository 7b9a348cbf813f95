"""Which pictures a sequence shows: images without replacement, clips at varying frame rates.

Plans are drawn from (seed, index) alone; a clip plan comes from the counter-based sampler, in
NumPy or compiled.
"""

import hashlib
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqsynth._native import Planner, make_planner
from seqsynth.clip_table import ClipTable
from seqsynth.records import ClipItem, FrameRef, ImageItem
from seqsynth.sampler import SamplerSpec, SequencePlan, SequencePlanner
from seqsynth.tasks import caption_key
from seqsynth.text_budget import UnfitError

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
        f"the {len(pool)} images of the pool have {len(keys)}: give max_images (and min_images) "
        f"of at most {len(keys)}"
    )


def exchange_images(
    pool: Sequence[ImageItem],
    images: Sequence[ImageItem],
    bad_paths: Collection[str],
    rng: np.random.Generator,
) -> tuple[ImageItem, ...]:
    """The images with others in the places of those that cannot be shown.

    Places are filled in their order by what rng draws next that is not bad and reads like none of
    the images. So the result depends on which files are bad, not on when that was found out.

    Raises:
        UnfitError: the pool has not enough others.
    """
    keys = {caption_key(image.caption) for image in images}
    others = iter(_draw_order(len(pool), len(images), rng))

    def next_other() -> ImageItem:
        for index in others:
            image = pool[index]
            key = caption_key(image.caption)
            if image.path not in bad_paths and key not in keys:
                keys.add(key)
                return image
        raise UnfitError(f"the {len(pool)} images of the pool leave none to exchange")

    return tuple(next_other() if image.path in bad_paths else image for image in images)


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
    labels = _LabelGroups()
    durations_ms, num_source_frames = array("q"), array("q")
    # The clips of a manifest can be read by columns, which is much faster than one by one.
    texts_and_sizes = getattr(clips, "texts_and_sizes", None)
    for clip in clips if texts_and_sizes is None else texts_and_sizes():
        milliseconds = round((clip.duration_seconds or 0) * 1000)
        if not clip.num_frames or clip.num_frames < 1 or milliseconds < 1:
            raise ValueError(
                f"clip {clip.id} has {clip.num_frames} frames and {clip.duration_seconds} seconds; "
                "a clip needs at least 1 frame and 0.001 seconds"
            )
        labels.add(clip.label, caption_key(clip.caption))
        durations_ms.append(milliseconds)
        num_source_frames.append(clip.num_frames)
    groups = labels.groups()
    num_labels = len(np.unique(groups))
    if num_labels < spec.max_clips:
        raise ValueError(
            f"sequences of up to {spec.max_clips} clips need as many different labels; "
            f"the {len(clips)} clips have {num_labels}: give max_clips (and min_clips) of at most "
            f"{num_labels}"
        )
    table = ClipTable(
        labels=groups,
        durations_ms=np.array(durations_ms, dtype=np.int64),
        num_source_frames=np.array(num_source_frames, dtype=np.int64),
    )
    return make_planner(table, spec)


def plan_clip_sequence(
    clips: Sequence[ClipItem],
    planner: Planner,
    *,
    seed: int,
    index: int,
    spec: SamplerSpec | None = None,
) -> ClipSequence:
    """The clip sequence number `index` of a seed, drawn by a planner over these clips.

    Args:
        clips: where they know when each of their frames is shown (`clips.pts`, as the clips of a
            manifest do), the frames on screen at the planned instants are chosen by that.
        planner: made of the same clips.
        seed: in [0, 2**64).
        index: in [0, 2**63).
        spec: what the planner was made with; needed to use presentation times.
    """
    plan = planner.plan(seed, index)
    if spec is not None and hasattr(clips, "pts"):
        plan = _timed_plan(clips, plan, spec, seed=seed, index=index)
    chosen = tuple(clips[row] for row in plan.clip_ids.tolist())
    owners = np.repeat(np.arange(len(chosen)), plan.frame_counts).tolist()
    frames = zip(owners, plan.frame_indices.tolist(), strict=True)
    return ClipSequence(
        clips=chosen,
        boundaries=tuple(plan.boundaries.tolist()),
        frames=tuple(FrameRef(chosen[owner].path, frame_index) for owner, frame_index in frames),
    )


def _timed_plan(
    clips: Any, plan: SequencePlan, spec: SamplerSpec, *, seed: int, index: int
) -> SequencePlan:
    """The same plan with frames by presentation time, read for the chosen clips alone.

    A table of all presentation times of Kinetics would fill a gigabyte; ten clips need a few
    kilobytes, and clips and frame counts of a plan do not depend on them.
    """
    rows = plan.clip_ids.tolist()
    known = [clips.pts(row) for row in rows]
    if all(pts is None for pts in known):
        return plan
    chosen = [clips[row] for row in rows]
    times = [
        (np.arange(clip.num_frames, dtype=np.int64), clip.num_frames) if pts is None else pts
        for clip, pts in zip(chosen, known, strict=True)
    ]
    table = ClipTable(
        labels=np.arange(len(rows)),
        durations_ms=np.array([round(clip.duration_seconds * 1000) for clip in chosen]),
        num_source_frames=np.array([len(starts) for starts, _ in times]),
        pts=np.concatenate([starts for starts, _ in times]),
        pts_ends=np.array([end for _, end in times]),
    )
    timed = SequencePlanner(table, spec).plan_clips(seed, index, range(len(rows)))
    return SequencePlan(plan.clip_ids, timed.frame_counts, timed.frame_indices)


class _LabelGroups:
    """Numbers clips so that those with the same label or the same caption share a number.

    The sampler keeps labels apart. Two labels under one caption would still make a grounding
    question ambiguous, so the caption joins their groups. Texts are kept as 64-bit hashes: half a
    million long captions would not fit otherwise.
    """

    def __init__(self) -> None:
        self._group_of: dict[int, int] = {}
        self._parent = array("q")
        self._groups = array("q")

    def add(self, label: str, caption: str) -> None:
        """Adds the next clip."""
        keys = [_text_hash("label", label), _text_hash("caption", caption)]
        known = [self._root(self._group_of[key]) for key in keys if key in self._group_of]
        if not known:
            known = [len(self._parent)]
            self._parent.append(len(self._parent))
        for other in known:
            self._parent[other] = known[0]
        for key in keys:
            self._group_of[key] = known[0]
        self._groups.append(known[0])

    def groups(self) -> NDArray[np.int64]:
        """The number of each clip, in the order they came."""
        return np.array([self._root(group) for group in self._groups], dtype=np.int64)

    def _root(self, group: int) -> int:
        parent = self._parent
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group


def _text_hash(kind: str, text: str) -> int:
    digest = hashlib.blake2b(f"{kind}\0{text}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")

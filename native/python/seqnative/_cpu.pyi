"""
CPU kernels. The Python code they mirror is their specification.
"""
from __future__ import annotations
import numpy
import numpy.typing
import typing
__all__: list[str] = ['MeteorAligner', 'SequencePlanner', 'pack_normalize']
class SequencePlanner:
    """
    Draws plans of clip sequences; the twin of seqsynth.sampler.
    """
    def __init__(self, labels: numpy.typing.NDArray[numpy.int64], durations_ms: numpy.typing.NDArray[numpy.int64], num_source_frames: numpy.typing.NDArray[numpy.int64], pts: numpy.typing.NDArray[numpy.int64] | None = None, pts_ends: numpy.typing.NDArray[numpy.int64] | None = None, *, num_frames: int, min_clips: int, max_clips: int, min_frames_per_clip: int, min_relative_rate: int, max_relative_rate: int, jitter: bool) -> None:
        ...
    def plan(self, seed: int, index: int) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
        """
        (clip_ids, frame_counts, frame_indices) of one sequence.
        """
    def plan_batch(self, seed: int, indices: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
        """
        (num_clips, clip_ids, frame_counts, frame_indices) of many sequences, without the GIL.
        """
    def plan_clips(self, seed: int, index: int, clip_ids: numpy.typing.NDArray[numpy.int64]) -> tuple[numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64], numpy.typing.NDArray[numpy.int64]]:
        """
        (clip_ids, frame_counts, frame_indices) for clips chosen by the caller.
        """
class MeteorAligner:
    """
    Aligns pairs of captions; the twin of vidmetrics.meteor_align.
    """
    @typing.overload
    def __init__(self) -> None:
        """
        Without paraphrases.
        """
    @typing.overload
    def __init__(self, *, first_words: numpy.typing.NDArray[numpy.uint32], left_starts: numpy.typing.NDArray[numpy.uint32], left_words: numpy.typing.NDArray[numpy.uint16], entry_starts: numpy.typing.NDArray[numpy.uint32], entry_counts: numpy.typing.NDArray[numpy.uint32], right_starts: numpy.typing.NDArray[numpy.uint32], right_lengths: numpy.typing.NDArray[numpy.uint8], right_words: numpy.typing.NDArray[numpy.uint16]) -> None:
        """
        With the paraphrase table, which it keeps alive.
        """
    def statistics(self, *, starts: numpy.typing.NDArray[numpy.int64], words: numpy.typing.NDArray[numpy.int32], stems: numpy.typing.NDArray[numpy.int32], table_words: numpy.typing.NDArray[numpy.int32], is_function: numpy.typing.NDArray[numpy.uint8], synset_starts: numpy.typing.NDArray[numpy.int64], synsets: numpy.typing.NDArray[numpy.int32], hypotheses: numpy.typing.NDArray[numpy.int64], references: numpy.typing.NDArray[numpy.int64]) -> numpy.typing.NDArray[numpy.int64]:
        """
        (pairs, 23) METEOR statistics of pairs of sentence numbers, without the GIL.
        """
def pack_normalize(clips: list[numpy.ndarray], table: numpy.ndarray, out: numpy.ndarray, num_threads: int = 1) -> None:
    """
    Writes frames into a normalised batch, by table, without the GIL; the twin of seqsynth.frame_packing.
    """

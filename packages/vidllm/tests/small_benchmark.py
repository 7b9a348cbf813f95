"""Questions that a trial model answers in a second or two."""

from seqsynth import BenchmarkSpec

SMALL_BENCHMARK = BenchmarkSpec(
    image_lengths=(8,),
    num_image_sequences=1,
    queries_per_sequence=2,
    num_clip_sequences=1,
    max_clips=4,
    num_frames=12,
)

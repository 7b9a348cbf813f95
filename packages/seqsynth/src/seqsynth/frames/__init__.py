"""Pixels of a frame plan: one interface, several decoders, one geometry.

`geometry` defines where a picture lands in a frame; `pictures` decodes stills and animations;
`video_index` and `h264` read what the packets of a video are, `pyav_videos` decodes those needed;
`loading` puts all together. `times` finds frames by time. Other decoders are `torchcodec_videos`
and `dali_videos`, whose graph is in `dali_graph`; `dali_routing` says which videos it gets.
"""

from seqsynth.frames.dali_routing import routed_videos
from seqsynth.frames.errors import MediaError
from seqsynth.frames.geometry import Geometry
from seqsynth.frames.loading import (
    BACKENDS,
    PIXELS_VERSION,
    load_batch,
    load_frames,
    load_picture,
)
from seqsynth.frames.times import frame_times, frames_at

__all__ = [
    "BACKENDS",
    "PIXELS_VERSION",
    "Geometry",
    "MediaError",
    "frame_times",
    "frames_at",
    "load_batch",
    "load_frames",
    "load_picture",
    "routed_videos",
]

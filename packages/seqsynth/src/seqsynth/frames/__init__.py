"""Pixels of a frame plan: one interface, several decoders, one geometry.

`geometry` defines where a picture lands in a frame; `pictures` decodes stills and animations;
`video_index` and `h264` read what the packets of a video are, `pyav_videos` decodes those needed;
`loading` puts all together. `times` finds frames by time. `torchcodec_videos` is another decoder.
"""

from seqsynth.frames.errors import MediaError
from seqsynth.frames.geometry import Geometry
from seqsynth.frames.loading import BACKENDS, load_frames, load_picture
from seqsynth.frames.times import frame_times, frames_at

__all__ = [
    "BACKENDS",
    "Geometry",
    "MediaError",
    "frame_times",
    "frames_at",
    "load_frames",
    "load_picture",
]

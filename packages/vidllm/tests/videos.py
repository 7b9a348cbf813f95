"""Videos of a few grey pixels."""

from pathlib import Path

import av
import numpy as np

SIDE = 32


def write_video(
    path: Path, num_frames: int, *, rate: int = 6, gop: int = 12, container: str | None = None
) -> Path:
    """Writes frames that get lighter and dark again; none gives a header with no picture."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = SIDE, SIDE, "yuv420p", gop
        if not num_frames:
            file.start_encoding()
            return path
        for number in range(num_frames):
            picture = np.full((SIDE, SIDE, 3), 7 * number % 256, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def write_sound(path: Path) -> Path:
    """Writes a second of silence, and no picture."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        for number in range(16):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 16000, 1024 * number
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path

"""Reads number of frames and playing time of an animated WebP from its chunk headers.

Opening each file with a decoder to learn this would decode every frame: half a minute for the
clips of the default, against milliseconds. Container: RFC 9649, sections 2.3 and 2.7.
"""

import struct
from pathlib import Path

_CHUNK_HEADER_BYTES = 8
_ANMF_DURATION_OFFSET = 12  # after frame x, y, width - 1, height - 1, three bytes each


def webp_timing(path: str | Path) -> tuple[int, float]:
    """Returns (num_frames, duration_seconds); (1, 0.0) for a still.

    Raises:
        ValueError: not a WebP file, or cut short (names the file).
    """
    num_frames = milliseconds = 0
    with Path(path).open("rb") as handle:
        header = handle.read(12)
        if len(header) < 12 or header[:4] != b"RIFF" or header[8:] != b"WEBP":
            raise ValueError(f"{path} is not a WebP file")
        end = 8 + struct.unpack("<I", header[4:8])[0]
        if Path(path).stat().st_size < end:
            raise ValueError(f"{path} is cut short: its header promises {end} bytes")
        position = len(header)
        while position + _CHUNK_HEADER_BYTES <= end:
            handle.seek(position)
            name, size = struct.unpack("<4sI", handle.read(_CHUNK_HEADER_BYTES))
            if name == b"ANMF":
                handle.seek(_ANMF_DURATION_OFFSET, 1)
                milliseconds += int.from_bytes(handle.read(3), "little")
                num_frames += 1
            position += _CHUNK_HEADER_BYTES + size + size % 2
    return (num_frames, milliseconds / 1000) if num_frames else (1, 0.0)

"""Corpora made up on the spot, in the forms in which people have them on disk."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from seqsynth.sources import BadRow, Entry, SourceRow, source_rows


def _write_video(path: Path, *, num_frames: int = 10, fps: int = 10, codec: str = "mpeg4") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path.absolute()), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(fps), width=32, height=32)
        stream.pix_fmt = "yuv420p"
        for number in range(num_frames):
            picture = np.full((32, 32, 3), 20 * number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Writes a video of plain frames; one second unless told otherwise."""
    return _write_video


@pytest.fixture
def write_picture() -> Callable[..., Path]:
    """Writes a small picture of one colour."""

    def write(path: Path, colour: str = "red") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), colour).save(path)
        return path

    return write


@pytest.fixture
def write_json() -> Callable[..., Path]:
    """Writes a JSON document, or JSON lines to a file that ends in .jsonl."""

    def write(path: Path, value: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            path.write_text("".join(json.dumps(record) + "\n" for record in value), "utf-8")
        else:
            path.write_text(json.dumps(value), "utf-8")
        return path

    return write


@pytest.fixture
def listed() -> Callable[..., list[Entry]]:
    """Everything that a source lists."""

    def read(name: str, root: Path, *annotations: Path) -> list[Entry]:
        return list(source_rows(name, root, annotations))

    return read


@pytest.fixture
def good(listed: Callable[..., list[Entry]]) -> Callable[..., list[SourceRow]]:
    """The rows of a source all of whose rows are good."""

    def read(name: str, root: Path, *annotations: Path) -> list[SourceRow]:
        entries = listed(name, root, *annotations)
        assert [entry for entry in entries if isinstance(entry, BadRow)] == []
        return [entry for entry in entries if isinstance(entry, SourceRow)]

    return read


@pytest.fixture
def faults(listed: Callable[..., list[Entry]]) -> Callable[..., dict[str, str]]:
    """For the bad rows of a source, the reason by origin."""

    def read(name: str, root: Path, *annotations: Path) -> dict[str, str]:
        bad = [entry for entry in listed(name, root, *annotations) if isinstance(entry, BadRow)]
        reasons = {entry.origin: entry.reason for entry in bad}
        assert len(reasons) == len(bad)
        return reasons

    return read

"""Examples with their pictures in tar files: the layout of webdataset, read by any of its readers.

An example is a run of members with one key: `KEY.json`, the line of examples.jsonl, then
`KEY.000.jpg`, `KEY.001.jpg`, ..., its frames in showing order. The same examples give the same
bytes.
"""

import io
import tarfile
from collections.abc import Iterator, Sized
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.example_files import is_out_of_reach
from seqsynth.records import Example

JPEG_QUALITY = 90


class FrameTarWriter:
    """Writes examples and pictures to a tar file.

    Args:
        path: the file; it is written in place, so give a temporary name.
        media_root: see `Example.to_json`.
        quality: of the JPEG pictures, 1 to 95.

    Attributes:
        offsets: the first byte of each example in the file, and the one behind the last.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        media_root: str | Path | None = None,
        quality: int = JPEG_QUALITY,
    ) -> None:
        self._tar = tarfile.open(path, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 see exit
        self._media_root = media_root
        self._quality = quality
        self.offsets = [0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tar.close()

    def add(self, key: str, example: Example, frames: NDArray[np.uint8]) -> None:
        """Adds one example.

        Args:
            key: unique in the file; dots and slashes are replaced, because they end a key.
            example: what the frames belong to.
            frames: (len(example.frames), height, width, 3) uint8.
        """
        check_whole(example, frames)
        key = key.replace(".", "_").replace("/", "_")
        self._add_member(f"{key}.json", example.to_json(self._media_root).encode())
        digits = max(3, len(str(len(frames) - 1)))
        for number, frame in enumerate(frames):
            content = jpeg_of(frame, self._quality)
            self._add_member(f"{key}.{number:0{digits}d}.jpg", content)
        self.offsets.append(self._tar.offset)

    def _add_member(self, name: str, content: bytes) -> None:
        member = tarfile.TarInfo(name)  # time 0, owner 0: the same bytes every time
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))


def check_whole(example: Example, pictures: Sized) -> None:
    """Refuses other than a picture for each frame.

    Raises:
        ValueError: names the example.
    """
    if len(pictures) != len(example.frames):
        raise ValueError(
            f"{example.id} plans {len(example.frames)} frames, got {len(pictures)} pictures"
        )


def jpeg_of(frame: NDArray[np.uint8], quality: int) -> bytes:
    """A frame as the bytes of a JPEG file."""
    content = io.BytesIO()
    Image.fromarray(frame).save(content, "JPEG", quality=quality)
    return content.getvalue()


def pixels_of(file: IO[bytes]) -> NDArray[np.uint8]:
    """A picture as (height, width, 3) uint8.

    Raises:
        ValueError: it cannot be decoded.
    """
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # a damaged file may raise anything; to say so is the purpose
        raise ValueError(f"a picture cannot be decoded ({type(error).__name__})") from None


def read_frame_tar(
    path: str | Path, *, media_root: str | Path | None = None
) -> Iterator[tuple[Example, NDArray[np.uint8]]]:
    """The examples of a tar file with their pictures, (F, height, width, 3) uint8.

    Raises:
        ValueError: names the file and the member that is out of place, or the example whose
            pictures are not all there.
    """
    example: Example | None = None
    key = ""
    frames: list[NDArray[np.uint8]] = []
    try:
        num_bytes = Path(path).stat().st_size
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stem, _, ending = member.name.partition(".")
                file = tar.extractfile(member) if member.isfile() else None
                if file is None:
                    raise ValueError(f"{member.name} is no file")
                if member.offset_data + member.size > num_bytes:  # room for it would be made first
                    raise ValueError(f"it ends inside {member.name}")
                if ending == "json":
                    if example is not None:
                        yield _whole(example, frames)
                    example = Example.from_json(file.read().decode(), media_root)
                    key, frames = stem, []
                elif stem == key and ending.endswith(".jpg") and int(ending[:-4]) == len(frames):
                    frames.append(pixels_of(file))
                else:
                    raise ValueError(f"{member.name} is out of place after {key}")
        if example is not None:
            yield _whole(example, frames)
    except (tarfile.TarError, ValueError, OSError) as error:
        if is_out_of_reach(error):
            raise
        raise ValueError(f"{path} is no tar file of examples: {error}") from None


def _whole(example: Example, frames: list[NDArray[np.uint8]]) -> tuple[Example, NDArray[np.uint8]]:
    if len(frames) != len(example.frames):
        raise ValueError(f"{example.id} has {len(frames)} pictures of {len(example.frames)} frames")
    return example, np.stack(frames)

"""Where something is built that takes its name when it is whole."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from seqsynth.one_writer import is_running
from vidllm.checkpoint import is_short_of_room

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

# Processes of other machines cannot be seen, nor any on Windows; none writes for so long and leaves
# no trace of it.
_FORGOTTEN_SECONDS = 24 * 3600.0


def scratch_of(path: Path) -> Path:
    """A name beside `path` that is this process's own, on a disk that machines share too.

    What processes of this machine that were killed had begun there is removed, and what those of
    others have not touched for a day: nobody will go on with it. So is what has our own name: in a
    container that is started again processes have the numbers of those that were killed.
    """
    own = path.with_name(f".{own_mark()}-{path.name}")
    for left in path.parent.glob(f".*-*-{glob.escape(path.name)}"):
        if left == own or is_forgotten(left, left.name[1:].removesuffix(f"-{path.name}")):
            remove(left)
    return own


def own_mark() -> str:
    """What this process calls what is its own alone: `HOST-PID`."""
    return f"{socket.gethostname()}-{os.getpid()}"


def is_forgotten(left: Path, mark: str) -> bool:
    """Whether nobody will go on with what a process with this mark had begun."""
    host, _, number = mark.rpartition("-")
    if not number.isdecimal():
        return False
    if host == socket.gethostname() and os.name != "nt":
        return not is_running(int(number))
    try:
        return time.time() - left.lstat().st_mtime > _FORGOTTEN_SECONDS
    except OSError:  # gone meanwhile
        return False


@contextlib.contextmanager
def built(path: Path) -> Iterator[Path]:
    """Gives the place to build a file or folder in; it is renamed when the block ends well.

    Raises:
        OSError: the disk is full; names the path. Nothing is left of what was built.
    """
    scratch = scratch_of(path)
    try:
        yield scratch
        scratch.replace(path)
    except BaseException as error:
        remove(scratch)
        if not is_short_of_room(error):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        if isinstance(error, RuntimeError):  # what PyTorch says is about itself
            reason = "the file ended before all was written"
        free = shutil.disk_usage(path.parent).free / 2**20
        raise OSError(
            f"{path} cannot be written ({reason}; {free:.0f} MiB free): make room, then try again"
        ) from error


def keep_tensors(
    tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors that could be computed again; where they cannot be kept, it warns."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    scratch = scratch_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in tensors.items()}, scratch, metadata)
        scratch.replace(path)
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be written (%s): the next start computes again", path, error)
        remove(scratch)


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there and can be removed."""
    with contextlib.suppress(OSError):
        path.unlink()
        return
    shutil.rmtree(path, ignore_errors=True)

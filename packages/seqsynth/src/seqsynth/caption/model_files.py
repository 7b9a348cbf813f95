"""What is shared by those who load models: the libraries, and what names a model in a folder."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from seqsynth.caption.backends import BackendError

_CHUNK = 1 << 22
_MAX_LENGTH = 300


def hub_libraries() -> tuple[Any, Any]:
    """The libraries torch and transformers.

    Raises:
        BackendError: one of them is not installed.
    """
    try:
        import torch
        import transformers
    except ImportError as error:
        name = error.name or "transformers"
        raise BackendError(
            f'{name} is not installed: pip install "seq2time-seqsynth[caption]"'
        ) from error
    if not sys.stderr.isatty():  # its bars are lines of noise in a log
        logging: Any = transformers.utils.logging
        logging.disable_progress_bar()
    return torch, transformers


def folder_revision(model: str) -> str | None:
    """A hash of the files of a model in a folder; None where it is no folder.

    Raises:
        BackendError: it looks like a folder and is not there, so that no hub is asked for it.
    """
    folder = Path(model)
    if not folder.is_dir():
        if folder.is_absolute() or model.startswith((".", "~")):
            raise BackendError(f"{model} is no folder; --model takes a folder or a name on the hub")
        return None
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as handle:
                while chunk := handle.read(_CHUNK):
                    digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def one_line(error: BaseException) -> str:
    """What an error says, on one line of bearable length."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}..."

"""Files of tensors, opened without reading the tensors: safetensors, folders of shards, `.pth`.

A pickle can run any code when it is read, so `.pth` files are opened as weights alone. Their
tensors are mapped into memory where the file allows it; files of before PyTorch 1.6 do not.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vidllm.timechat.weights import shards_of

INDEX_NAMES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
SINGLE_NAMES = ("model.safetensors", "pytorch_model.bin")
WRAPPERS = ("model", "state_dict", "module")
"""Under which names training scripts put the weights beside optimizer and settings."""
_LFS_START = b"version https://git-lfs"
_TORCH_STARTS = (b"PK", b"\x80")  # an archive of torch.save, or a pickle of before PyTorch 1.6


@dataclass(frozen=True)
class Source:
    """Named tensors that are read one at a time.

    Attributes:
        path: the file or folder.
        shapes: of every tensor.
        read: the tensor of a name, in its own type.
        streams: False where opening the file has read all of it.
    """

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    read: Callable[[str], Tensor]
    streams: bool = True


def open_source(path: str | Path) -> Source:
    """A checkpoint file, or a folder of one or of several with an index.

    Raises:
        FileNotFoundError: nothing there, or a folder without weights.
        ValueError: not a file of tensors, or one that holds other Python objects.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    with path.open("rb") as handle:
        start = handle.read(len(_LFS_START))
    if start == _LFS_START:
        raise ValueError(
            f"{path} is the pointer that Git LFS leaves in place of a large file: fetch the "
            "file itself with git lfs pull"
        )
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if not start.startswith(_TORCH_STARTS):
        raise ValueError(
            f"{path} is not a PyTorch checkpoint, but begins with {start[:8]!r}: fetch it again"
        )
    return _pickled(path)


def _folder(path: Path) -> Source:
    for name in INDEX_NAMES:
        if (path / name).exists():
            return _joined(path, [path / shard for shard in shards_of(path / name)])
    for name in SINGLE_NAMES:
        if (path / name).exists():
            return open_source(path / name)
    wanted = ", ".join((*INDEX_NAMES, *SINGLE_NAMES))
    raise FileNotFoundError(f"{path} has no weights: none of {wanted}")


def _joined(path: Path, files: list[Path]) -> Source:
    """Several files as one; each is opened when it is read, and closed for the next one."""
    shapes: dict[str, tuple[int, ...]] = {}
    file_of: dict[str, Path] = {}
    streams = True
    for file in files:
        part = open_source(file)
        streams &= part.streams
        shapes.update(part.shapes)
        file_of.update(dict.fromkeys(part.shapes, file))
    opened: dict[Path, Source] = {}

    def read(name: str) -> Tensor:
        file = file_of[name]
        if file not in opened:
            opened.clear()
            opened[file] = open_source(file)
        return opened[file].read(name)

    return Source(path, shapes, read, streams)


def _safetensors(path: Path) -> Source:
    from safetensors import SafetensorError, safe_open

    opened: Any = safe_open
    try:
        handle = opened(path, framework="pt").__enter__()
        shapes = {name: tuple(handle.get_slice(name).get_shape()) for name in handle.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from None
    return Source(path, shapes, handle.get_tensor)


def _pickled(path: Path) -> Source:
    def load(*, mapped: bool) -> Any:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)

    streams = True
    try:
        try:
            content = load(mapped=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            content, streams = load(mapped=False), False
    except pickle.UnpicklingError as error:
        first = str(error).splitlines()[0]
        raise ValueError(
            f"{path} holds Python objects besides tensors, which could run any code and are not "
            f"read ({first}): ask its author for the weights alone, as safetensors"
        ) from None
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{path} is not a PyTorch checkpoint: {error}") from None
    tensors = _weights_of(path, content)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return Source(path, shapes, tensors.__getitem__, streams)


def _weights_of(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors of a loaded file, whatever stands beside them."""
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise ValueError(f"{path} holds a {type(content).__name__}, not named tensors")
    found = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not found:
        raise ValueError(f"{path} holds no tensors")
    return found

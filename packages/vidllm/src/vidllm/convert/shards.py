"""Writing many tensors while holding a few: safetensors shards with an index."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from vidllm.timechat.weights import INDEX_NAME

GIB = 2**30


def write_shards(
    tensors: Iterable[tuple[str, Tensor]], folder: str | Path, *, max_shard_bytes: int
) -> int:
    """Writes tensors in the layout of transformers; at most one shard is held at a time.

    Args:
        tensors: names and values, read as they come.
        folder: exists and is empty.
        max_shard_bytes: of one file; a larger tensor has a file of its own.

    Returns:
        Bytes of all tensors.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    held: dict[str, Tensor] = {}
    held_bytes = total_bytes = 0
    names: list[list[str]] = []

    def write() -> None:
        nonlocal held_bytes
        if not held:
            return
        names.append(list(held))
        save_file(held, folder / f"{len(names)}.partial", metadata={"format": "pt"})
        held.clear()
        held_bytes = 0

    for name, tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if held_bytes + size > max_shard_bytes:
            write()
        held[name] = tensor.detach().clone().contiguous()  # of a mapped file: into memory
        held_bytes += size
        total_bytes += size
    write()
    weight_map = {}
    for number, listed in enumerate(names, start=1):
        shard = f"model-{number:05}-of-{len(names):05}.safetensors"
        (folder / f"{number}.partial").rename(folder / shard)
        weight_map.update(dict.fromkeys(listed, shard))
    index = {"metadata": {"total_size": total_bytes}, "weight_map": weight_map}
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=2) + "\n", "utf-8")
    return total_bytes

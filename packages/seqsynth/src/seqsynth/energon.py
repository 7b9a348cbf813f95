"""What Megatron-Energon wants beside tar files, so that it opens a build without preparing it.

An index of each tar (`NAME.tar.idx`: where each example begins and the last one ends, eight bytes
each, little-endian) and a folder `.nv-meta` that says which tars there are, how many examples each
has, and that examples come as they lie in the tar (a crude dataset). Only joins of datasets and
access by key need more; `energon prepare` adds that.
"""

import struct
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seqsynth.example_files import write_json

ENERGON_NAME = ".nv-meta"


def tar_index_path(tar_path: Path) -> Path:
    """Where the index of a tar lies."""
    return tar_path.with_name(f"{tar_path.name}.idx")


def write_tar_index(offsets: Sequence[int], path: Path) -> None:
    """Writes the index of a tar.

    Args:
        offsets: first byte of each example in the tar, and the one behind the last.
        path: of the index.
    """
    # A worker of a killed build may still write the same shard: never into the same file.
    partial_path = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    partial_path.write_bytes(struct.pack(f"<{len(offsets)}Q", *offsets))
    partial_path.replace(path)


def write_energon_meta(num_examples: Mapping[str, int], folder: Path) -> None:
    """Writes `.nv-meta` for the tars of a folder.

    Args:
        num_examples: of each tar, by its name; all are for training.
        folder: where they lie.
    """
    files: dict[str, Any] = {
        ".info.json": {"shard_counts": dict(num_examples)},
        # Energon asks for both other splits by name, too.
        "split.yaml": {"split_parts": {"train": list(num_examples), "val": [], "test": []}},
        "dataset.yaml": {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"},
    }
    for name, content in files.items():
        write_json(content, folder / ENERGON_NAME / name)  # JSON is YAML, too

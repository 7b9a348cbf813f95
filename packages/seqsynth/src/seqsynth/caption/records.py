"""What becomes of a request: a caption with all that it rests on, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from seqsynth.caption.requests import CaptionRequest
from seqsynth.caption.settings import CaptionSettings

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("backend", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("revision", pa.string(), nullable=False),
        pa.field("prompt", pa.string(), nullable=False),
        pa.field("prompt_sha256", pa.string(), nullable=False),
        pa.field("path", pa.string(), nullable=False),
        pa.field("frame_indices", pa.list_(pa.int64()), nullable=False),
        pa.field("frame_seconds", pa.list_(pa.float64()), nullable=False),
        pa.field("frames_sha256", pa.string(), nullable=False),
        pa.field("frame_size", pa.int64(), nullable=False),
        pa.field("geometry", pa.string(), nullable=False),
        pa.field("max_new_tokens", pa.int64(), nullable=False),
        pa.field("temperature", pa.float64(), nullable=False),
        pa.field("top_p", pa.float64(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
    ]
)
"""Columns of a shard of captions; docs/formats.md describes them."""


@dataclass(frozen=True, slots=True)
class Captioned:
    """A clip with its caption.

    Attributes:
        request: what was asked.
        caption: what was answered, without blanks around it.
        finish_reason: "stop", or why the answer ends early ("length": at the limit of tokens).
        frames_sha256: hash of the pixels that were shown.
        revision: of the model that answered, "" where the backend cannot tell.
    """

    request: CaptionRequest
    caption: str
    finish_reason: str
    frames_sha256: str
    revision: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A clip without a caption: its file cannot be read, or it got no answer."""

    request: CaptionRequest
    reason: str


Result = Captioned | Failed


def table_of(captioned: Sequence[Captioned], settings: CaptionSettings) -> pa.Table:
    """The rows of a shard."""
    rows = [_row(one, settings) for one in captioned]
    return pa.Table.from_pylist(rows, SCHEMA)


def _row(one: Captioned, settings: CaptionSettings) -> dict[str, Any]:
    request, generation = one.request, settings.generation
    return {
        "id": request.id,
        "label": request.label,
        "caption": one.caption,
        "finish_reason": one.finish_reason,
        "backend": settings.backend,
        "model": settings.model,
        "revision": one.revision,
        "prompt": settings.prompt.name,
        "prompt_sha256": settings.prompt.sha256,
        "path": request.path,
        "frame_indices": request.frame_indices,
        "frame_seconds": request.frame_seconds,
        "frames_sha256": one.frames_sha256,
        "frame_size": settings.frame_size,
        "geometry": settings.geometry,
        "max_new_tokens": generation.max_new_tokens,
        "temperature": generation.temperature,
        "top_p": generation.top_p,
        "seed": request.seed,
    }

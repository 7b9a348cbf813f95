"""The items that examples are drawn from, divided into training and held-out ones."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from seqsynth.records import ClipItem, ImageItem

Split = Literal["train", "heldout"]


@dataclass(frozen=True)
class Corpus:
    """Captioned pictures and clips. What is held out shares no concept with what is not.

    Attributes:
        train_images, heldout_images: stills.
        train_clips, heldout_clips: clips; empty where a source has none.
        root: paths of the items lie below this folder.
    """

    train_images: Sequence[ImageItem]
    heldout_images: Sequence[ImageItem]
    train_clips: Sequence[ClipItem]
    heldout_clips: Sequence[ClipItem]
    root: str

    def images(self, split: Split) -> Sequence[ImageItem]:
        """Stills of one side of the split."""
        return self.train_images if split == "train" else self.heldout_images

    def clips(self, split: Split) -> Sequence[ClipItem]:
        """Clips of one side of the split."""
        return self.train_clips if split == "train" else self.heldout_clips

    @cached_property
    def content_hash(self) -> str:
        """Hex sha256 of all that an example depends on; paths of this machine are left out."""
        digest = hashlib.sha256()
        for images in (self.train_images, self.heldout_images):
            digest.update(b"images\n")
            for image in images:
                digest.update(_line(image.id, image.caption, image.label))
        for clips in (self.train_clips, self.heldout_clips):
            digest.update(b"clips\n")
            for clip in clips:
                size = (clip.num_frames, clip.duration_seconds)
                digest.update(_line(clip.id, clip.caption, clip.label, *size))
        return digest.hexdigest()


def _line(*fields: str | float) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"

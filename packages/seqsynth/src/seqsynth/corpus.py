"""The items that examples are drawn from, divided into training and held-out ones."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import cached_property
from typing import Literal

from seqsynth.records import AnnotatedVideo, ClipItem, ImageItem

Split = Literal["train", "heldout"]


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Captioned pictures and clips. What is held out shares no concept with what is not.

    Attributes:
        train_images, heldout_images: stills.
        train_clips, heldout_clips: clips; empty where a source has none.
        root: paths of the items lie below this folder.
        videos: annotated long videos by the name of their source; they are all for training.
        known_hash: the content hash where it is written down already, as in a manifest; empty to
            compute it from the items.
    """

    train_images: Sequence[ImageItem]
    heldout_images: Sequence[ImageItem]
    train_clips: Sequence[ClipItem]
    heldout_clips: Sequence[ClipItem]
    root: str
    videos: Mapping[str, Sequence[AnnotatedVideo]] = field(default_factory=dict)
    known_hash: str = ""

    def images(self, split: Split) -> Sequence[ImageItem]:
        """Stills of one side of the split."""
        return self.train_images if split == "train" else self.heldout_images

    def clips(self, split: Split) -> Sequence[ClipItem]:
        """Clips of one side of the split."""
        return self.train_clips if split == "train" else self.heldout_clips

    @cached_property
    def content_hash(self) -> str:
        """Hex sha256 of all that an example depends on; paths of this machine are left out."""
        if self.known_hash:
            return self.known_hash
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
        for source in sorted(self.videos):
            digest.update(f"videos {source}\n".encode())
            for video in self.videos[source]:
                digest.update(_line(*astuple(replace(video, path=""))))
        return digest.hexdigest()


def _line(*fields: object) -> bytes:
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"

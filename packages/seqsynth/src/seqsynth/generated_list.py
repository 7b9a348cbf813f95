"""The list of AI-generated clips: captions of our own, labels, and scene groups held out whole."""

import functools
import tomllib
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class GeneratedClip:
    """One listed clip.

    Attributes:
        file: its name in the package.
        part: folder of the package in the cache.
        scene: clips of one scene or subject stand on one side of the split.
        label: clips of one label would be hard to tell apart.
        caption: what is visible.
        sha256: of the file.
    """

    file: str
    part: str
    scene: str
    label: str
    caption: str
    sha256: str


@dataclass(frozen=True, slots=True)
class GeneratedList:
    """All listed clips, and the scenes that are held out."""

    clips: tuple[GeneratedClip, ...]
    heldout_scenes: frozenset[str]


@functools.cache
def generated_list() -> GeneratedList:
    """What `generated_clips.toml` says."""
    text = resources.files("seqsynth").joinpath("generated_clips.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return GeneratedList(
        clips=tuple(GeneratedClip(**clip) for clip in table["clips"]),
        heldout_scenes=frozenset(table["heldout_scenes"]),
    )

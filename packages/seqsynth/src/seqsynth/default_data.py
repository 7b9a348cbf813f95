"""The embedded default as items: named 3D pictures, animated clips, and the two models' files.

Names are Unicode CLDR short names ("woman running", "shaved ice"). The split into training and
held-out concepts depends on the list of names and of clips alone, not on which parts were
fetched, so a machine without npm measures itself on the same concepts.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seqsynth.concept_split import ConceptSplit, split_concepts
from seqsynth.corpus import Corpus
from seqsynth.default_packages import (
    CLIPS,
    EYE,
    LLM,
    NAMES,
    STILLS_3D,
    STILLS_FLAT,
    Package,
    clip_stems,
    is_wanted_still,
)
from seqsynth.fetch import default_dir, fetched_files
from seqsynth.records import ClipItem, ImageItem
from seqsynth.webp_timing import webp_timing

StillStyle = Literal["fluent-3d", "twemoji"]

NUM_HELDOUT_CLIPS = 70
NUM_HELDOUT_CONCEPTS = 280

_PACKAGE_OF_STYLE: dict[StillStyle, Package] = {"fluent-3d": STILLS_3D, "twemoji": STILLS_FLAT}
_VARIATION_SELECTOR = "\ufe0f"


@dataclass(frozen=True, slots=True)
class DefaultModels:
    """Files of the default's pretrained parts.

    Attributes:
        eye_path: PyTorch state dict of EfficientNet-Lite0 (1280 features, 1000 classes).
        llm_path: GGUF file of SmolLM2-135M-Instruct, quantized as Q4_1.
    """

    eye_path: Path
    llm_path: Path


def default_models(cache_dir: str | Path | None = None) -> DefaultModels:
    """Paths of the pretrained parts.

    Raises:
        FileNotFoundError: not fetched yet, or damaged (says what to run).
    """
    return DefaultModels(
        eye_path=_only_file(EYE, cache_dir, ".pth"), llm_path=_only_file(LLM, cache_dir, ".gguf")
    )


def default_corpus(
    cache_dir: str | Path | None = None, *, styles: Sequence[StillStyle] | None = None
) -> Corpus:
    """The fetched pictures and clips, split by concept.

    Args:
        cache_dir: default `default_cache_dir()`.
        styles: which drawings of the stills; default the 3D ones, else the flat ones where npm
            could not be had. With both, two stills may have one caption; tasks never put such
            a pair into one sequence.

    Raises:
        FileNotFoundError: not fetched yet, or damaged (says what to run).
    """
    split = _default_split(_part_dir(NAMES, cache_dir) / _part_files(NAMES, cache_dir)[0])
    chosen = _default_styles(cache_dir) if styles is None else tuple(styles)
    images = [image for style in chosen for image in _stills(style, cache_dir)]
    clips = _clips(cache_dir) if _part_dir(CLIPS, cache_dir).is_dir() else []
    return Corpus(
        train_images=tuple(image for image in images if image.label in split.train),
        heldout_images=tuple(image for image in images if image.label in split.heldout),
        train_clips=tuple(clip for clip in clips if clip.label in split.train),
        heldout_clips=tuple(clip for clip in clips if clip.label in split.heldout),
        root=str(default_dir(cache_dir)),
    )


def concept_name(stem: str, names: dict[str, str]) -> str | None:
    """Name of a picture whose file name is its code points, None where it has none.

    Example:
        >>> concept_name("1f427", {"\U0001f427": ":penguin:"})
        'penguin'
    """
    text = "".join(chr(int(point, 16)) for point in stem.split("-"))
    plain = text.replace(_VARIATION_SELECTOR, "")
    for form in (text, plain, plain + _VARIATION_SELECTOR):
        if form in names:
            return _readable(names[form])
    return None


def _default_styles(cache_dir: str | Path | None) -> tuple[StillStyle, ...]:
    has_3d = _part_dir(STILLS_3D, cache_dir).is_dir()
    return ("fluent-3d",) if has_3d else ("twemoji",)


def _readable(name: str) -> str:
    return name.strip(":").replace("_", " ").replace("\u2019", "'")


def _stills(style: StillStyle, cache_dir: str | Path | None) -> list[ImageItem]:
    """One still per name; pictures that are byte for byte equal under two names are left out."""
    package = _PACKAGE_OF_STYLE[style]
    part_dir, names = _part_dir(package, cache_dir), _names(cache_dir)
    path_of: dict[str, Path] = {}
    for file_name in _part_files(package, cache_dir):
        name = concept_name(Path(file_name).stem, names)
        if name is not None and "skin tone" not in name:
            path_of[name] = part_dir / file_name  # of two spellings the longer, sorted last
    names_of_content: dict[bytes, list[str]] = defaultdict(list)
    for name, path in path_of.items():
        names_of_content[path.read_bytes()].append(name)
    unique = sorted(group[0] for group in names_of_content.values() if len(group) == 1)
    return [
        ImageItem(
            id=f"{package.part}:{path_of[name].stem}",
            caption=name,
            path=str(path_of[name]),
            label=name,
        )
        for name in unique
    ]


def _clips(cache_dir: str | Path | None) -> list[ClipItem]:
    part_dir, names = _part_dir(CLIPS, cache_dir), _names(cache_dir)
    clips = []
    for file_name in _part_files(CLIPS, cache_dir):
        path = part_dir / file_name
        name = concept_name(path.stem, names)
        if name is None:
            raise ValueError(f"{path} has no name: {NAMES.requirement} does not know it")
        num_frames, duration_seconds = webp_timing(path)
        clip_id = f"{CLIPS.part}:{path.stem}"
        clips.append(
            ClipItem(
                id=clip_id,
                label=name,
                caption=name,
                path=str(path),
                num_frames=num_frames,
                duration_seconds=duration_seconds,
            )
        )
    return sorted(clips, key=lambda clip: clip.label)


@functools.cache
def _load_names(path: Path) -> dict[str, str]:
    return {text: entry["en"] for text, entry in json.loads(path.read_text("utf-8")).items()}


def _names(cache_dir: str | Path | None) -> dict[str, str]:
    return _load_names(_part_dir(NAMES, cache_dir) / _part_files(NAMES, cache_dir)[0])


@functools.cache
def _default_split(names_path: Path) -> ConceptSplit:
    names = _load_names(names_path)
    clip_names = [concept_name(stem, names) for stem in sorted(clip_stems())]
    return split_concepts(
        _still_names(names),
        preferred=[name for name in clip_names if name is not None],
        num_preferred=NUM_HELDOUT_CLIPS,
        num_heldout=NUM_HELDOUT_CONCEPTS,
    )


def _still_names(names: dict[str, str]) -> Iterable[str]:
    """Every name that a still may have, whichever style and whether fetched or not."""
    for text, name in names.items():
        stem = "-".join(f"{ord(character):x}" for character in text)
        if is_wanted_still(f"{stem}.png") and "skin tone" not in name.replace("_", " "):
            yield _readable(name)


def _part_dir(package: Package, cache_dir: str | Path | None) -> Path:
    return default_dir(cache_dir) / package.part


def _part_files(package: Package, cache_dir: str | Path | None) -> tuple[str, ...]:
    return tuple(path.name for path in fetched_files(package, "default", cache_dir))


def _only_file(package: Package, cache_dir: str | Path | None, suffix: str) -> Path:
    names = [name for name in _part_files(package, cache_dir) if name.endswith(suffix)]
    return _part_dir(package, cache_dir) / names[0]

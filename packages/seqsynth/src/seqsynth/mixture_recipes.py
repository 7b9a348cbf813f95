"""The paper's training data by name, every row of its tables of data, and mixtures from files.

Section 4.1: phase 1 is one epoch of everything (643K examples), phase 2 three epochs of TimeIT and
Valley (150K each). The tables change the data of phase 1; their phase 2 is the same.
"""

import dataclasses
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqsynth.mixture import MixtureRecipe, Part, with_shares, with_tasks
from seqsynth.naming import known_name
from seqsynth.recipes import RECIPES, SequenceRecipe, changed, read_recipe

IMAGES = "image_sequences"
CLIPS = "clip_sequences"
CAPTIONS = "sharegpt4video"


def paper_phase1() -> MixtureRecipe:
    """300K image and 100K clip sequences, 110K TimeIT, 40K Valley, 93K ShareGPT4Video."""
    return MixtureRecipe(
        parts={
            IMAGES: Part(count=300_000, tasks={"iig": 1.0, "iic": 1.0, "alr": 1.0}),
            CLIPS: Part(count=100_000, tasks={"dvc": 1.0, "tvg": 1.0}),
            "timeit": Part(count=110_000, sources=("timeit",)),
            "valley": Part(count=40_000, sources=("valley",)),
            CAPTIONS: Part(count=93_000, sources=("sharegpt4video",)),
        }
    )


def paper_phase2() -> MixtureRecipe:
    """Three epochs of TimeIT and Valley."""
    return dataclasses.replace(_without(IMAGES, CLIPS, CAPTIONS), num_epochs=3)


def without_rpt() -> MixtureRecipe:
    """Table 2, without relative position tokens: plain indices for images, seconds for videos."""
    sequences = SequenceRecipe(codec="seconds")
    return dataclasses.replace(paper_phase1(), sequences=sequences, image_codec="index")


def baseline() -> MixtureRecipe:
    """Tables 2, 3, 6 and 7, the row of TimeChat: TimeIT and Valley alone, times in seconds."""
    recipe = _without(IMAGES, CLIPS, CAPTIONS)
    return dataclasses.replace(recipe, sequences=SequenceRecipe(codec="seconds"))


def without_clips() -> MixtureRecipe:
    """Table 3, second row: image sequences and more captions, no clip sequences."""
    return _without(CLIPS)


def images_only() -> MixtureRecipe:
    """Table 3, third row, and Table 6, first: image sequences beside TimeIT and Valley."""
    return _without(CLIPS, CAPTIONS)


def video_llama_images() -> MixtureRecipe:
    """Table 4: image sequences alone, free-form indices."""
    recipe = _without(CLIPS, CAPTIONS, "timeit", "valley")
    return dataclasses.replace(recipe, image_codec="index")


def without_iic() -> MixtureRecipe:
    """Table 6, second row: IIG and ALR at 150K each."""
    return with_tasks(images_only(), IMAGES, ("iig", "alr"))


def without_iig() -> MixtureRecipe:
    """Table 6, third row: IIC and ALR at 150K each."""
    return with_tasks(images_only(), IMAGES, ("iic", "alr"))


def without_alr() -> MixtureRecipe:
    """Table 6, fourth row: IIC and IIG at 150K each."""
    return with_tasks(images_only(), IMAGES, ("iig", "iic"))


def sequences_20_percent() -> MixtureRecipe:
    """Table 7, 20 % of the image and clip sequences."""
    return with_shares(paper_phase1(), {IMAGES: 0.2, CLIPS: 0.2})


def sequences_5_percent() -> MixtureRecipe:
    """Table 7, 5 % of the image and clip sequences."""
    return with_shares(paper_phase1(), {IMAGES: 0.05, CLIPS: 0.05})


MIXTURES: dict[str, Callable[[], MixtureRecipe]] = {
    "paper_phase1": paper_phase1,
    "paper_phase2": paper_phase2,
    "without_rpt": without_rpt,
    "baseline": baseline,
    "without_clips": without_clips,
    "images_only": images_only,
    "video_llama_images": video_llama_images,
    "without_iic": without_iic,
    "without_iig": without_iig,
    "without_alr": without_alr,
    "sequences_20_percent": sequences_20_percent,
    "sequences_5_percent": sequences_5_percent,
}

Recipe = SequenceRecipe | MixtureRecipe


def load_recipe(name: str) -> Recipe:
    """A recipe by name, or from a TOML file.

    A file with a table `parts`, or with the name of a mixture as its `base`, is a mixture; any
    other is a recipe of sequences, see `read_recipe`.

    Raises:
        ValueError: an unknown name; for a file see `read_recipe` and `read_mixture`.
    """
    if not name.endswith(".toml"):
        known_name("recipe", name, [*RECIPES, *MIXTURES])
        return RECIPES[name]() if name in RECIPES else MIXTURES[name]()
    path = Path(name)
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    if "parts" in tables or str(tables.get("base")) in MIXTURES:
        return read_mixture(path)
    return read_recipe(path)


def read_mixture(path: Path) -> MixtureRecipe:
    """A mixture from a TOML file.

    `base` names the mixture that it changes; without it the file names all parts. `without` lists
    parts that are left out; a table `parts.NAME` changes or adds one; a table `sequences` holds
    fields of `SequenceRecipe` for all parts.

    Raises:
        ValueError: not TOML, an unknown name, a value of the wrong type or out of range (names the
            file and the field).
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
        return _mixture(tables)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _without(*names: str) -> MixtureRecipe:
    return with_shares(paper_phase1(), dict.fromkeys(names, 0.0))


def _mixture(tables: Mapping[str, Any]) -> MixtureRecipe:
    values = dict(tables)
    parts: dict[str, Part] = {}
    base = None
    if "base" in values:
        base = MIXTURES[known_name("mixture", str(values.pop("base")), MIXTURES)]()
        parts = dict(base.parts)
    for name in values.pop("without", []):
        del parts[known_name("part", name, parts)]
    for name, fields in values.pop("parts", {}).items():
        try:
            parts[name] = _part(parts.get(name), fields)
        except ValueError as error:
            raise ValueError(f"parts.{name}: {error}") from None
    sequences = values.pop("sequences", {})
    recipe = base or MixtureRecipe(parts=parts)
    recipe = changed(recipe, values)
    return dataclasses.replace(recipe, parts=parts, sequences=changed(recipe.sequences, sequences))


def _part(known: Part | None, fields: Mapping[str, Any]) -> Part:
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    if known is not None:
        return changed(known, changes)
    if "count" not in changes:
        raise ValueError("count is missing")
    return changed(Part(count=1, sources=("any",)), {"sources": (), **changes})

"""The paper's training data by name, every row of its tables of data, and mixtures from files.

Section 4.1: phase 1 is one epoch of everything (643K examples), phase 2 three epochs of TimeIT and
Valley (150K each). The tables change the data of phase 1; phase 2 goes on with what phase 1 has of
TimeIT and Valley, with times written in the same way. `TABLES` says which row trains on what.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from seqsynth.mixture import MixtureRecipe, Part, with_shares, with_tasks
from seqsynth.naming import known_name
from seqsynth.parsing import parsed_toml
from seqsynth.recipes import RECIPES, SequenceRecipe, changed, read_recipe

IMAGES = "image_sequences"
CLIPS = "clip_sequences"
CAPTIONS = "sharegpt4video"

# As the file that TimeChat trains on names the sets it was merged from (`seqsynth index timeit`).
_DENSE_CAPTIONS = ("timeit/anet", "timeit/vitt")
_OTHER_TIMEIT = (
    "timeit/coin", "timeit/didemo", "timeit/hirest", "timeit/hirest_step", "timeit/queryd",
    "timeit/summe", "timeit/tvsum", "timeit/yttemporal",
)  # fmt: skip
_NUM_DENSE_CAPTIONS = 15_100  # of both together: 12 % of the 125K that TimeIT has in all


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
    return _second_phase(paper_phase1())


def baseline() -> MixtureRecipe:
    """The row of TimeChat in tables 1, 2, 3, 5, 6 and 7: TimeIT and Valley, times in seconds."""
    recipe = _without(IMAGES, CLIPS, CAPTIONS)
    return dataclasses.replace(recipe, sequences=SequenceRecipe(codec="seconds"))


def baseline_phase2() -> MixtureRecipe:
    """Phase 2 where times are seconds: of `baseline` and of `without_rpt`."""
    return _second_phase(baseline())


def without_irrelevant() -> MixtureRecipe:
    """Table 1, second row: of TimeIT what is not dense captioning, less by as much as that is."""
    return _with_timeit(
        timeit_dvc=Part(count=_NUM_DENSE_CAPTIONS, sources=_DENSE_CAPTIONS),
        timeit=Part(count=110_000 - 2 * _NUM_DENSE_CAPTIONS, sources=_OTHER_TIMEIT),
    )


def without_irrelevant_phase2() -> MixtureRecipe:
    """Its phase 2."""
    return _second_phase(without_irrelevant())


def without_dense_captions() -> MixtureRecipe:
    """Table 1, third row: TimeIT without ActivityNet Captions and ViTT."""
    return _with_timeit(timeit=Part(count=110_000 - _NUM_DENSE_CAPTIONS, sources=_OTHER_TIMEIT))


def without_dense_captions_phase2() -> MixtureRecipe:
    """Its phase 2."""
    return _second_phase(without_dense_captions())


def without_rpt() -> MixtureRecipe:
    """Table 2, without relative position tokens: plain indices for images, seconds for videos."""
    sequences = SequenceRecipe(codec="seconds")
    return dataclasses.replace(paper_phase1(), sequences=sequences, image_codec="index")


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
    "baseline": baseline,
    "baseline_phase2": baseline_phase2,
    "without_irrelevant": without_irrelevant,
    "without_irrelevant_phase2": without_irrelevant_phase2,
    "without_dense_captions": without_dense_captions,
    "without_dense_captions_phase2": without_dense_captions_phase2,
    "without_rpt": without_rpt,
    "without_clips": without_clips,
    "images_only": images_only,
    "video_llama_images": video_llama_images,
    "without_iic": without_iic,
    "without_iig": without_iig,
    "without_alr": without_alr,
    "sequences_20_percent": sequences_20_percent,
    "sequences_5_percent": sequences_5_percent,
}

_SEQ2TIME = ("paper_phase1", "paper_phase2")
_TIMECHAT = ("baseline", "baseline_phase2")

TABLES: dict[int, dict[str, tuple[str, ...]]] = {
    1: {
        "Full": _TIMECHAT,
        "w/o irr": ("without_irrelevant", "without_irrelevant_phase2"),
        "w/o dvc": ("without_dense_captions", "without_dense_captions_phase2"),
    },
    2: {
        "TimeChat": _TIMECHAT,
        "Seq2Time w/o RPT": ("without_rpt", "baseline_phase2"),
        "Seq2Time": _SEQ2TIME,
    },
    3: {
        "IS + MC + CS": _SEQ2TIME,
        "IS + MC": ("without_clips", "paper_phase2"),
        "IS": ("images_only", "paper_phase2"),
        "none": _TIMECHAT,
    },
    4: {
        "w/o IS": (),
        "w/ IS": ("video_llama_images",),
    },
    5: {
        "TimeChat": _TIMECHAT,
        "+ IS": ("images_only", "paper_phase2"),
        "+ IS + MC": ("without_clips", "paper_phase2"),
        "+ Seq2Time": _SEQ2TIME,
    },
    6: {
        "IIC + IIG + ALR": ("images_only", "paper_phase2"),
        "IIG + ALR": ("without_iic", "paper_phase2"),
        "IIC + ALR": ("without_iig", "paper_phase2"),
        "IIC + IIG": ("without_alr", "paper_phase2"),
        "none": _TIMECHAT,
    },
    7: {
        "100%": _SEQ2TIME,
        "20%": ("sequences_20_percent", "paper_phase2"),
        "5%": ("sequences_5_percent", "paper_phase2"),
        "0%": _TIMECHAT,
    },
}
"""Of each table of the paper, each row of ours: the mixtures that are trained on, in turn."""

Recipe = SequenceRecipe | MixtureRecipe


def load_recipe(name: str | Path) -> Recipe:
    """A recipe by name, or from a TOML file.

    A file with a table `parts`, or with the name of a mixture as its `base`, is a mixture; any
    other is a recipe of sequences, see `read_recipe`.

    Raises:
        ValueError: an unknown name; for a file see `read_recipe` and `read_mixture`.
    """
    name = str(name)
    if not name.endswith(".toml"):
        if name not in {*RECIPES, *MIXTURES} and Path(name).exists():
            raise ValueError(
                f"{name} is no recipe: give a name or a FILE.toml, and manifests with --manifest"
            )
        known_name("recipe", name, [*RECIPES, *MIXTURES])
        return RECIPES[name]() if name in RECIPES else MIXTURES[name]()
    path = Path(name)
    try:
        tables = parsed_toml(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if "parts" in tables or str(tables.get("base")) in MIXTURES:
        return read_mixture(path)
    return read_recipe(path)


def read_mixture(path: str | Path) -> MixtureRecipe:
    """A mixture from a TOML file.

    `base` names the mixture that it changes; without it the file names all parts. `without` lists
    parts that are left out; a table `parts.NAME` changes or adds one; a table `sequences` holds
    fields of `SequenceRecipe` for all parts.

    Raises:
        ValueError: not TOML, an unknown name, a value of the wrong type or out of range (names the
            file and the field).
    """
    try:
        return _mixture(parsed_toml(Path(path).read_text("utf-8")))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _without(*names: str) -> MixtureRecipe:
    return with_shares(paper_phase1(), dict.fromkeys(names, 0.0))


def _second_phase(recipe: MixtureRecipe) -> MixtureRecipe:
    """Three epochs of the real videos with questions, written as in the first phase."""
    parts = {name: part for name, part in recipe.parts.items() if part.sources and name != CAPTIONS}
    return dataclasses.replace(recipe, parts=parts, num_epochs=3)


def _with_timeit(**parts: Part) -> MixtureRecipe:
    """The baseline with other parts in the place of TimeIT."""
    recipe = baseline()
    return dataclasses.replace(recipe, parts={"valley": recipe.parts["valley"], **parts})


def _mixture(tables: Mapping[str, Any]) -> MixtureRecipe:
    values = dict(tables)
    parts: dict[str, Part] = {}
    base = None
    if "base" in values:
        base = MIXTURES[known_name("mixture", str(values.pop("base")), MIXTURES)]()
        parts = dict(base.parts)
    for name in _taken(values, "without", list):
        del parts[known_name("part", str(name), parts)]
    changes = _taken(values, "parts", dict)
    for name in list(changes):
        try:
            parts[name] = _part(parts.get(name), _taken(changes, name, dict))
        except ValueError as error:
            raise ValueError(f"parts.{name}: {error}") from None
    sequences = _taken(values, "sequences", dict)
    recipe = base or MixtureRecipe(parts=parts)
    recipe = changed(recipe, values)
    return dataclasses.replace(recipe, parts=parts, sequences=changed(recipe.sequences, sequences))


def _taken(values: dict[str, Any], name: str, kind: type) -> Any:
    """The value of that name, which is taken out; an empty one where there is none."""
    value = values.pop(name, kind())
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be a {'list' if kind is list else 'table'}, got {value!r}")
    return value


def _part(known: Part | None, fields: Mapping[str, Any]) -> Part:
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}
    if known is not None:
        return changed(known, changes)
    if "count" not in changes:
        raise ValueError("count is missing")
    return changed(Part(count=1, sources=("any",)), {"sources": (), **changes})

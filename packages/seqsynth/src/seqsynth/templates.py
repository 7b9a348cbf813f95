"""Loads the wording of the tasks from TOML and fills it; nothing here knows what a task means.

`paper` is the wording of the paper's Appendix A, `brief` a short one, `pairs` the shortest; a path
to a TOML file of the same tables replaces them. A file is checked as a whole when it is loaded.
"""

import functools
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from seqsynth.parsing import parsed_toml

BUNDLED = ("brief", "pairs", "paper")

_ORDINAL_ENDINGS = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Wording:
    """Ways to ask one kind of question and ways to answer it, drawn independently."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Templates:
    """All wording of one file.

    Attributes:
        name: what it was loaded as.
        iig_single, iig_multiple: index grounding of one and of several captions.
        iig_item: how one of several captions is listed.
        iig_closing: what follows the list.
        iic_single, iic_multiple: captioning of one and of several indices; an answer has one
            sentence for each.
        alr_before, alr_after: the neighbour before and after.
        dvc: dense captioning; an answer is one item for each event.
        tvg: grounding of one description.
    """

    name: str
    iig_single: Wording
    iig_multiple: Wording
    iig_item: str
    iig_closing: str
    iic_single: Wording
    iic_multiple: Wording
    alr_before: Wording
    alr_after: Wording
    dvc: Wording
    tvg: Wording

    @property
    def digest_text(self) -> str:
        """Everything that can reach an example, for fingerprints; the name is left out."""
        return repr([getattr(self, name) for name in self.__slots__ if name != "name"])


@functools.cache
def load_templates(name: str | Path) -> Templates:
    """The bundled templates of that name, or those of a TOML file.

    Raises:
        ValueError: neither, or a table, text or placeholder that is missing, unknown or of the
            wrong type (names the file and the text).
    """
    name = str(name)
    if name in BUNDLED:
        source = f"seqsynth/templates/{name}.toml"
        text = resources.files("seqsynth").joinpath("templates", f"{name}.toml").read_text("utf-8")
    else:
        source = name
        try:
            text = Path(name).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            known = ", ".join(BUNDLED)
            raise ValueError(f"templates {name!r}: none of {known}, nor a file ({error})") from None
    try:
        return _templates(name, parsed_toml(text))
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def pick(texts: tuple[str, ...], rng: np.random.Generator) -> str:
    """One of the texts, uniformly."""
    return texts[int(rng.integers(len(texts)))]


def fill(template: str, **values: str) -> str:
    """The template with its placeholders replaced.

    Where the template closes a sentence itself right after a caption, the caption's own full stop
    is dropped.

    Example:
        >>> fill("What is {caption}?", caption="A sleeping cat.")
        'What is A sleeping cat?'
    """
    caption = values.get("caption")
    if caption is not None and re.search(r"\{caption\}[.?;]", template):
        values["caption"] = _without_full_stop(caption)
    return template.format(**values)


def list_captions(item_template: str, captions: list[str]) -> str:
    """Captions as one sentence: "The 1st caption is a cat; the 2nd caption is a dog"."""
    first = item_template[:1].upper() + item_template[1:]
    items = [
        (first if number == 1 else item_template).format(
            ordinal=_ordinal(number), caption=_without_full_stop(caption)
        )
        for number, caption in enumerate(captions, start=1)
    ]
    return f"{'; '.join(items)}."


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else _ORDINAL_ENDINGS.get(number % 10, "th")
    return f"{number}{ending}"


def _without_full_stop(caption: str) -> str:
    return caption if caption.endswith("..") else caption.removesuffix(".")


def _templates(name: str, tables: Mapping[str, Any]) -> Templates:
    return Templates(
        name=name,
        iig_single=_wording(tables, "iig.single", ("caption",), ("index",)),
        iig_multiple=_wording(tables, "iig.multiple", ("captions",), ("indices",)),
        iig_item=_text(tables, "iig.multiple.item", ("caption",), optional=("ordinal",)),
        iig_closing=_text(tables, "iig.multiple.closing", ()),
        iic_single=_wording(tables, "iic.single", ("index",), ("index", "caption")),
        iic_multiple=_wording(tables, "iic.multiple", ("indices",), ("index", "caption")),
        alr_before=Wording(
            _texts(tables, "alr.before", ("caption",)),
            _texts(tables, "alr.answers", ("index", "caption")),
        ),
        alr_after=Wording(
            _texts(tables, "alr.after", ("caption",)),
            _texts(tables, "alr.answers", ("index", "caption")),
        ),
        dvc=Wording(
            _texts(tables, "dvc.questions", ()),
            (_text(tables, "dvc.answer_item", ("span", "caption")),),
        ),
        tvg=_wording(tables, "tvg", ("caption",), ("span",)),
    )


def _wording(
    tables: Mapping[str, Any], key: str, asked: tuple[str, ...], answered: tuple[str, ...]
) -> Wording:
    return Wording(
        _texts(tables, f"{key}.questions", asked), _texts(tables, f"{key}.answers", answered)
    )


def _texts(tables: Mapping[str, Any], key: str, placeholders: tuple[str, ...]) -> tuple[str, ...]:
    texts = _lookup(tables, key)
    if not isinstance(texts, list) or not texts:
        raise ValueError(f"{key} must be a list of at least one text, got {texts!r}")
    return tuple(_checked(key, text, placeholders, ()) for text in texts)


def _text(
    tables: Mapping[str, Any],
    key: str,
    placeholders: tuple[str, ...],
    optional: tuple[str, ...] = (),
) -> str:
    return _checked(key, _lookup(tables, key), placeholders, optional)


def _lookup(tables: Mapping[str, Any], key: str) -> Any:
    value: Any = tables
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise ValueError(f"{key} is missing")
        value = value[part]
    return value


def _checked(key: str, text: Any, required: tuple[str, ...], optional: tuple[str, ...]) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{key} must hold texts, got {text!r}")
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise ValueError(f"{key}: {text!r}: {error}") from None
    found = [field for _, field, _, _ in parts if field is not None]
    if any(form or conversion for _, _, form, conversion in parts):  # might fail at any example
        raise ValueError(f"{key}: {text!r}: between the braces of a placeholder is its name alone")
    wanted = [name for name in found if name not in optional]
    if sorted(wanted) != sorted(required):
        expected = ", ".join(f"{{{name}}}" for name in required) or "no placeholder"
        raise ValueError(f"{key}: {text!r} must have {expected} exactly once")
    return text

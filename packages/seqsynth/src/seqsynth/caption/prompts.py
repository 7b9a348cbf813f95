"""What is asked about a clip: wording as data, conditioned on the action label."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from seqsynth.naming import known_name
from seqsynth.parsing import parsed_toml

DEFAULT_PROMPT = "longva_blind"

_TEXTS = ("text", "text_without_label")


@dataclass(frozen=True, slots=True)
class CaptionPrompt:
    """One way to ask.

    Attributes:
        name: what it is called.
        text: the question about a clip with a label; holds `{label}`.
        text_without_label: the question about any other clip.
    """

    name: str
    text: str
    text_without_label: str

    def __post_init__(self) -> None:
        for name, wanted in zip(_TEXTS, ({"label"}, set[str]()), strict=True):
            text = getattr(self, name)
            try:
                pieces = list(string.Formatter().parse(text))
            except ValueError as error:
                raise ValueError(f"prompt {self.name}: {name}: {error}") from None
            found = {field for _, field, _, _ in pieces if field is not None}
            is_plain = not any(style or conversion for _, _, style, conversion in pieces)
            if found != wanted or not is_plain or not text.strip():
                what = "hold {label} and no other placeholder" if wanted else "hold no placeholder"
                raise ValueError(f"prompt {self.name}: {name} must {what}, got {text!r}")

    def about(self, label: str) -> str:
        """The question about a clip of that label, "" where it has none."""
        return self.text.format(label=label) if label else self.text_without_label.format()

    @property
    def sha256(self) -> str:
        """Hash of the wording; the name is left out."""
        return hashlib.sha256(f"{self.text}\0{self.text_without_label}".encode()).hexdigest()


def bundled_prompts() -> dict[str, CaptionPrompt]:
    """The prompts that come with the package, by name."""
    text = resources.files("seqsynth.caption").joinpath("prompts.toml").read_text("utf-8")
    return _prompts(parsed_toml(text))


def load_prompt(name: str) -> CaptionPrompt:
    """A bundled prompt by name, or the only one of a TOML file.

    `FILE.toml:NAME` is one of several in a file.

    Raises:
        ValueError: an unknown name, no such file, or a text that is missing or not of its form.
    """
    path, _, key = name.rpartition(":") if ".toml:" in name else (name, "", "")
    if not path.endswith(".toml"):
        prompts = bundled_prompts()
        return prompts[known_name("prompt", name, prompts)]
    try:
        prompts = _prompts(parsed_toml(Path(path).read_text("utf-8")))
        if not key and len(prompts) != 1:
            known = ", ".join(prompts) or "none"
            raise ValueError(f"holds several prompts ({known}): write {path}:NAME")
        return prompts[known_name("prompt", key or next(iter(prompts)), prompts)]
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _prompts(tables: Mapping[str, Any]) -> dict[str, CaptionPrompt]:
    prompts = {}
    for name, table in tables.items():
        if not isinstance(table, dict) or set(table) != set(_TEXTS):
            raise ValueError(f"table {name} must hold {' and '.join(_TEXTS)}, and nothing else")
        if not all(isinstance(text, str) for text in table.values()):
            raise ValueError(f"table {name}: {' and '.join(_TEXTS)} must be texts")
        prompts[name] = CaptionPrompt(name, **table)
    return prompts

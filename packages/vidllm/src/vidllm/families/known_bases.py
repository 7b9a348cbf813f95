"""Configurations of released bases, so that sizes are known before anything is downloaded."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = files("vidllm.families").joinpath("known_bases.toml").read_text("utf-8")
    return tomllib.loads(text)


def known_config(base: str) -> Any:
    """The transformers configuration of a released base; None: not known by that name."""
    from transformers import AutoConfig

    if base not in _table():
        return None
    settings = dict(_table()[base])
    build: Any = AutoConfig
    return build.for_model(settings.pop("model_type"), **settings)

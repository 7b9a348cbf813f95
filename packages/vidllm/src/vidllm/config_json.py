"""The configuration of a run as JSON text and back, as `config.json` of the run folder has it."""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from typing import Any, Literal

from seqsynth.parsing import parsed_json
from vidllm.config import TrainConfig


def to_json(config: TrainConfig) -> str:
    """The configuration as readable JSON text."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> TrainConfig:
    """The configuration that `to_json` wrote.

    Raises:
        ValueError: not JSON, or a field that no setting has, or a value of the wrong type.
    """
    try:
        record = parsed_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a configuration: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"not a configuration: {error}") from None
    config = _read(TrainConfig, record, "config")
    assert isinstance(config, TrainConfig)
    return config


def _read(kind: Any, value: object, where: str) -> object:
    """`value` from JSON as a value of the annotated type `kind`."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise ValueError(f"{where} is {value!r}: expected an object")
        hints = typing.get_type_hints(kind)
        known = {f.name for f in dataclasses.fields(kind)}
        unknown = sorted(set(value) - known)
        if unknown:
            raise ValueError(f"{where}.{unknown[0]}: no such setting; known: {sorted(known)}")
        read = {name: _read(hints[name], part, f"{where}.{name}") for name, part in value.items()}
        try:
            return typing.cast(type, kind)(**read)
        except TypeError as error:  # a setting without a default is missing
            raise ValueError(f"{where}: {error}") from None
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"{where} is {value!r}: expected a list")
        return tuple(_read(args[0], part, f"{where}[{i}]") for i, part in enumerate(value))
    if origin in (typing.Union, types.UnionType):  # of one type and None
        (kind,) = (arg for arg in args if arg is not types.NoneType)
        return None if value is None else _read(kind, value, where)
    if origin is Literal:
        if value not in args:
            raise ValueError(f"{where} is {value!r}: choose one of {', '.join(map(str, args))}")
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:  # also not a number at all
            raise ValueError(f"{where} is {value!r:.40}: expected a finite number")
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where} is {value!r}: expected {kind.__name__}")
    return value

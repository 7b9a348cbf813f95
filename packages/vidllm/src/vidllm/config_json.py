"""The configuration of a run as JSON text and back, as `config.json` of the run folder has it.

`format_version` is that of the run folder: whoever reads anything in it reads this file first.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from typing import Any, Literal

from seqsynth.parsing import parsed_json
from vidllm.config import TrainConfig

FORMAT_VERSION = 1


def to_json(config: TrainConfig) -> str:
    """The configuration as readable JSON text."""
    record = {"format_version": FORMAT_VERSION, **dataclasses.asdict(config)}
    return json.dumps(record, indent=2) + "\n"


def from_json(text: str) -> TrainConfig:
    """The configuration that `to_json` wrote.

    Raises:
        ValueError: not JSON, of another version, or a field that no setting has, or a value of the
            wrong type.
    """
    try:
        record = parsed_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a configuration: line {error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise ValueError(f"not a configuration: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(f"not a configuration: expected an object, got {type(record).__name__}")
    found = record.pop("format_version", None)
    if found != FORMAT_VERSION:
        what = "no format version" if found is None else f"format version {found!r}"
        raise ValueError(
            f"a run of {what}, this vidllm reads {FORMAT_VERSION}: go on with "
            "the vidllm that began it, or start a new run"
        )
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
        return _read_tuple(args, value, where)
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


def _read_tuple(kinds: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    """A list from JSON as a tuple of one type, of any length where that is an ellipsis."""
    if not isinstance(value, list):
        raise ValueError(f"{where} is {value!r}: expected a list")
    if kinds[-1] is not Ellipsis and len(value) != len(kinds):
        raise ValueError(f"{where} is {value!r}: expected {len(kinds)} values")
    return tuple(_read(kinds[0], part, f"{where}[{i}]") for i, part in enumerate(value))

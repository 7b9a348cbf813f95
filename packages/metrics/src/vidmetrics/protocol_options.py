"""Protocols from command-line text: `--protocol timechat --set soda_columns=natural`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vidmetrics.errors import InputError
from vidmetrics.protocol import Protocol, protocol_named


def protocol_from_options(name: str, changes: Sequence[str]) -> Protocol:
    """The named protocol with `FIELD=VALUE` changes; its name then says that it was changed.

    Raises:
        InputError: no such field, or a value that it cannot have.
    """
    protocol = protocol_named(name)
    fields = {field.name for field in dataclasses.fields(Protocol)} - {"name"}
    values: dict[str, object] = {}
    for change in changes:
        field, equals, text = change.partition("=")
        if not equals or field not in fields:
            raise InputError(
                f"--set takes FIELD=VALUE with one of {', '.join(sorted(fields))}; got {change!r}"
            )
        values[field] = _value(getattr(protocol, field), field, text)
    try:
        changed = dataclasses.replace(protocol, **values)  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(f"--set: {error}") from None
    if changed == protocol:
        return protocol
    return dataclasses.replace(changed, name=f"{name}-changed")


def _value(current: object, field: str, text: str) -> object:
    """The text as a value of the same type as the current one."""
    try:
        if isinstance(current, bool):
            return {"true": True, "yes": True, "false": False, "no": False}[text.lower()]
        if isinstance(current, tuple):
            return tuple(float(part) for part in text.split(","))
        return float(text) if isinstance(current, float) else text
    except (KeyError, ValueError):
        wanted = {bool: "true or false", tuple: "numbers such as .3,.5", float: "a number"}
        raise InputError(f"--set {field}: expected {wanted[type(current)]}, got {text!r}") from None

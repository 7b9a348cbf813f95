"""JSON and TOML that strangers wrote: a value, or a `ValueError` whatever is wrong with it."""

import json
import tomllib
from collections.abc import Callable
from typing import Any


def parsed_json(
    text: str | bytes, *, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """The value of a JSON text.

    Args:
        text: bytes are read as UTF-8.
        pairs_hook: see `object_pairs_hook` of `json.loads`.

    Raises:
        ValueError: not UTF-8, not JSON, nested too deeply, or a number of thousands of digits.
    """
    if isinstance(text, bytes):  # json itself would guess among UTF-8, UTF-16 and UTF-32
        text = text.decode()
    try:
        return json.loads(text, object_pairs_hook=pairs_hook)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def parsed_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: not TOML, nested too deeply, or a number of thousands of digits.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None

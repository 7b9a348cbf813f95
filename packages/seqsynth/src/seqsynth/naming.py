"""Names that users type, and those of files: either good, or an error that helps."""

import difflib
import sys
from collections.abc import Collection


def known_name(kind: str, name: str, known: Collection[str]) -> str:
    """The name, if it is known.

    Args:
        kind: what the name names, for the message.
        name: as typed.
        known: all names there are.

    Raises:
        ValueError: lists near names where there are some, else all.

    Example:
        >>> known_name("recipe", "papr", ["paper", "brief"])
        Traceback (most recent call last):
        ...
        ValueError: unknown recipe 'papr'; did you mean paper?
    """
    if name in known:
        return name
    near = difflib.get_close_matches(name, known)
    hint = f"did you mean {' or '.join(near)}?" if near else f"one of: {', '.join(known)}"
    raise ValueError(f"unknown {kind} {name!r}; {hint}")


def name_fault() -> str:
    """What is wrong with the name of a file that cannot be written as UTF-8."""
    encoding = sys.getfilesystemencoding()
    if encoding == "utf-8":
        return "name is not UTF-8"
    return f"name is not {encoding}, as this locale has it: set PYTHONUTF8=1"

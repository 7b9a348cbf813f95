"""Command lines from the configuration records: every field is a flag, every mistake one line."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import io
import re
import typing
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
MAX_LISTED = 40  # recipes, not settings
_BOX = re.compile(r"[\u2500-\u257f]|^\s*-{5,}\s*$", re.MULTILINE)


class UsageError(ValueError):
    """A command line that cannot be met as it stands; the message says what to change."""


def parse(kind: type[T], arguments: Sequence[str], default: T, prog: str, description: str) -> T:
    """A record from a command line, every flag of which has the default's value.

    Args:
        kind: a frozen dataclass, nested ones and tuples of them included.
        arguments: flags such as `--optim.max-steps 4`.
        default: what is changed.
        prog: the command, for the help text.
        description: what the help text begins with.

    Raises:
        UsageError: an unknown flag (near names in the message) or a value of the wrong kind.
        SystemExit: with status 0, after `--help`.
    """
    import tyro

    if any(argument in ("-h", "--help") for argument in arguments):
        return tyro.cli(kind, args=["--help"], default=default, prog=prog, description=description)
    known = flags_of(default)
    for argument in arguments:
        name = argument.partition("=")[0].replace("_", "-")
        if argument.startswith("--") and name not in known:
            raise UsageError(f"no setting {argument.partition('=')[0]}{near_names(name, known)}")
        if _is_dashed_name(argument):
            raise UsageError(
                f"{argument}: after a setting, a name that begins with - is written ./{argument}"
            )
    messages = io.StringIO()
    try:
        with contextlib.redirect_stderr(messages), contextlib.redirect_stdout(messages):
            return tyro.cli(kind, args=list(arguments), default=default, prog=prog)
    except SystemExit:
        raise UsageError(_one_line(messages.getvalue())) from None


def flags_of(record: Any, prefix: str = "") -> list[str]:
    """The flags that set a record's fields: `--optim.max-steps`, `--data.stages.0.num-steps`."""
    flags: list[str] = []
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        name = field.name.replace("_", "-")
        path = "" if _is_flattened(record, field.name) else f"{prefix}{name}"
        if dataclasses.is_dataclass(value):
            flags += flags_of(value, f"{path}." if path else "")
        elif isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]):
            for index, part in enumerate(value):
                flags += flags_of(part, f"{path}.{index}.")
        else:
            flags.append(f"--{path}")
            if isinstance(value, bool):
                head, _, last = path.rpartition(".")
                flags.append(f"--{head}.no-{last}" if head else f"--no-{last}")
    return flags


def near_names(name: str, known: Iterable[str]) -> str:
    """`; did you mean A or B?`, or what there is when nothing is near."""
    known = sorted(known)
    if not known:
        return "; there is none"
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if not near:  # flags differ in their last word mostly
        tails = {flag.rpartition(".")[2].lstrip("-"): flag for flag in known}
        last = name.rpartition(".")[2].lstrip("-")
        near = [tails[t] for t in difflib.get_close_matches(last, tails, n=3, cutoff=0.6)]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there is: {', '.join(known)}" if len(known) <= MAX_LISTED else "; see --help"


def _is_flattened(record: Any, name: str) -> bool:
    """Whether the field's annotation asks tyro to leave its own name out of the flags."""
    hint = typing.get_type_hints(type(record), include_extras=True)[name]
    return any(getattr(extra, "name", None) == "" for extra in getattr(hint, "__metadata__", ()))


def is_flag(argument: str) -> bool:
    """Whether it is a setting, or asks for the manual; a name may begin with one dash."""
    return argument == "-h" or argument.startswith("--")


def _is_dashed_name(argument: str) -> bool:
    """Whether it looks like an option and can only be meant as a name: no option has one dash."""
    return bool(re.match(r"-[^-\d.]", argument))


def _one_line(text: str) -> str:
    """The boxed message of tyro as one line: no box, colour, flag help or hint at its own help."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    plain = re.split(r"Argument helptext|For full helptext|Perhaps you meant", plain)[0]
    lines = [_BOX.sub(" ", line).strip() for line in plain.splitlines()]
    kept = [line for line in lines if line and not re.fullmatch(r"-+", line)]
    return " ".join(kept[1:] if len(kept) > 1 else kept)

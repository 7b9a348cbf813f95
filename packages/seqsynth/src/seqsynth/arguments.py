"""argparse that takes options by their whole names and answers a mistyped name with near ones."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import Any, NoReturn

_CHOICE = re.compile(r"(.*invalid choice: )'?(.*?)'? \(choose from (.*)\)", re.DOTALL)
_NUMBER = re.compile(r"-([\d.]+(e[-+]?\d+)?|inf(inity)?|nan)", re.IGNORECASE)


class Parser(argparse.ArgumentParser):
    """Short names of options are refused: the next option could make one of them unclear."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"allow_abbrev": False})
        self._words: list[str] = []

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse, but what a command does not know is told by its own parser."""
        self._words = list(sys.argv[1:] if args is None else args)
        known, strange = super().parse_known_args(self._words, namespace)
        if strange:
            self.error(f"unrecognized arguments: {' '.join(strange)}")
        return known, strange

    def error(self, message: str) -> NoReturn:
        """As argparse; of a name that is not there the near ones, before what else is wrong."""
        strange = self._strange_option()
        choice = _CHOICE.fullmatch(message)
        if strange and ": expected " not in message:  # else it may be the value that is missed
            message = f"unrecognized arguments: {strange}"
            message += _near(strange, list(self._option_string_actions))
            if not strange.startswith("--"):
                message += f"; a file name that begins with - is written ./{strange}"
        elif choice is not None:
            head, given, choices = choice.groups()
            near = _near(given, [choice.strip("'") for choice in choices.split(", ")])
            message = f"{head}{given!r}{near}" if near else message
        super().error(message)

    def _strange_option(self) -> str:
        """The first word that argparse takes for an option and that is none; empty if none is."""
        for word in self._words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break  # names alone, or the arguments of a command follow
            name = word.partition("=")[0]
            is_option = name.startswith("-") and name != "-" and " " not in name
            is_known = name in self._option_string_actions or _NUMBER.fullmatch(name)
            if is_option and not is_known:
                return name
        return ""


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""

"""argparse that takes options by their whole names and answers a mistyped name with near ones."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from typing import Any, NoReturn

_CHOICE = re.compile(r"(.*invalid choice: )'?(.*?)'? \(choose from (.*)\)", re.DOTALL)


class Parser(argparse.ArgumentParser):
    """Short names of options are refused: the next option could make one of them unclear."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings | {"allow_abbrev": False})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse, but an option that is not there is told before one that is missing."""
        words = list(sys.argv[1:] if args is None else args)
        for word in words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break  # names alone, or the arguments of a command follow
            # argparse takes a word with a blank for a name.
            if word.startswith("--") and " " not in word:
                self._check_option(word.partition("=")[0])
            elif re.match(r"-[^-\d.]", word) and word not in self._option_string_actions:
                self.error(f"{word}: a name that begins with - is written ./{word}")
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """As argparse; of a choice that is not there the near ones."""
        found = _CHOICE.fullmatch(message)
        if found is not None:
            head, given, choices = found.groups()
            near = _near(given, [choice.strip("'") for choice in choices.split(", ")])
            message = f"{head}{given!r}{near}" if near else message
        super().error(message)

    def _check_option(self, name: str) -> None:
        known = self._option_string_actions
        if name not in known:
            self.error(f"unrecognized arguments: {name}{_near(name, list(known))}")


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return f"; did you mean {' or '.join(near)}?" if near else ""

"""Files of references and predictions as parsed JSON, with places to name in errors."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from vidmetrics.errors import InputError

# A file with one line of these is no document, whatever it is called.
_KEYS_OF_LINES = ({"qid"}, {"id", "events"}, {"id", "turns"}, {"video_id", "task", "answer"})


@dataclass(frozen=True, eq=False, slots=True)
class Document:
    """One file, parsed.

    Attributes:
        path: where it came from.
        text: its content.
        value: the JSON value; None for JSON lines and for plain text.
        lines: (1-based line number, value) of JSON lines; (line number, text) of plain text.
        kind: `"json"`, `"lines"` or `"text"`.
    """

    path: Path
    text: str = field(repr=False)
    value: Any
    lines: list[tuple[int, Any]]
    kind: str

    def place(self, key: str = "") -> str:
        """The file, and the line where `key` first stands as a JSON string, if it does."""
        for written in (json.dumps(key), json.dumps(key, ensure_ascii=False)):
            at = self.text.find(written) if key else -1
            if at >= 0:
                return self.line_place(self.text.count("\n", 0, at) + 1)
        return str(self.path)

    def line_place(self, line: int) -> str:
        """The file and a line of it."""
        return f"{self.path}, line {line}"

    def entries(self) -> Iterator[tuple[Callable[[], str], Any]]:
        """Each JSON line, or each item of a JSON list, with its place."""
        if self.kind == "lines":
            for line, value in self.lines:
                yield functools.partial(self.line_place, line), value
        elif isinstance(self.value, list):
            for number, value in enumerate(self.value, start=1):
                yield item_place(self, number), value

    def first_entry(self) -> Any:
        """The first of `entries`, or None."""
        return next((value for _, value in self.entries()), None)


class Format(Protocol):
    """What a table of formats has of each."""

    @property
    def name(self) -> str:
        """For error messages."""

    @property
    def matches(self) -> Callable[[Document], bool]:
        """Whether a file has this format."""

    @property
    def is_certain(self) -> Callable[[Document], bool]:
        """Whether a file that matches has it beyond doubt: nearly all match some formats."""


def unknown_format(
    document: Document,
    task: str,
    known: Iterable[Format],
    turned: Iterable[Format],
    elsewhere: Iterable[Format],
    other_task: str,
) -> InputError:
    """The error of a file that has no known format.

    Args:
        document: the file.
        task: what it should hold.
        known: the formats of its side.
        turned: those of the other side, references or predictions: the two files may be swapped.
        elsewhere: those of another task, which may be meant.
        other_task: its name and command.
    """
    names = ", ".join(one.name for one in known)
    other, strange = (
        next(
            (one.name for one in formats if one.matches(document) and one.is_certain(document)), ""
        )
        for formats in (turned, elsewhere)
    )
    hint = ""
    if other:
        hint = f"; it is {other}: give REFERENCES first, then PREDICTIONS"
    elif strange:
        hint = f"; it is {strange}, a file for {other_task}"
    return InputError(f"{document.path}: not a format of {task} that is known ({names}){hint}")


def always(document: Document) -> bool:
    """That whatever matches a format has it."""
    del document
    return True


def has_keys(value: Any, *keys: str) -> bool:
    """Whether the value is a JSON object with these keys."""
    return isinstance(value, dict) and all(key in value for key in keys)


def item_place(document: Document, number: int) -> Callable[[], str]:
    """The place of a list's item, counted from 1."""
    return lambda: f"{document.path}, item {number}"


def video_place(document: Document, video: str, written: str | None = None) -> Callable[[], str]:
    """The place of a video, which the file may write in another way."""
    return lambda: f"{document.place(written or video)}, video {video!r}"


def load_document(path: str | Path) -> Document:
    """Read a file of JSON, JSON lines or Charades-STA text.

    Raises:
        InputError: not UTF-8, empty, or broken JSON (names the line and column).
        OSError: the file cannot be read.
    """
    path = Path(path)
    text = _read(path)
    start = text.lstrip()[:1]
    if not start:
        raise InputError(f"{path} is empty")
    if start not in "{[":
        lines = [(n, line) for n, line in enumerate(text.splitlines(), start=1) if line.strip()]
        return Document(path, text, None, lines, "text")
    if path.suffix != ".jsonl":
        try:
            value = _parse(text)
        except json.JSONDecodeError as error:
            if not _looks_like_lines(text):
                raise InputError(
                    f"{path}, line {error.lineno}, column {error.colno}: {error.msg} "
                    "(is the file complete?)"
                ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: {_reason(error)}") from None
        else:
            if isinstance(value, dict) and any(keys <= value.keys() for keys in _KEYS_OF_LINES):
                return Document(path, text, None, [(1, value)], "lines")
            return Document(path, text, value, [], "json")
    return Document(path, text, None, list(_parse_lines(path, text)), "lines")


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x})"
        ) from None


def _parse_lines(path: Path, text: str) -> Iterator[tuple[int, Any]]:
    # Only "\n" ends a JSON line: U+2028 and others may stand inside its strings.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _parse(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"{path}, line {number}, column {error.colno}: {error.msg} (is the file complete?)"
            ) from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: {_reason(error)}") from None
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, got {line:.40}")
        yield number, value


def _looks_like_lines(text: str) -> bool:
    first, _, rest = text.lstrip().partition("\n")
    if not rest.strip():
        return False
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_duplicates)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no key stands twice: the second would silently replace the first."""
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {twice!r:.80} stands twice in one object")
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    # Python's own words for an integer of more than 4,300 digits speak of interpreter settings.
    return "a number of thousands of digits" if "Exceeds the limit" in str(error) else str(error)

"""Reads annotation files record by record: CSV, JSON lines, JSON documents of a list or object.

A record that cannot be read comes as its `RowError` and the next one follows. A document that
breaks in the middle has no next one: that is a `ValueError` that names the file and the place.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from seqsynth.parsing import parsed_json
from seqsynth.sources.fields import checked_text, shown
from seqsynth.sources.rows import RowError

_CHUNK_CHARACTERS = 1 << 20
_LONGEST_ATOM = 16  # characters of "-Infinity" or "\\ud83d\\ude00", and some
_WHITESPACE = " \t\n\r"
_BEHIND_A_NUMBER = tuple(",]" + _WHITESPACE)

Records = Iterator[tuple[str, dict[str, Any] | RowError]]


def csv_records(path: Path, required: Sequence[str] = ()) -> Records:
    """Rows of a CSV file with a header, as objects of text; blank lines are none.

    Raises:
        ValueError: the first line is none, or lacks a required column (names those there are).
    """
    # Bytes that are no UTF-8 must cost their own row, not the rest of the file.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        lines = csv.reader(handle)
        try:
            header = [name.strip() for name in next(lines, [])]
        except csv.Error as error:
            raise ValueError(f"{path} is no CSV file: {error}") from None
        missing = [name for name in required if name not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)}; its first line reads {shown(header)}"
            )
        while True:
            try:
                values = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                yield f"{path.name}:{lines.line_num}", RowError("not CSV", str(error))
                continue
            if values:
                yield f"{path.name}:{lines.line_num}", _csv_record(header, values)


def jsonl_records(path: Path) -> Records:
    """Lines of JSON objects; blank lines are none."""
    with path.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if content.strip():
                yield f"{path.name}:{number}", _json_line(content)


def json_list_records(path: Path, inside: str | None = None, *, document: Any = None) -> Records:
    """Objects of one JSON list, read piece by piece.

    Args:
        path: the file.
        inside: the list is the value of this key of the document, which is then read as a whole.
        document: what `json_document` gave of the file, where it has been read.

    Raises:
        ValueError: no list, or broken JSON.
    """
    if inside is None:
        values = _stream_list(path)
    else:
        document = json_document(path) if document is None else document
        values = iter(_inner(document, path, inside, list))
    for number, value in enumerate(values):
        yield f"{path.name}[{number}]", _as_object(value)


def json_object_records(
    path: Path, inside: str | None = None, *, document: Any = None
) -> Iterator[tuple[str, tuple[str, dict[str, Any]] | RowError]]:
    """Members of one JSON object, as (key, object), read as a whole; keys that come twice included.

    Args:
        path: the file.
        inside: the object is the value of this key of the document.
        document: what `json_document` gave of the file, where it has been read.

    Raises:
        ValueError: no object, or broken JSON.
    """
    document = json_document(path) if document is None else document
    members = document if inside is None else _inner(document, path, inside, dict)
    for key, value in _pairs(members, path):
        record = _as_object(value)
        origin = f"{path.name}:{shown(key)[1:-1]}"
        if isinstance(record, RowError):
            yield origin, record
        else:
            try:
                yield origin, (checked_text(key, "key"), record)
            except RowError as error:
                yield origin, error


def json_pair_records(path: Path, key_field: str, value_field: str, *, document: Any) -> Records:
    """Members of one JSON object as records: the key in one field, a text beside it in another.

    A member whose value is an object is that object, with the key in its field.

    Args:
        path: the file, for what is said of it.
        key_field: what the key is called in the record.
        value_field: what the text is.
        document: what `json_document` gave of it.

    Raises:
        ValueError: no object.
    """
    for key, value in _pairs(document, path):
        origin = f"{path.name}:{shown(key)[1:-1]}"
        if isinstance(value, str):
            yield origin, {key_field: key, value_field: value}
        else:
            record = _as_object(value)
            yield origin, record if isinstance(record, RowError) else {**record, key_field: key}


def is_json_list(path: Path) -> bool:
    """Whether a JSON document begins as a list."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as handle:
        return handle.read(_CHUNK_CHARACTERS).lstrip(_WHITESPACE).startswith("[")


def json_document(path: Path) -> Any:
    """A whole JSON document, to be handed to the readers of records when it has been looked at.

    Raises:
        ValueError: broken JSON.
    """
    try:
        return parsed_json(path.read_text(encoding="utf-8-sig"), pairs_hook=_Members)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}; was it cut short on its way?") from None


class _Members(dict[str, Any]):
    """A JSON object that also remembers every member as it was written."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def _pairs(members: Any, path: Path) -> list[tuple[str, Any]]:
    if not isinstance(members, _Members):
        raise ValueError(f"{path} must hold a JSON object, it begins with {shown(members)}")
    return members.pairs


def _csv_record(header: Sequence[str], values: Sequence[str]) -> dict[str, Any] | RowError:
    if len(values) != len(header):
        return RowError(
            "wrong number of columns", f"{len(values)} instead of {len(header)}: {shown(values)}"
        )
    try:
        return {name: checked_text(value, name) for name, value in zip(header, values, strict=True)}
    except RowError as error:
        return error


def _json_line(line: bytes) -> dict[str, Any] | RowError:
    try:
        return _as_object(parsed_json(line))
    except UnicodeDecodeError:
        return RowError("not UTF-8", shown(line))
    except ValueError as error:
        return RowError("not JSON", f"{error}: {shown(line)}")


def _as_object(value: Any) -> dict[str, Any] | RowError:
    return value if isinstance(value, dict) else RowError("not an object", shown(value))


def _stream_list(path: Path) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as handle:
        text = handle.read(_CHUNK_CHARACTERS).lstrip(_WHITESPACE)
        if not text.startswith("["):
            raise ValueError(f"{path} must hold a JSON list, it begins with {shown(text[:40])}")
        place, number = 1, 0
        while True:
            place = _skip(text, place, "," if number else "")
            if text[place : place + 1] == "]":
                return
            try:
                value, end = decoder.raw_decode(text, place)
            except (ValueError, RecursionError) as error:
                more = ""
                if _may_be_cut(error, len(text)):
                    more = handle.read(max(_CHUNK_CHARACTERS, len(text)))
                if not more:
                    raise ValueError(
                        f"{path} is no JSON from record {number} on ({error}); "
                        "was it cut short on its way here?"
                    ) from None
                text, place = text[place:] + more, 0
                continue
            if isinstance(value, int | float) and text[end : end + 1] not in _BEHIND_A_NUMBER:
                more = handle.read(_CHUNK_CHARACTERS)  # "0." of "0.5"
                if more:
                    text, place = text[place:] + more, 0
                    continue
            yield value
            place, number = end, number + 1


def _may_be_cut(error: Exception, length: int) -> bool:
    """Whether the rest of the file may mend what is no JSON as far as it has been read."""
    if not isinstance(error, json.JSONDecodeError):
        return False
    # The place of a string without an end is its start; other faults are where reading stopped.
    return error.msg.startswith("Unterminated string") or error.pos >= length - _LONGEST_ATOM


def _skip(text: str, place: int, comma: str) -> int:
    """The place behind blanks and one comma."""
    while place < len(text) and text[place] in _WHITESPACE:
        place += 1
    if comma and text[place : place + 1] == comma:
        return _skip(text, place + 1, "")
    return place


def _inner(document: Any, path: Path, key: str, kind: type) -> Any:
    value = document.get(key) if isinstance(document, dict) else None
    if not isinstance(value, kind):
        raise ValueError(f"{path} has no {kind.__name__} under {key!r}")
    return value

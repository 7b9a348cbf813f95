"""Reads a data file, converts its records and gives the text of the new file."""

import json
from pathlib import Path
from typing import Any, Final

from timetokens.errors import CodecError
from timetokens.position import checked_duration
from timetokens.records import Converter, Tally

FORMATS: Final = ("json", "jsonl", "text")


def convert_file(
    path: Path, converter: Converter, *, format_name: str | None = None
) -> tuple[str, Tally]:
    """The text of the converted file, and what was done.

    Args:
        path: .json (a list of records or one), .jsonl (one a line), anything else plain lines.
        converter: what to do with a record.
        format_name: one of FORMATS, instead of what the name of the file says.

    Raises:
        CodecError: text that is not UTF-8 or not JSON, or a record that cannot be converted; names
            the file and the record or line.
        OSError: a file that cannot be read.
    """
    if format_name is None:
        format_name = {".json": "json", ".jsonl": "jsonl"}.get(path.suffix.lower(), "text")
    text = read_text(path)
    tally = Tally()
    if format_name == "json":
        return _converted_json(path, text, converter, tally), tally
    lines = []
    # Not splitlines(): it would also split at U+2028, which JSON allows inside strings.
    for number, line in enumerate(text.split("\n"), start=1):
        body = line.removesuffix("\r")
        ending = line[len(body) :]
        try:
            if not body.strip():
                pass
            elif format_name == "text":
                body = converter.line(body, tally)
            else:
                body = _dumped(converter.record(_loaded(body), tally))
        except CodecError as error:
            raise CodecError(f"{path}, line {number}: {error}") from error
        lines.append(body + ending)
    return "\n".join(lines), tally


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by video out of a JSON object of numbers, or of objects with a duration.

    Raises:
        CodecError: another content; names the file and the video.
        OSError: a file that cannot be read.
    """
    try:
        content = _loaded(read_text(path))
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error
    if not isinstance(content, dict):
        raise CodecError(f"{path}: expected a JSON object from video names to seconds")
    durations: dict[str, float] = {}
    for video, value in content.items():
        seconds = value.get("duration") if isinstance(value, dict) else value
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise CodecError(f"{path}: duration of {video!r} must be a number, got {seconds!r:.40}")
        try:
            durations[video] = checked_duration(seconds)
        except CodecError as error:
            raise CodecError(f"{path}: {video!r}: {error}") from error
    return durations


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, line endings kept.

    Raises:
        CodecError: bytes that are not UTF-8; names the file and the place.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodecError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _converted_json(path: Path, text: str, converter: Converter, tally: Tally) -> str:
    try:
        content = _loaded(text)
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error
    is_list = isinstance(content, list)
    converted = []
    for number, record in enumerate(content if is_list else [content], start=1):
        try:
            converted.append(_dumped(converter.record(record, tally)))
        except CodecError as error:
            video = record.get("video") if isinstance(record, dict) else None
            name = f"record {number}" + (f" (video {video})" if video else "")
            raise CodecError(f"{path}, {name}: {error}") from error
    if not is_list:
        return converted[0] + "\n"
    return "[\n" + ",\n".join(converted) + "\n]\n" if converted else "[]\n"


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CodecError(
            f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from error
    except (RecursionError, ValueError) as error:
        raise CodecError(f"not JSON that can be read: {error}") from error


def _dumped(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair, written as \ud83d in the source
        return json.dumps(record)
    return text

"""Rows of a benchmark from a reference file and a folder of videos, both named by the environment.

The data sets may not be passed on, so the tasks read the files that a user has.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vidmetrics.errors import InputError
from vidmetrics.jobs import VIDEO_EXTENSIONS
from vidmetrics.readers.records import Record


def file_from_environment(variable: str, what: str) -> Path:
    """The path that an environment variable names.

    Raises:
        InputError: it is not set, or nothing is there.
    """
    value = os.environ.get(variable)
    if not value:
        raise InputError(f"set {variable} to {what}")
    path = Path(value).expanduser()
    if not path.exists():
        raise InputError(f"{variable}: {path} does not exist")
    return path


def rows_of(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Plain rows that a `datasets.Dataset` can hold."""
    return [
        {
            "id": record.id,
            "video": record.video or record.id,
            "query": record.query,
            "spans": [
                list(span[:2]) for span in record.spans or [event[:2] for event in record.events]
            ],
            "captions": [event[2] for event in record.events],
        }
        for record in records
    ]


def video_path(variable: str, name: str) -> str:
    """The file of a video in the folder that the variable names.

    Raises:
        InputError: there is none (names the folder and the video).
    """
    folder = file_from_environment(variable, "the folder of the videos")
    for extension in ("", *VIDEO_EXTENSIONS):
        path = folder / f"{name}{extension}"
        if path.is_file():
            return str(path)
    raise InputError(f"{variable}: {folder} has no video {name!r} ({', '.join(VIDEO_EXTENSIONS)})")

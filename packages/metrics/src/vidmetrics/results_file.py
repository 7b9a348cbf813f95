"""Scores as a JSON file: everything that was printed, and what comparisons need.

`docs/formats.md` describes the format; `compare` reads it back, so that two systems are compared
without scoring either again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vidmetrics.errors import InputError
from vidmetrics.resampling import FINISHERS, Interval, Resampling, Statistic, Statistics

FORMAT = "vidmetrics-results"
FORMAT_VERSION = 1
_LARGEST = 1e15  # no score and no number of words comes near it


class Result(Protocol):
    """What every evaluation returns."""

    @property
    def scores(self) -> Mapping[str, float]:
        """Score name to value."""

    @property
    def signature(self) -> str:
        """How the scores came about."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What was there."""

    @property
    def statistics(self) -> Statistics:
        """What the scores are made of."""

    @property
    def resampling(self) -> Resampling:
        """How the intervals were drawn."""

    @property
    def confidence(self) -> Mapping[str, Interval]:
        """Interval of each score."""


@dataclass(frozen=True, eq=False, slots=True)
class StoredResult:
    """One result read back from a file.

    Attributes:
        benchmark: its name, `""` if none.
        system: likewise.
        signature: how the scores came about.
        statistics: what they are made of.
    """

    benchmark: str
    system: str
    signature: str
    statistics: Statistics


def result_to_json(result: Result, *, benchmark: str = "", system: str = "") -> dict[str, Any]:
    """A result as plain JSON values; scores are fractions."""
    values: dict[str, Any] = {
        "benchmark": benchmark,
        "system": system,
        "signature": result.signature,
        "scores": dict(result.scores),
        "confidence_level": result.resampling.level,
        "confidence": {name: list(interval) for name, interval in result.confidence.items()},
        "counts": dict(result.counts),
    }
    for name in ("per_threshold", "per_video", "per_query"):
        if hasattr(result, name):
            values[name] = {str(key): dict(row) for key, row in getattr(result, name).items()}
    values["statistics"] = {
        "ids": list(result.statistics.ids),
        "scores": {
            name: {
                "kind": statistic.kind,
                "numerators": statistic.numerators.tolist(),
                "denominators": statistic.denominators.tolist(),
            }
            for name, statistic in result.statistics.metrics.items()
        },
    }
    return values


def results_to_json(task: str, files: Mapping[str, Any], results: Sequence[Any]) -> str:
    """The content of a results file.

    Args:
        task: `"dvc"`, `"tvg"` or `"highlights"`.
        files: what was scored, for the record.
        results: values of `result_to_json`.
    """
    return json_document(
        FORMAT, FORMAT_VERSION, task=task, files=dict(files), results=list(results)
    )


def json_document(name: str, version: int, **content: object) -> str:
    """The text of a JSON file that says which format and version it has."""
    return json.dumps({"format": name, "version": version, **content}, allow_nan=False) + "\n"


def is_results_file(value: object) -> bool:
    """Whether a parsed JSON file was written by `results_to_json`."""
    return isinstance(value, dict) and value.get("format") == FORMAT


def results_from_json(value: Mapping[str, Any], path: Path) -> list[StoredResult]:
    """The results of a parsed file.

    Raises:
        InputError: another version, or content that is damaged.
    """
    if value.get("version") != FORMAT_VERSION:
        raise InputError(
            f"{path}: format version {value.get('version')!r}, this vidmetrics reads "
            f"{FORMAT_VERSION}; score the predictions again"
        )
    try:
        return [
            StoredResult(
                benchmark=str(item["benchmark"]),
                system=str(item["system"]),
                signature=str(item["signature"]),
                statistics=_statistics(item["statistics"]),
            )
            for item in value["results"]
        ]
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error}); score the predictions again") from None


def _statistics(value: Mapping[str, Any]) -> Statistics:
    ids = tuple(str(name) for name in value["ids"])
    metrics: dict[str, Statistic] = {}
    for name, item in value["scores"].items():
        # Without units no row says how many columns there are, and none is needed.
        shape = (len(ids), -1) if ids else (0, 0)
        numerators = np.array(item["numerators"], dtype=np.float64).reshape(shape)
        denominators = np.array(item["denominators"], dtype=np.float64).reshape(shape)
        metrics[str(name)] = Statistic(item["kind"], numerators, denominators)
        if not _is_possible(metrics[str(name)]):
            raise ValueError(f"statistics of {name}")
    return Statistics(ids, metrics)


def _is_possible(statistic: Statistic) -> bool:
    """Whether every draw of the units has a finite score.

    Raises:
        ValueError: not so many columns as its kind has.
    """
    numerators, denominators = np.abs(statistic.numerators), np.abs(statistic.denominators)
    fits = numerators.shape == denominators.shape or statistic.kind == "meteor"
    return bool(
        statistic.kind in FINISHERS
        and fits
        and (numerators.size or not len(numerators))
        and (numerators < _LARGEST).all()  # nor NaN
        and (denominators < _LARGEST).all()
        and ((denominators == 0.0) | (denominators > 1.0 / _LARGEST)).all()
        and (not len(numerators) or math.isfinite(statistic.score))
    )

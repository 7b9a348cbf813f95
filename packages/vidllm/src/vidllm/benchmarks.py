"""A benchmark on disk: sequences with their questions, and the references for the scorer.

Made by seqsynth (`build_default_benchmark`): `examples.jsonl` has one sequence a line, every turn
of it one question; `references.jsonl` has one question a line, which the scorer reads. A question's
id is the example's id, a full stop and the turn's number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seqsynth import Example, read_examples
from seqsynth.benchmark import EXAMPLES_NAME, FORMAT_VERSION, MANIFEST_NAME
from seqsynth.parsing import parsed_json


@dataclass(frozen=True, slots=True)
class Query:
    """One question of a benchmark."""

    id: str
    benchmark: str
    example: Example
    turn: int

    @property
    def prompt(self) -> str:
        """The question's text."""
        return self.example.turns[self.turn].prompt

    @property
    def num_frames(self) -> int:
        """Frames, or images, of the sequence."""
        return len(self.example.frames)


def read_benchmark(dataset: str | Path, media_root: str | Path) -> list[Query]:
    """The questions of a benchmark, in order.

    Args:
        dataset: a folder with examples.jsonl, a file of examples, or a file of references beside
            examples.jsonl, whose questions alone are asked.
        media_root: relative paths of media start here.

    Raises:
        ValueError: no benchmark, one without questions, or a damaged line (names file and line).
    """
    path, ids = _parts_of(Path(dataset))
    examples = read_examples(path, media_root=media_root)
    queries = [query for example in examples for query in queries_of(example)]
    if ids is not None:
        unknown = sorted(ids - {query.id for query in queries})
        if unknown:
            raise ValueError(f"{dataset}: {path} has no question {unknown[0]!r}")
        queries = [query for query in queries if query.id in ids]
    if not queries:
        raise ValueError(f"{dataset} has no questions")
    return queries


def _parts_of(dataset: Path) -> tuple[Path, set[str] | None]:
    """The file of examples, and the ids of those questions that are asked; None: all."""
    if not dataset.is_file():
        path = dataset / EXAMPLES_NAME
        if not path.is_file():
            raise ValueError(f"{dataset} is no benchmark: it has no {EXAMPLES_NAME}")
        return path, None
    ids: set[str] = set()
    with dataset.open(encoding="utf-8") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                row = parsed_json(line)
                if "frames" in row:
                    return dataset, None
                ids.add(row["id"])
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(
                    f"{dataset}:{number}: no example, no reference: {error!r}"
                ) from None
    path = dataset.parent / EXAMPLES_NAME
    if not path.is_file():
        raise ValueError(f"{dataset} has questions without frames: {path} is missing")
    return path, ids


def folder_of(dataset: str | Path) -> Path:
    """Where a dataset's manifest lies."""
    dataset = Path(dataset)
    return dataset.parent if dataset.is_file() else dataset


def queries_of(example: Example) -> Iterator[Query]:
    """One query for each turn of an example."""
    benchmark = example.id.rpartition("-")[0] or example.id
    for turn in range(len(example.turns)):
        yield Query(f"{example.id}.{turn}", benchmark, example, turn)


def templates_of(directory: str | Path) -> str | None:
    """The wording that a benchmark's manifest names; None where it has no manifest."""
    spec = _spec(Path(directory))
    return None if spec is None else str(spec["templates"])


def num_clips_of(directory: str | Path) -> tuple[int, int] | None:
    """Fewest and most clips of a sequence by the manifest; None where there is no manifest."""
    spec = _spec(Path(directory))
    return None if spec is None else (int(spec["min_clips"]), int(spec["max_clips"]))


def _spec(directory: Path) -> dict[str, Any] | None:
    """The sizes and wording in a benchmark's manifest; None where it has no manifest.

    Raises:
        ValueError: the file lacks them, or is of another version.
    """
    path = directory / MANIFEST_NAME
    if not path.is_file():
        return None
    try:
        record = parsed_json(path.read_bytes())
        version, spec = record.get("format_version"), record["spec"]
        wanted = {name: spec[name] for name in ("templates", "min_clips", "max_clips")}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no manifest of a benchmark: {error!r}") from None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path} has format {version}, this version reads {FORMAT_VERSION}: build the "
            "benchmark again"
        )
    return wanted


def content_hash(dataset: str | Path) -> str:
    """Hex sha256 of the benchmark's questions."""
    dataset = Path(dataset)
    path, ids = _parts_of(dataset)
    digest = hashlib.sha256(path.read_bytes())
    if ids is not None:
        digest.update(dataset.read_bytes())
    return digest.hexdigest()

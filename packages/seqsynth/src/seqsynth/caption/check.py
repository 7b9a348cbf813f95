"""Scores written captions: a shard of scores beside each shard of captions, nothing left out.

`captions-00003.parquet` gets `checks-00003.parquet` with a row for each of its clips. Who reads the
captions decides by these scores; see `join`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seqsynth.caption.image_text import ImageTextScorer
from seqsynth.caption.records import SCHEMA
from seqsynth.caption.shards import PREFIX, read_shard, shard_paths, write_shard
from seqsynth.caption.text_checks import check_text
from seqsynth.frames import MediaError, load_frames
from seqsynth.one_writer import one_writer
from seqsynth.records import FrameRef

CHECKS_PREFIX = "checks-"
LOCK_NAME = ".checks.lock"

CHECK_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("num_words", pa.int64(), nullable=False),
        pa.field("label_words", pa.int64(), nullable=False),
        pa.field("label_words_found", pa.int64(), nullable=False),
        ("label_coverage", pa.float64()),
        pa.field("repetition", pa.float64(), nullable=False),
        pa.field("refusal", pa.string(), nullable=False),
        pa.field("is_cut", pa.bool_(), nullable=False),
        ("image_text_mean", pa.float64()),
        ("image_text_lowest", pa.float64()),
        ("image_text_error", pa.string()),
    ]
)
"""Columns of a shard of scores; docs/formats.md describes them."""

_SCORES = ("label_coverage", "num_words", "repetition", "image_text_mean", "image_text_lowest")
_PREFIX = b"seqsynth.checks."
_QUANTILES = (0.05, 0.5, 0.95)

OnDone = Callable[[int], None]


@dataclass(slots=True)
class CheckReport:
    """What was found in all captions.

    Attributes:
        num_captions: looked at.
        num_refusals: decline to answer.
        num_cut: end at the limit of tokens.
        num_unlabelled: are of clips without a label.
        num_unread: have frames that cannot be read any more, so no score by a model.
        scores: of each score all values, unless there are none.
    """

    num_captions: int = 0
    num_refusals: int = 0
    num_cut: int = 0
    num_unlabelled: int = 0
    num_unread: int = 0
    scores: dict[str, list[float]] = field(default_factory=dict)

    def add(self, table: pa.Table) -> None:
        """Counts the rows of one shard of scores."""
        self.num_captions += len(table)
        self.num_refusals += sum(map(bool, table.column("refusal").to_pylist()))
        self.num_cut += sum(table.column("is_cut").to_pylist())
        self.num_unlabelled += table.column("label_coverage").null_count
        self.num_unread += len(table) - table.column("image_text_error").null_count
        for name in _SCORES:
            values = table.column(name).drop_null().to_pylist()
            self.scores.setdefault(name, []).extend(map(float, values))

    def to_record(self) -> dict[str, Any]:
        """Counts, and of each score the mean and how it is spread."""
        counts = ("num_captions", "num_refusals", "num_cut", "num_unlabelled", "num_unread")
        record: dict[str, Any] = {name: getattr(self, name) for name in counts}
        record["scores"] = {name: _spread(values) for name, values in self.scores.items() if values}
        return record


def check_captions(
    folder: str | Path,
    *,
    root: str | Path | None = None,
    scorer: ImageTextScorer | None = None,
    on_done: OnDone | None = None,
) -> CheckReport:
    """Writes the scores of all captions of a folder; shards that have them are left alone.

    Args:
        folder: of captions.
        root: where the paths of the clips begin; needed by a scorer.
        scorer: also compares captions with frames; None: words alone are looked at, and scores of
            an earlier scorer are kept.
        on_done: is told how many more captions are done with.

    Raises:
        HeldError: another process scores them, and some have no scores yet.
        ValueError: no captions, or a damaged shard.
    """
    folder = Path(folder)
    paths = shard_paths(folder)
    if not paths:
        raise ValueError(f"{folder} has no captions yet")
    report = CheckReport()
    with contextlib.ExitStack() as stack:
        is_held = False
        for path in paths:
            facts = {b"captions_sha256": _sha256(path), b"image_text_model": _name(scorer)}
            table = _fresh(check_path(path), facts)
            if table is None:
                if not is_held:  # where all have their scores, the folder may be read-only
                    stack.enter_context(one_writer(folder / LOCK_NAME, f"scoring {folder}"))
                    is_held = True
                table = _scored(path, root, scorer, facts)
                write_shard(table, check_path(path))
            report.add(table)
            if on_done:
                on_done(len(table))
    return report


def _scored(
    path: Path,
    root: str | Path | None,
    scorer: ImageTextScorer | None,
    facts: Mapping[bytes, bytes],
) -> pa.Table:
    rows = [_row(record, root, scorer) for record in read_shard(path, SCHEMA).to_pylist()]
    metadata = {_PREFIX + key: value for key, value in facts.items()}
    return pa.Table.from_pylist(rows, CHECK_SCHEMA.with_metadata(metadata))


def check_path(captions_path: Path) -> Path:
    """Where the scores of a shard of captions stand."""
    number = captions_path.name.removeprefix(PREFIX)
    return captions_path.with_name(CHECKS_PREFIX + number)


def read_checks(captions_path: Path) -> pa.Table | None:
    """The scores of a shard of captions, None where there are none or the captions have changed.

    Raises:
        ValueError: they are damaged (names the file).
    """
    path = check_path(captions_path)
    return _fresh(path, {b"captions_sha256": _sha256(captions_path)})


def _fresh(path: Path, facts: Mapping[bytes, bytes]) -> pa.Table | None:
    """The scores, if they were made of the same captions and by the same model."""
    if not path.is_file():
        return None
    table = read_shard(path, CHECK_SCHEMA)
    known = pq.read_schema(path).metadata or {}
    for key, value in facts.items():
        if known.get(_PREFIX + key) != value and (value or key != b"image_text_model"):
            return None
    return table


def _row(
    record: Mapping[str, Any], root: str | Path | None, scorer: ImageTextScorer | None
) -> dict[str, Any]:
    check = check_text(record["caption"], record["label"])
    row: dict[str, Any] = {
        "id": record["id"],
        "num_words": check.num_words,
        "label_words": check.label_words,
        "label_words_found": check.label_words_found,
        "label_coverage": check.label_coverage,
        "repetition": check.repetition,
        "refusal": check.refusal,
        "is_cut": record["finish_reason"] == "length",
    }
    if scorer is not None and root is not None:
        path = str(Path(root) / record["path"])
        refs = [FrameRef(path, frame_index) for frame_index in record["frame_indices"]]
        try:
            frames = load_frames(refs, record["frame_size"], geometry=record["geometry"])
        except MediaError as error:
            return {**row, "image_text_error": str(error)}
        score = scorer.score(record["caption"], frames)
        row |= {"image_text_mean": score.mean, "image_text_lowest": score.lowest}
    return row


def _name(scorer: ImageTextScorer | None) -> bytes:
    return scorer.name.encode() if scorer is not None else b""


def _sha256(path: Path) -> bytes:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest().encode()


def _spread(values: list[float]) -> dict[str, float]:
    array = np.asarray(values)
    low, middle, high = np.quantile(array, _QUANTILES).tolist()
    return {
        "count": len(values),
        "mean": float(array.mean()),
        "quantile_05": low,
        "median": middle,
        "quantile_95": high,
    }


def each_with_checks(folder: Path) -> Iterator[tuple[Path, pa.Table, pa.Table | None]]:
    """Every shard of captions with its scores."""
    for path in shard_paths(folder):
        yield path, read_shard(path, SCHEMA), read_checks(path)

"""Brings captions into a corpus: each clip gets its own, and clips that get none are counted.

The captions stay as they are; thresholds decide which of them a corpus takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from seqsynth.caption.check import each_with_checks
from seqsynth.caption.text_checks import TextCheck, check_text
from seqsynth.index_survey import Absent, Outcome, Present
from seqsynth.manifest import Manifest
from seqsynth.manifest_rows import rows_of
from seqsynth.manifest_schema import ManifestRow

MISSING = "no caption"
LEFT_OUT = "caption left out: "


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionFilter:
    """Which captions are good enough; the default takes all.

    Attributes:
        min_label_words: least share of the label's words that a caption has, in [0, 1]; captions
            of clips without a label pass.
        max_repetition: largest share of repeated runs of four words, in [0, 1].
        refusals: take captions in which the model declines to answer.
        cut: take captions that end at the limit of tokens.
        min_image_text: least score of the whole caption by the model of `caption-check`.
    """

    min_label_words: float = 0.0
    max_repetition: float = 1.0
    refusals: bool = True
    cut: bool = True
    min_image_text: float | None = None

    def __post_init__(self) -> None:
        for name in ("min_label_words", "max_repetition"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 0 <= value <= 1):
                raise ValueError(f"{name} must be in [0, 1], got {value}")

    def objection(self, check: TextCheck, *, is_cut: bool, image_text: float | None) -> str:
        """Why a caption is left out, "" where it is taken.

        Args:
            check: of its words.
            is_cut: it ends at the limit of tokens.
            image_text: its score by a model, None where it has none.
        """
        coverage = check.label_coverage
        if check.refusal and not self.refusals:
            return "the model declines to answer"
        if coverage is not None and coverage < self.min_label_words:
            return f"it has less than {self.min_label_words:g} of the label's words"
        if check.repetition > self.max_repetition:
            return f"more than {self.max_repetition:g} of it repeats itself"
        if is_cut and not self.cut:
            return "it ends at the limit of tokens"
        if self.min_image_text is not None and (
            image_text is None or image_text < self.min_image_text
        ):
            why = "is not scored" if image_text is None else f"scores under {self.min_image_text:g}"
            return f"it {why} by the model of images and text"
        return ""


class Captions:
    """The captions of some folders by clip, in memory as Arrow tables.

    Args:
        folders: what `seqsynth caption` wrote.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a damaged shard, or a clip that has two captions (names them).
    """

    def __init__(self, folders: Sequence[str | Path]) -> None:
        tables = []
        self._row_of: dict[str, int] = {}
        paths: list[tuple[int, Path]] = []
        for folder in folders:
            for path, captions, checks in each_with_checks(Path(folder)):
                paths.append((len(self._row_of), path))
                for key in captions.column("id").to_pylist():
                    if key in self._row_of:
                        first = _owner(paths, self._row_of[key])
                        raise ValueError(
                            f"clip {key!r} has a caption in {first} and in {path}: name folders "
                            "of different clips"
                        )
                    self._row_of[key] = len(self._row_of)
                tables.append(_columns(captions, checks))
        if not tables:
            raise ValueError(f"{', '.join(map(str, folders))}: no captions there yet")
        self._table = pa.concat_tables(tables).combine_chunks()

    def __len__(self) -> int:
        return len(self._row_of)

    def get(self, clip_id: str) -> dict[str, Any] | None:
        """`caption`, `label`, `finish_reason` and `image_text_mean` of a clip, None without one."""
        row = self._row_of.get(clip_id)
        if row is None:
            return None
        return {name: self._table.column(name)[row].as_py() for name in self._table.column_names}


def captioned(
    outcomes: Iterable[Outcome], captions: Captions, kept: CaptionFilter
) -> Iterator[Outcome]:
    """The outcomes of a survey, in which clips have their captions.

    A clip without one becomes absent: missing, with the reason. What is no clip passes as it is.

    Args:
        outcomes: what a source lists.
        captions: of its clips.
        kept: which captions are taken.
    """
    for outcome in outcomes:
        if isinstance(outcome, Absent) or outcome.row.kind != "clip":
            yield outcome
            continue
        row = outcome.row
        found = captions.get(row.id)
        if found is None:
            yield _absent(row, MISSING)
            continue
        flaws = outcome.flaws
        if found["label"] != row.label:
            flaws = (*flaws, "captioned under another label")
        objection = kept.objection(
            check_text(found["caption"], row.label),
            is_cut=found["finish_reason"] == "length",
            image_text=found["image_text_mean"],
        )
        if objection:
            yield _absent(row, LEFT_OUT + objection, found["caption"][:200])
        else:
            yield Present(replace(row, caption=found["caption"]), flaws)


def manifest_outcomes(manifest: Manifest) -> Iterator[Outcome]:
    """The rows of a manifest as a survey would yield them; no file is looked at."""
    return (Present(row) for row in rows_of(manifest))


def _absent(row: ManifestRow, reason: str, detail: str = "") -> Absent:
    return Absent(
        status="missing",
        origin=row.id,
        reason=reason,
        detail=detail,
        path=row.path,
        part=row.part,
        id=row.id,
    )


def _columns(captions: pa.Table, checks: pa.Table | None) -> pa.Table:
    scores = pa.nulls(len(captions), pa.float64())
    if checks is not None:
        scores = checks.column("image_text_mean")
    names = ["caption", "label", "finish_reason"]
    return captions.select(names).append_column("image_text_mean", scores)


def _owner(paths: Sequence[tuple[int, Path]], row: int) -> Path:
    return next(path for first, path in reversed(paths) if first <= row)

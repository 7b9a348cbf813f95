"""One video made ready for scoring: its matrices of times, and the numbers of its captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vidmetrics.caption_pairs import NOTHING, CaptionTable
from vidmetrics.errors import InputError
from vidmetrics.events import Event, FloatArray, IntArray, span_array
from vidmetrics.iou import iou_matrix
from vidmetrics.protocol import Protocol
from vidmetrics.soda import permuted_columns, start_order

# References times predictions of one video; beyond it the matrices would not fit in memory.
MAX_PAIRS_PER_VIDEO = 20_000_000


@dataclass(frozen=True, slots=True)
class Video:
    """The events of one video that is to be scored.

    Attributes:
        id: name of the video.
        sets: reference events, by number of the reference set that has this video.
        predictions: predicted events, in file order.
    """

    id: str
    sets: Mapping[int, Sequence[Event]]
    predictions: Sequence[Event]

    @property
    def references(self) -> list[Event]:
        """The events of all sets, one set after the other."""
        return [event for events in self.sets.values() for event in events]


@dataclass(frozen=True, eq=False, slots=True)
class SodaMatrix:
    """What SODA_c of one reference set needs.

    Attributes:
        set_number: the reference set.
        iou: (references, predictions) float64, columns in the protocol's order.
        references: (references,) caption numbers.
        columns: (predictions,) caption number whose METEOR stands in each column.
    """

    set_number: int
    iou: FloatArray
    references: IntArray
    columns: IntArray

    def overlapping(self) -> tuple[IntArray, IntArray]:
        """Row and column of every cell whose spans overlap; METEOR matters nowhere else."""
        row, column = np.nonzero(self.iou)
        return row, column

    def meteor_pairs(
        self, row: IntArray, column: IntArray, roles: Literal["swapped", "straight"]
    ) -> tuple[IntArray, IntArray]:
        """Caption numbers of what METEOR takes as reference and as prediction in each cell."""
        reference, prediction = self.references[row], self.columns[column]
        return (reference, prediction) if roles == "straight" else (prediction, reference)


@dataclass(frozen=True, eq=False, slots=True)
class Layout:
    """Times and caption numbers of one video.

    Attributes:
        iou: (references, predictions) float64, references of all sets one after the other.
        set_rows: rows of each set.
        references: (references,) caption numbers.
        predictions: (predictions,) caption numbers, in file order.
        prediction_order: (predictions,) the protocol's order of the predictions for SODA_c.
    """

    iou: FloatArray
    set_rows: Mapping[int, slice]
    references: IntArray
    predictions: IntArray
    prediction_order: IntArray

    def caption_pairs(self, threshold: float, *, strict: bool) -> tuple[IntArray, IntArray]:
        """References and predictions that are compared at one IoU threshold.

        Every prediction stands with each reference that it overlaps enough; one that overlaps none
        stands with `NOTHING`.

        Returns:
            Caption numbers of the references and of the predictions, two (pairs,) arrays.
        """
        enough = self.iou > threshold if strict else self.iou >= threshold
        prediction, reference = np.nonzero(enough.T)
        alone = np.flatnonzero(~enough.any(axis=0))
        return (
            np.concatenate([self.references[reference], np.full(len(alone), NOTHING)]),
            np.concatenate([self.predictions[prediction], self.predictions[alone]]),
        )

    def soda_matrices(self, protocol: Protocol) -> list[SodaMatrix]:
        """One matrix a reference set, columns as the protocol orders and permutes them."""
        columns = self.predictions[self.prediction_order]
        if protocol.soda_columns == "permuted":
            columns = columns[permuted_columns(len(columns))]
        return [
            SodaMatrix(
                number, self.iou[rows][:, self.prediction_order], self.references[rows], columns
            )
            for number, rows in self.set_rows.items()
        ]


def lay_out(videos: Sequence[Video], protocol: Protocol) -> tuple[list[Layout], list[str]]:
    """Layouts of the videos, and the token strings that their caption numbers name.

    Raises:
        InputError: a video with so many events that no matrix of them fits in memory.
    """
    table = CaptionTable(ascii_only=protocol.characters == "ascii")
    stop = "." if protocol.full_stop else ""
    references = table.add_run([event[2] + stop for event in video.references] for video in videos)
    predictions = table.add_run([event[2] for event in video.predictions] for video in videos)
    table.tokenize()
    layouts = [
        _layout(video, protocol, table.numbers_of(own), table.numbers_of(predicted))
        for video, own, predicted in zip(videos, references, predictions, strict=True)
    ]
    return layouts, table.tokens


def _layout(
    video: Video, protocol: Protocol, references: IntArray, predictions: IntArray
) -> Layout:
    if len(references) * len(predictions) > MAX_PAIRS_PER_VIDEO:
        raise InputError(
            f"video {video.id!r}: {len(predictions)} predictions with {len(references)} references "
            f"are more than the {MAX_PAIRS_PER_VIDEO} pairs that one video may have"
        )
    spans = span_array(video.predictions)
    set_rows: dict[int, slice] = {}
    first = 0
    for number, events in video.sets.items():
        set_rows[number] = slice(first, first + len(events))
        first += len(events)
    order = start_order(spans) if protocol.soda_order == "start" else np.arange(len(spans))
    return Layout(
        iou=iou_matrix(span_array(video.references), spans, protocol.iou_rule),
        set_rows=set_rows,
        references=references,
        predictions=predictions,
        prediction_order=order,
    )

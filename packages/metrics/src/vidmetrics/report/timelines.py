"""From references and predictions to bars on a timeline, with the overlap of each pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidmetrics.caption_pairs import score_pairs
from vidmetrics.dense_captioning import DenseCaptioningResult
from vidmetrics.events import IntArray, span_array
from vidmetrics.grounding import GroundingResult
from vidmetrics.iou import IouRule, iou_matrix
from vidmetrics.jobs import Job
from vidmetrics.meteor import Meteor
from vidmetrics.protocol import Protocol
from vidmetrics.readers.records import Record
from vidmetrics.score_tables import percent, title
from vidmetrics.video_layout import Layout, Video, lay_out

MAX_BARS = 200  # a side of one timeline; more could not be told apart
_TRUE_IOU = IouRule(union="true", reversed_spans="repaired")
_Cells = Mapping[tuple[int, int], tuple[float, float | None]]
"""IoU and METEOR of the reference (row) and prediction (column) that overlap, from 0."""


@dataclass(frozen=True, slots=True)
class Match:
    """One span of the other side that overlaps.

    Attributes:
        number: of that span, from 1.
        iou: overlap in [0, 1].
        meteor: of the two captions, in their own roles; None for grounding.
    """

    number: int
    iou: float
    meteor: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One span on a timeline.

    Attributes:
        start_seconds: as it was given; it may lie after the end.
        end_seconds: likewise.
        caption: `""` for grounding.
        matches: spans of the other side that overlap, best first.
    """

    start_seconds: float
    end_seconds: float
    caption: str
    matches: Sequence[Match]

    @property
    def best_iou(self) -> float:
        """The best overlap with the other side."""
        return self.matches[0].iou if self.matches else 0.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """One video or query.

    Attributes:
        name: of the video or query.
        subtitle: the sentence of a query.
        quality: what timelines are sorted by, higher is better.
        scores: title and printed value.
        duration_seconds: length of the axis.
        references: bars above.
        predictions: bars below.
        num_hidden: bars left out beyond `MAX_BARS` a side.
    """

    name: str
    subtitle: str
    quality: float
    scores: Mapping[str, str]
    duration_seconds: float
    references: Sequence[Bar]
    predictions: Sequence[Bar]
    num_hidden: int


def dense_timelines(
    job: Job, result: DenseCaptioningResult, protocol: Protocol, meteor: Meteor, limit: int
) -> list[Timeline]:
    """Timelines of scored videos by SODA_c, worst first; the worst and best half of `limit`."""
    quality = {name: (scores["soda_c"], scores["f1"]) for name, scores in result.per_video.items()}
    videos = [
        Video(
            name,
            {
                number: one[name].events[:MAX_BARS]
                for number, one in enumerate(job.references)
                if name in one
            },
            job.predictions[name].events[:MAX_BARS] if name in job.predictions else (),
        )
        for name in _both_ends(sorted(quality, key=quality.__getitem__), limit)
    ]
    layouts, tokens = lay_out(videos, protocol)
    return [
        _dense_timeline(job, video, result.per_video[video.id], _overlaps(layout, tokens, meteor))
        for video, layout in zip(videos, layouts, strict=True)
    ]


def grounding_timelines(job: Job, result: GroundingResult, limit: int) -> list[Timeline]:
    """Timelines of queries by IoU, worst first; the worst and best half of `limit`."""
    quality = {name: scores["iou"] for name, scores in result.per_query.items()}
    timelines: list[Timeline] = []
    for name in _both_ends(sorted(quality, key=quality.__getitem__), limit):
        record = job.references[0][name]
        windows = record.spans[:MAX_BARS]
        answered = job.predictions[name].spans if name in job.predictions else ()
        answers = answered[:MAX_BARS]
        iou = iou_matrix(
            span_array([span[:2] for span in windows]),
            span_array([span[:2] for span in answers]),
            _TRUE_IOU,
        )
        rows, columns = np.nonzero(iou)
        cells: _Cells = {
            (row, column): (float(iou[row, column]), None)
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        }
        references, predictions = _bars(
            [(span[0], span[1], "") for span in windows],
            [(span[0], span[1], "") for span in answers],
            cells,
        )
        timelines.append(
            Timeline(
                name=f"{record.video} · {name}" if record.video else name,
                subtitle=record.query,
                quality=quality[name],
                scores={"IoU": percent(quality[name])},
                duration_seconds=_axis(record.duration_seconds, references, predictions),
                references=references,
                predictions=predictions,
                num_hidden=len(record.spans) + len(answered) - len(windows) - len(answers),
            )
        )
    return timelines


def _dense_timeline(
    job: Job,
    video: Video,
    scores: Mapping[str, float],
    cells: _Cells,
) -> Timeline:
    references, predictions = _bars(video.references, video.predictions, cells)
    whole: list[Record] = [one[video.id] for one in job.references if video.id in one]
    total = sum(len(record.events) for record in whole) + (
        len(job.predictions[video.id].events) if video.id in job.predictions else 0
    )
    durations = [r.duration_seconds for r in whole if r.duration_seconds is not None]
    return Timeline(
        name=video.id,
        subtitle="",
        quality=scores["soda_c"],
        scores={title(name): percent(scores[name]) for name in ("soda_c", "cider", "meteor", "f1")},
        duration_seconds=_axis(max(durations, default=None), references, predictions),
        references=references,
        predictions=predictions,
        num_hidden=total - len(references) - len(predictions),
    )


def _overlaps(layout: Layout, tokens: list[str], meteor: Meteor) -> _Cells:
    rows: IntArray
    columns: IntArray
    rows, columns = np.nonzero(layout.iou)
    references, predictions = layout.references[rows], layout.predictions[columns]
    table = score_pairs(meteor, tokens, references, predictions)
    scores = table.scores[table.rows_of(references, predictions)]
    return {
        (row, column): (float(layout.iou[row, column]), score)
        for row, column, score in zip(rows.tolist(), columns.tolist(), scores.tolist(), strict=True)
    }


def _bars(
    references: Sequence[tuple[float, float, str]],
    predictions: Sequence[tuple[float, float, str]],
    cells: _Cells,
) -> tuple[list[Bar], list[Bar]]:
    of_reference: dict[int, list[Match]] = {}
    of_prediction: dict[int, list[Match]] = {}
    for (row, column), (iou, meteor) in cells.items():
        of_reference.setdefault(row, []).append(Match(column + 1, iou, meteor))
        of_prediction.setdefault(column, []).append(Match(row + 1, iou, meteor))
    return (
        [Bar(*event, _best_first(of_reference.get(n, []))) for n, event in enumerate(references)],
        [Bar(*event, _best_first(of_prediction.get(n, []))) for n, event in enumerate(predictions)],
    )


def _best_first(matches: list[Match]) -> list[Match]:
    return sorted(matches, key=lambda match: -match.iou)


def _axis(
    duration_seconds: float | None, references: Sequence[Bar], predictions: Sequence[Bar]
) -> float:
    """Length of the axis: the video, or up to the last reference where its length is unknown.

    In that case predictions may stretch it by half, no more: one absurd time would squeeze
    everything else.
    """
    last = max((max(bar.start_seconds, bar.end_seconds) for bar in references), default=0.0)
    if duration_seconds is not None:
        return max(duration_seconds, last, 1e-3)
    predicted = max((max(bar.start_seconds, bar.end_seconds) for bar in predictions), default=0.0)
    return max(last, min(predicted, 1.5 * last), 1e-3)


def _both_ends(names: Sequence[str], limit: int) -> list[str]:
    """All names, or the first and last of them."""
    if len(names) <= limit:
        return list(names)
    best = limit // 2
    return [*names[: limit - best], *(names[-best:] if best else ())]

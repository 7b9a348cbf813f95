"""Functions of `charades_sta_tvg.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidmetrics.grounding import evaluate_grounding
from vidmetrics.lmms_eval.documents import file_from_environment, rows_of, video_path
from vidmetrics.readers import read_queries
from vidmetrics.readers.answers import spans_in_seconds

Row = Mapping[str, Any]
METRICS = ("recall_at_1_iou_0.3", "recall_at_1_iou_0.5", "recall_at_1_iou_0.7", "mean_iou")


def process_docs(dataset: Any) -> Any:
    """The data set of the references, in place of the anchor."""
    path = file_from_environment("CHARADES_STA_REFERENCES", "a query file, as vidmetrics tvg takes")
    return type(dataset).from_list(rows_of(read_queries(path)))


def doc_to_visual(doc: Row, lmms_eval_specific_kwargs: Any = None) -> list[str]:
    """The video file."""
    del lmms_eval_specific_kwargs
    return [video_path("CHARADES_STA_VIDEOS", doc["video"])]


def doc_to_text(doc: Row, lmms_eval_specific_kwargs: Mapping[str, str] | None = None) -> str:
    """The question; `{query}` in the prompt is the sentence without its full stop."""
    prompt = (lmms_eval_specific_kwargs or {}).get("prompt", "")
    return prompt.replace("{query}", str(doc["query"]).strip().removesuffix("."))


def doc_to_target(doc: Row) -> str:
    """The first reference window in the notation that is asked for."""
    start, end = doc["spans"][0]
    return f"{start:.1f} - {end:.1f} seconds"


def process_results(doc: Row, results: Sequence[str]) -> dict[str, Any]:
    """Windows and answered spans of one query, for every metric's aggregation."""
    spans = spans_in_seconds(results[0] if results else "")
    entry = {"id": doc["id"], "windows": doc["spans"], "spans": spans}
    return dict.fromkeys(METRICS, entry)


def recall_03(entries: Sequence[Row]) -> float:
    """Recall at 1 with IoU 0.3, times 100."""
    return 100.0 * _recall(entries, 0.3)


def recall_05(entries: Sequence[Row]) -> float:
    """Recall at 1 with IoU 0.5, times 100."""
    return 100.0 * _recall(entries, 0.5)


def recall_07(entries: Sequence[Row]) -> float:
    """Recall at 1 with IoU 0.7, times 100."""
    return 100.0 * _recall(entries, 0.7)


def mean_iou(entries: Sequence[Row]) -> float:
    """Mean IoU times 100; an answer without a span counts 0."""
    return 100.0 * evaluate_grounding(*_mappings(entries)).mean_iou


def _recall(entries: Sequence[Row], iou_threshold: float) -> float:
    result = evaluate_grounding(*_mappings(entries), iou_thresholds=(iou_threshold,))
    return result.recall_at_1[iou_threshold]


def _mappings(entries: Sequence[Row]) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {entry["id"]: entry["windows"] for entry in entries},
        {entry["id"]: entry["spans"] for entry in entries},
    )

"""Functions of `youcook2_dvc.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from vidmetrics.dense_captioning import evaluate_dense_captions
from vidmetrics.lmms_eval.documents import file_from_environment, rows_of, video_path
from vidmetrics.readers import read_dense_references
from vidmetrics.readers.answers import events_in_seconds

Row = Mapping[str, Any]
_Events = tuple[tuple[float, float, str], ...]
METRICS = ("soda_c", "cider", "meteor", "f1")


def process_docs(dataset: Any) -> Any:
    """The data set of the references, in place of the anchor."""
    path = file_from_environment("YOUCOOK2_REFERENCES", "a reference file, as vidmetrics dvc takes")
    return type(dataset).from_list(rows_of(read_dense_references(path)))


def doc_to_visual(doc: Row, lmms_eval_specific_kwargs: Any = None) -> list[str]:
    """The video file."""
    del lmms_eval_specific_kwargs
    return [video_path("YOUCOOK2_VIDEOS", doc["video"])]


def doc_to_text(doc: Row, lmms_eval_specific_kwargs: Mapping[str, str] | None = None) -> str:
    """The instruction; it is the same for every video."""
    del doc
    return (lmms_eval_specific_kwargs or {}).get("prompt", "")


def doc_to_target(doc: Row) -> str:
    """The reference in the notation that is asked for."""
    return "\n".join(
        f"{start:.1f} - {end:.1f} seconds, {caption}"
        for (start, end), caption in zip(doc["spans"], doc["captions"], strict=True)
    )


def process_results(doc: Row, results: Sequence[str]) -> dict[str, Any]:
    """Reference and predicted events of one video, for every metric's aggregation."""
    events, _ = events_in_seconds(results[0] if results else "")
    reference = [
        (*span, caption) for span, caption in zip(doc["spans"], doc["captions"], strict=True)
    ]
    entry = {"id": doc["id"], "references": reference, "predictions": events}
    return dict.fromkeys(METRICS, entry)


def soda_c(entries: Sequence[Row]) -> float:
    """SODA_c times 100."""
    return _score(entries, "soda_c")


def cider(entries: Sequence[Row]) -> float:
    """CIDEr times 100."""
    return _score(entries, "cider")


def meteor(entries: Sequence[Row]) -> float:
    """METEOR times 100."""
    return _score(entries, "meteor")


def f1(entries: Sequence[Row]) -> float:
    """F1 times 100."""
    return _score(entries, "f1")


def _score(entries: Sequence[Row], metric: str) -> float:
    references = tuple((entry["id"], _frozen(entry["references"])) for entry in entries)
    predictions = tuple((entry["id"], _frozen(entry["predictions"])) for entry in entries)
    return 100.0 * _scores(references, predictions)[metric]


@lru_cache(maxsize=2)
def _scores(
    references: tuple[tuple[str, _Events], ...], predictions: tuple[tuple[str, _Events], ...]
) -> Mapping[str, float]:
    """All scores at once; every metric's aggregation asks for the same."""
    return evaluate_dense_captions(dict(references), dict(predictions)).scores


def _frozen(events: Sequence[Sequence[Any]]) -> _Events:
    return tuple((float(start), float(end), str(caption)) for start, end, caption in events)

"""Readers of the reference and prediction files that the field has."""

from vidmetrics.readers.dense_formats import read_dense_predictions, read_dense_references
from vidmetrics.readers.grounding_formats import read_answers, read_queries
from vidmetrics.readers.highlight_formats import read_clip_scores, read_saliency
from vidmetrics.readers.records import Record

__all__ = [
    "Record",
    "read_answers",
    "read_clip_scores",
    "read_dense_predictions",
    "read_dense_references",
    "read_queries",
    "read_saliency",
]

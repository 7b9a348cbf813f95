"""Readers of the reference and prediction files that the field has.

Each name is imported when it is first used, so that no task waits for another's formats.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "Record": "records",
    "read_answers": "grounding_formats",
    "read_clip_scores": "highlight_formats",
    "read_dense_predictions": "dense_formats",
    "read_dense_references": "dense_formats",
    "read_queries": "grounding_formats",
    "read_saliency": "highlight_formats",
}


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module 'vidmetrics.readers' has no attribute {name!r}")
    value = getattr(import_module(f"vidmetrics.readers.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})

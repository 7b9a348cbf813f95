"""Scores for dense video captioning and temporal grounding, as the field computes them.

The public names below take plain Python: events as `(start_seconds, end_seconds, caption)`, spans
as `(start_seconds, end_seconds)`. Files are read by `vidmetrics.readers` and by the command
`vidmetrics`.
"""

from typing import TYPE_CHECKING, Any

from vidmetrics.cider import cider_d
from vidmetrics.dense_captioning import DenseCaptioningResult, evaluate_dense_captions
from vidmetrics.errors import InputError
from vidmetrics.grounding import GroundingResult, evaluate_grounding
from vidmetrics.highlights import HighlightResult, Saliency, evaluate_highlights
from vidmetrics.protocol import PROTOCOLS, Protocol
from vidmetrics.resampling import Comparison, Interval, Resampling, compare
from vidmetrics.text_stats import TextRichness, text_richness

if TYPE_CHECKING:
    __version__: str

__all__ = [
    "PROTOCOLS",
    "Comparison",
    "DenseCaptioningResult",
    "GroundingResult",
    "HighlightResult",
    "InputError",
    "Interval",
    "Protocol",
    "Resampling",
    "Saliency",
    "TextRichness",
    "cider_d",
    "compare",
    "evaluate_dense_captions",
    "evaluate_grounding",
    "evaluate_highlights",
    "text_richness",
]


def __getattr__(name: str) -> Any:
    """`__version__`, read from the installed metadata when asked for: that takes a while."""
    if name == "__version__":
        from vidmetrics.signature import package_version

        return package_version()
    raise AttributeError(f"module 'vidmetrics' has no attribute {name!r}")

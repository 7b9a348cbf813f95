"""Scores for dense video captioning and temporal grounding, as the field computes them.

The public names below take plain Python: events as `(start_seconds, end_seconds, caption)`, spans
as `(start_seconds, end_seconds)`. Files are read by `vidmetrics.readers` and by the command
`vidmetrics`. Each name is imported when it is first used, so that grounding does not wait for
METEOR, nor `--help` for NumPy.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vidmetrics.version import __version__

if TYPE_CHECKING:
    from vidmetrics.cider import cider_d
    from vidmetrics.dense_captioning import DenseCaptioningResult, evaluate_dense_captions
    from vidmetrics.errors import InputError
    from vidmetrics.grounding import GroundingResult, evaluate_grounding
    from vidmetrics.highlights import HighlightResult, Saliency, evaluate_highlights
    from vidmetrics.meteor import Meteor, load_meteor
    from vidmetrics.meteor_tables import MeteorDataError
    from vidmetrics.protocol import PROTOCOLS, Protocol
    from vidmetrics.resampling import Comparison, Interval, Resampling, Statistics, compare
    from vidmetrics.text_stats import TextRichness, text_richness

__all__ = [
    "PROTOCOLS",
    "Comparison",
    "DenseCaptioningResult",
    "GroundingResult",
    "HighlightResult",
    "InputError",
    "Interval",
    "Meteor",
    "MeteorDataError",
    "Protocol",
    "Resampling",
    "Saliency",
    "Statistics",
    "TextRichness",
    "__version__",
    "cider_d",
    "compare",
    "evaluate_dense_captions",
    "evaluate_grounding",
    "evaluate_highlights",
    "load_meteor",
    "text_richness",
]

_MODULES = {
    "PROTOCOLS": "protocol",
    "Comparison": "resampling",
    "DenseCaptioningResult": "dense_captioning",
    "GroundingResult": "grounding",
    "HighlightResult": "highlights",
    "InputError": "errors",
    "Interval": "resampling",
    "Meteor": "meteor",
    "MeteorDataError": "meteor_tables",
    "Protocol": "protocol",
    "Resampling": "resampling",
    "Saliency": "highlights",
    "Statistics": "resampling",
    "TextRichness": "text_stats",
    "cider_d": "cider",
    "compare": "resampling",
    "evaluate_dense_captions": "dense_captioning",
    "evaluate_grounding": "grounding",
    "evaluate_highlights": "highlights",
    "load_meteor": "meteor",
    "text_richness": "text_stats",
}


def __getattr__(name: str) -> Any:
    """A public name, from its module."""
    if name not in _MODULES:
        raise AttributeError(f"module 'vidmetrics' has no attribute {name!r}")
    value = getattr(import_module(f"vidmetrics.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})

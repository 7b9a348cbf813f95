"""Turns captioned images and short clips into training examples with temporal supervision."""

from importlib.metadata import version

from seqsynth.corpus import Corpus
from seqsynth.default_data import DefaultCorpus, DefaultModels, default_corpus, default_models
from seqsynth.fetch import FetchError, FetchReport, fetch_default
from seqsynth.records import ClipItem, Example, FrameRef, ImageItem, Target, Turn

__version__ = version("seq2time-seqsynth")

__all__ = [
    "ClipItem",
    "Corpus",
    "DefaultCorpus",
    "DefaultModels",
    "Example",
    "FetchError",
    "FetchReport",
    "FrameRef",
    "ImageItem",
    "Target",
    "Turn",
    "default_corpus",
    "default_models",
    "fetch_default",
]

"""Turns captioned images and short clips into training examples with temporal supervision."""

from importlib.metadata import version

from seqsynth._native import backend
from seqsynth.corpus import Corpus
from seqsynth.dataset import SequenceDataset
from seqsynth.default_data import DefaultCorpus, DefaultModels, default_corpus, default_models
from seqsynth.fetch import FetchError, FetchReport, fetch_default
from seqsynth.frames import MediaError, load_frames
from seqsynth.recipes import RECIPES, SequenceRecipe, read_recipe
from seqsynth.records import ClipItem, Example, FrameRef, ImageItem, Target, Turn

__version__ = version("seq2time-seqsynth")

__all__ = [
    "RECIPES",
    "ClipItem",
    "Corpus",
    "DefaultCorpus",
    "DefaultModels",
    "Example",
    "FetchError",
    "FetchReport",
    "FrameRef",
    "ImageItem",
    "MediaError",
    "SequenceDataset",
    "SequenceRecipe",
    "Target",
    "Turn",
    "backend",
    "default_corpus",
    "default_models",
    "fetch_default",
    "load_frames",
    "read_recipe",
]

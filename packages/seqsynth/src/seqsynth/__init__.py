"""Turns captioned images and short clips into training examples with temporal supervision."""

from importlib.metadata import version

from seqsynth._native import backend
from seqsynth.benchmark import BenchmarkSpec, build_default_benchmark
from seqsynth.cache import default_cache_dir
from seqsynth.clip_tasks import dvc, tvg
from seqsynth.corpus import Corpus
from seqsynth.dataset import SequenceDataset
from seqsynth.default_data import DefaultCorpus, DefaultModels, default_corpus, default_models
from seqsynth.example_files import read_examples, write_examples
from seqsynth.fetch import FetchError, FetchReport, fetch_default
from seqsynth.frames import MediaError, load_frames
from seqsynth.image_tasks import alr, iic, iig
from seqsynth.index import index_corpus, measure_coverage
from seqsynth.index_checks import Checks
from seqsynth.manifest import Manifest
from seqsynth.recipes import RECIPES, SequenceRecipe, read_recipe
from seqsynth.records import (
    AnnotatedVideo,
    ClipItem,
    Example,
    FrameRef,
    ImageItem,
    Target,
    Turn,
)
from seqsynth.tasks import TaskSettings
from seqsynth.templates import load_templates

__version__ = version("seq2time-seqsynth")

__all__ = [
    "RECIPES",
    "AnnotatedVideo",
    "BenchmarkSpec",
    "Checks",
    "ClipItem",
    "Corpus",
    "DefaultCorpus",
    "DefaultModels",
    "Example",
    "FetchError",
    "FetchReport",
    "FrameRef",
    "ImageItem",
    "Manifest",
    "MediaError",
    "SequenceDataset",
    "SequenceRecipe",
    "Target",
    "TaskSettings",
    "Turn",
    "alr",
    "backend",
    "build_default_benchmark",
    "default_cache_dir",
    "default_corpus",
    "default_models",
    "dvc",
    "fetch_default",
    "iic",
    "iig",
    "index_corpus",
    "load_frames",
    "load_templates",
    "measure_coverage",
    "read_examples",
    "read_recipe",
    "tvg",
    "write_examples",
]

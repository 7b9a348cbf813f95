"""Turns captioned images and short clips into training examples with temporal supervision."""

from importlib.metadata import version

from seqsynth._native import kernel_backend, pack_normalize
from seqsynth.benchmark import BenchmarkSpec, build_default_benchmark
from seqsynth.benchmark_packages import FETCH_SETS
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, PictureFormat
from seqsynth.cache import default_cache_dir
from seqsynth.clip_tasks import dvc, tvg
from seqsynth.corpus import Corpus
from seqsynth.dataset import SequenceDataset
from seqsynth.default_data import DefaultModels, default_corpus, default_models
from seqsynth.example_files import read_examples, write_examples
from seqsynth.export import export_examples
from seqsynth.fetch import FetchError, FetchReport, fetch_default
from seqsynth.film import (
    FILM_ATTRIBUTION,
    FILM_TEST_SECONDS,
    FILM_TRAIN_SECONDS,
    FilmSpec,
    build_film_benchmark,
    film_examples,
    film_video,
)
from seqsynth.frame_packing import pixel_table
from seqsynth.frame_parquet import read_frame_parquet
from seqsynth.frame_tar import read_frame_tar
from seqsynth.frames import MediaError, frame_times, frames_at, load_batch, load_frames
from seqsynth.generated import generated_corpus
from seqsynth.image_tasks import alr, iic, iig
from seqsynth.index import index_corpus, measure_coverage
from seqsynth.index_checks import Checks
from seqsynth.manifest import Manifest
from seqsynth.manifest_corpus import corpus_of, open_corpus
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest
from seqsynth.mixture import MixtureRecipe, Part, with_shares, with_size, with_tasks
from seqsynth.mixture_dataset import MixtureDataset, stream_of
from seqsynth.mixture_recipes import MIXTURES, TABLES, load_recipe, read_mixture
from seqsynth.one_writer import HeldError
from seqsynth.permutation import Permutation
from seqsynth.rank_share import RankShare
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
from seqsynth.skipping import SkipLog, TooManySkippedError, read_frames
from seqsynth.tasks import TaskSettings
from seqsynth.templates import load_templates
from seqsynth.text_budget import UnfitError
from seqsynth.video_plan import random_frames, uniform_frames

__version__ = version("seq2time-seqsynth")

__all__ = [
    "FETCH_SETS",
    "FILM_ATTRIBUTION",
    "FILM_TEST_SECONDS",
    "FILM_TRAIN_SECONDS",
    "MIXTURES",
    "RECIPES",
    "TABLES",
    "AnnotatedVideo",
    "BenchmarkSpec",
    "BuildPlan",
    "Checks",
    "ClipItem",
    "Corpus",
    "DefaultModels",
    "Example",
    "FetchError",
    "FetchReport",
    "FilmSpec",
    "FrameRef",
    "HeldError",
    "ImageItem",
    "Manifest",
    "ManifestRow",
    "MediaError",
    "MixtureDataset",
    "MixtureRecipe",
    "Part",
    "Permutation",
    "PictureFormat",
    "RankShare",
    "SequenceDataset",
    "SequenceRecipe",
    "SkipLog",
    "Target",
    "TaskSettings",
    "TooManySkippedError",
    "Turn",
    "UnfitError",
    "alr",
    "build_default_benchmark",
    "build_examples",
    "build_film_benchmark",
    "corpus_of",
    "default_cache_dir",
    "default_corpus",
    "default_models",
    "dvc",
    "export_examples",
    "fetch_default",
    "film_examples",
    "film_video",
    "frame_times",
    "frames_at",
    "generated_corpus",
    "iic",
    "iig",
    "index_corpus",
    "kernel_backend",
    "load_batch",
    "load_frames",
    "load_recipe",
    "load_templates",
    "measure_coverage",
    "open_corpus",
    "pack_normalize",
    "pixel_table",
    "random_frames",
    "read_examples",
    "read_frame_parquet",
    "read_frame_tar",
    "read_frames",
    "read_mixture",
    "read_recipe",
    "stream_of",
    "tvg",
    "uniform_frames",
    "with_shares",
    "with_size",
    "with_tasks",
    "write_examples",
    "write_manifest",
]

"""Fixtures: drawn shapes, a byte tokenizer, a random two-layer model; nothing is downloaded."""

import json
import multiprocessing
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from seqsynth import Corpus, Example, FrameRef, Target, Turn
from vidllm.assembly import Assembly, assemble, load_features
from vidllm.config import PromptConfig, TrainConfig
from vidllm.features import FeatureStore, frames_of_corpus
from vidllm.recipes import smoke
from vidllm.shapes import shapes_corpus
from vidllm.testing import SIDE, write_tiny_vlm

TIMECHAT_GOLDEN = Path(__file__).parent / "golden" / "timechat"


@pytest.fixture(scope="session", autouse=True)
def _one_thread_from_the_start() -> None:
    """Before any fixture: a child forked from a process with a pool of threads hangs in its own."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _as_alone() -> None:
    """Whatever the tests before have drawn or set."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    """One that a failed test has left: Python would wait for it before it ends."""
    yield
    for process in multiprocessing.active_children():
        if not process.daemon:  # PyTorch's own end with what started them
            process.kill()
            process.join()


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the drawn corpus and its features lie, for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def corpus(cache_dir: Path) -> Corpus:
    return shapes_corpus(cache_dir / "shapes")


@pytest.fixture(scope="session")
def config(cache_dir: Path) -> TrainConfig:
    """The smoke recipe on the shared cache."""
    base = smoke()
    return replace(base, data=replace(base.data, cache_dir=str(cache_dir)))


@pytest.fixture(scope="session")
def features(config: TrainConfig, corpus: Corpus) -> FeatureStore:
    frames = frames_of_corpus(corpus, config.data.clip_frame_step, heldout=True)
    return load_features(config, corpus, frames)


@pytest.fixture
def assembly(config: TrainConfig, features: FeatureStore) -> Assembly:
    """A fresh model: tests change it."""
    return assemble(config, features.width)


@pytest.fixture
def assembly_with(config: TrainConfig, features: FeatureStore) -> Callable[..., Assembly]:
    """Makes a model with other prompt settings."""

    def make(**prompt: Any) -> Assembly:
        changed = replace(config, prompt=replace(PromptConfig(), **prompt))
        return assemble(changed, features.width)

    return make


@pytest.fixture
def example(corpus: Corpus) -> Example:
    """Three pictures and two questions, written by hand."""
    images = corpus.train_images[:3]
    return Example(
        id="hand-0",
        task="iig",
        codec="rpt",
        frames=tuple(FrameRef(image.path, 0) for image in images),
        frame_codes=("<3><3><3><3>", "<6><6><6><7>", "<9><9><9><9>"),
        turns=(
            Turn("Where is a cat?", "<6><6><6><7>"),
            Turn("Where is a dog?", "The index is <3><3><3><3>."),
        ),
        targets=((Target(1 / 3, 2 / 3, "a cat"),), (Target(0.0, 1 / 3, "a dog"),)),
        duration_seconds=3.0,
    )


@pytest.fixture(scope="session")
def timechat_notes() -> dict[str, Any]:
    """Prompts, frame choices and gradient norms recorded of the original TimeChat."""
    notes: dict[str, Any] = json.loads((TIMECHAT_GOLDEN / "golden.json").read_text("utf-8"))
    return notes


@pytest.fixture
def llama_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of these recordings, a fresh one: tests add tokens to it."""
    loaded: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(TIMECHAT_GOLDEN)
    return loaded


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny base, written once."""
    root = tmp_path_factory.mktemp("bases")

    def folder(family: str, *, tied: bool = False) -> Path:
        path = root / f"{family}-{'tied' if tied else 'untied'}"
        return path if path.exists() else write_tiny_vlm(family, path, tied=tied)

    return folder


@pytest.fixture
def vlm_config(config: TrainConfig, bases: Callable[..., Path]) -> Callable[..., TrainConfig]:
    """The smoke recipe on a tiny base; settings are those of the model."""

    def make(family: str, *, tied: bool = False, turns: str = "apart", **model: Any) -> TrainConfig:
        settings = {"base": str(bases(family, tied=tied)), "image_sizes": (SIDE,), **model}
        return replace(
            config,
            model=replace(config.model, adapter="vlm", **settings),
            prompt=replace(config.prompt, template="chat", layout="code_first", turns=turns),
        )

    return make

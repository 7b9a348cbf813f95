"""METEOR with a small word data of our own, and what the original made of it."""

import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from vidmetrics.meteor_compile import compile_tables
from vidmetrics.meteor_tables import Tables

TESTS = Path(__file__).parent.parent
sys.path.insert(0, str(TESTS / "oracle"))
import own_words  # noqa: E402


@pytest.fixture(scope="session")
def sources() -> dict[str, bytes]:
    """The three source files of the word data."""
    return own_words.sources()


@pytest.fixture(scope="session")
def tables(sources: dict[str, bytes]) -> Tables:
    """The compiled word data."""
    return compile_tables(
        io.BytesIO(sources["paraphrases"]), sources["synsets"], sources["exceptions"]
    )


@pytest.fixture(scope="session")
def golden_pairs() -> Any:
    """The cases and block scores of the original METEOR with the same word data."""
    return read_golden("own_pairs")


@pytest.fixture(scope="session")
def full_data_pairs() -> Any:
    """The same of other captions with METEOR's own word data."""
    return read_golden("full_data_pairs")


def read_golden(name: str) -> Any:
    """One of the golden files of METEOR."""
    path = TESTS / "golden" / "meteor" / f"{name}.json.gz"
    return json.loads(gzip.decompress(path.read_bytes()))

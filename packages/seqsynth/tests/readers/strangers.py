"""Other people's packages, which the nox session `readers` installs and no other."""

import importlib
import os
from typing import Any

import pytest


def library(name: str) -> Any:
    """The module; without it the test is skipped, or fails where the session promises it."""
    if "readers" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
        return importlib.import_module(name)
    return pytest.importorskip(name)

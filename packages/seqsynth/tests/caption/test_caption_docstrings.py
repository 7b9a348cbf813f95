import doctest
import importlib
import pkgutil

import pytest

from seqsynth import caption

MODULES = sorted(module.name for module in pkgutil.iter_modules(caption.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(f"seqsynth.caption.{name}"))
    assert failed == 0

import doctest
import importlib
import pkgutil

import pytest

import seqsynth

MODULES = sorted(m.name for m in pkgutil.iter_modules(seqsynth.__path__) if m.name != "__main__")


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name: str) -> None:
    module = importlib.import_module(f"seqsynth.{name}")
    names = {"np": importlib.import_module("numpy")}
    failed, _ = doctest.testmod(module, extraglobs=names)
    assert failed == 0

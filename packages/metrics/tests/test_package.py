import subprocess
import sys
from importlib.metadata import version

import pytest

import vidmetrics


def test_every_public_name_is_there() -> None:
    for name in vidmetrics.__all__:
        assert getattr(vidmetrics, name) is not None
    assert set(vidmetrics.__all__) == {*vidmetrics._MODULES, "__version__"}
    assert set(vidmetrics.__all__) <= set(dir(vidmetrics))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'evaluate_dense_caption'"):
        _ = vidmetrics.evaluate_dense_caption


def test_grounding_does_not_load_meteor() -> None:
    code = (
        "import sys, vidmetrics; vidmetrics.evaluate_grounding({'q': [(0, 1)]}, {}); "
        "sys.exit('vidmetrics.meteor' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_that_of_the_distribution() -> None:
    assert vidmetrics.__version__ == version("seq2time-metrics")

"""What a stranger gets: a small package that needs nothing but Python."""

import doctest
import importlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import timetokens as tt

SOURCE = Path(tt.__file__).parent
WITH_EXAMPLES = {"position", "rpt", "parsing", "wording", "conversion", "escaping", "constrain"}


def test_importing_needs_and_loads_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import timetokens, timetokens.cli; "
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}; "
        "print(*sorted(new - sys.stdlib_module_names - {'timetokens'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


@pytest.mark.parametrize("name", sorted(path.stem for path in SOURCE.glob("[a-z]*.py")))
def test_examples_in_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"timetokens.{name}"))
    assert result.failed == 0
    assert result.attempted > 0 or name not in WITH_EXAMPLES


def test_public_names_exist():
    assert sorted(tt.__all__) == sorted(set(tt.__all__))
    for name in tt.__all__:
        assert getattr(tt, name) is not None
    assert tt.__version__.count(".") == 2


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tt.nothing  # noqa: B018


def test_the_wheel_fits_into_60_kilobytes():
    """Compressed as a wheel is; the wheel itself is measured by `nox -s wheels`."""
    package = Path(__file__).parents[1]
    metadata = Path("seq2time_timetokens-0.1.0.dist-info")
    files = {Path("timetokens", path.name): path for path in SOURCE.iterdir() if path.is_file()}
    files |= {metadata / "METADATA": package / "README.md"}
    files |= {metadata / "licenses" / "LICENSE": package / "LICENSE"}
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, name)
    num_rest = 2_300  # the list of hashes and the head of METADATA
    assert len(wheel.getvalue()) + num_rest < 60_000
    assert (SOURCE / "py.typed").exists()

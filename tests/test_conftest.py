"""The rules that the root conftest.py adds, seen in whole pytest runs."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GPU_TEST = "import pytest\n\n@pytest.mark.gpu\ndef test_gpu():\n    assert False, 'no device'\n"
MIXED_TESTS = (
    "import pytest\n\ndef test_good():\n    pass\n\ndef test_bad():\n    assert False\n\n"
    "@pytest.fixture\ndef broken():\n    raise RuntimeError\n\n"
    "def test_error(broken):\n    pass\n\n"
    "@pytest.mark.skip(reason='no Java')\ndef test_skipped():\n    pass\n"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\n"
        'addopts = ["--strict-markers", "--import-mode=importlib"]\nmarkers = ["gpu: a device"]\n'
    )
    # Modules that hide a torch and a seqnative that may be installed here.
    for name in ("torch", "seqnative"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('hidden')\n")
    return tmp_path


def run_pytest(project: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    base = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(project)}
    return subprocess.run(
        command, cwd=project, env={**base, **env}, capture_output=True, text=True, check=False
    )


def test_gpu_tests_skip_with_a_reason_unless_a_gpu_is_required(project: Path) -> None:
    (project / "test_it.py").write_text(GPU_TEST)
    skipped = run_pytest(project)
    assert skipped.returncode == 0
    assert "skipped 1: no CUDA device" in skipped.stdout
    required = run_pytest(project, SEQ2TIME_REQUIRE="cuda")
    assert required.returncode == 1
    assert "1 failed" in required.stdout


def test_a_required_part_that_is_missing_stops_the_run(project: Path) -> None:
    (project / "test_it.py").write_text("def test_it():\n    pass\n")
    missing = run_pytest(project, SEQ2TIME_REQUIRE="native")
    assert missing.returncode == 4
    assert "SEQ2TIME_REQUIRE names native, but: hidden" in missing.stderr


def test_an_unknown_required_part_is_named(project: Path) -> None:
    (project / "test_it.py").write_text(GPU_TEST)
    unknown = run_pytest(project, SEQ2TIME_REQUIRE="cuda,cdua")
    assert unknown.returncode == 4
    assert "names ['cdua']" in unknown.stderr


def test_the_counts_are_written_where_asked(project: Path) -> None:
    (project / "test_it.py").write_text(MIXED_TESTS)
    summary = project / "summary"
    result = run_pytest(project, SEQ2TIME_SUMMARY=str(summary))
    assert result.returncode == 1
    assert summary.read_text() == "1 passed, 2 failed, 1 skipped\n"


def test_markdown_examples_run_only_when_asked(project: Path) -> None:
    pytest.importorskip("sybil", reason="sybil is not installed here")
    (project / "README.md").write_text("```python\nx = 1\nassert x == 2\n```\n")
    (project / "test_it.py").write_text("def test_it():\n    pass\n")
    assert "1 passed" in run_pytest(project).stdout
    result = run_pytest(project, "--docs", "README.md")
    assert result.returncode == 1
    assert "README.md" in result.stdout
    assert "1 failed" in result.stdout

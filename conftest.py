"""What all test suites share: required parts, examples in Markdown, a count of what was skipped.

`SEQ2TIME_REQUIRE=cuda,native` turns the skips of tests that need those parts into failures: on a
machine that is supposed to have a GPU we want to know when it has not.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parent
KNOWN_PARTS = ("cuda", "native", "lmms_eval", "readers", "dali", "default_data")

# Deadlines and slow draws measure the machine, not the code. No change fails for what another draw
# would have found: `--hypothesis-profile anew` draws.
for name, is_repeated in (("repeated", True), ("anew", False)):
    settings.register_profile(
        name,
        deadline=None,
        derandomize=is_repeated,
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("repeated")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--docs`, which runs the Python blocks of the Markdown files given as arguments."""
    parser.addoption("--docs", action="store_true", help="run the Python examples of Markdown")


class ExampleCollector:
    """A pytest plugin that collects the examples of Markdown files."""

    def __init__(self, collect: Callable[[Path, pytest.Collector], pytest.Collector | None]):
        self._collect = collect

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """The examples of one file, or None where it is not one of ours."""
        return self._collect(file_path, parent)


def required_parts() -> frozenset[str]:
    """The parts that SEQ2TIME_REQUIRE names."""
    named = frozenset(filter(None, os.environ.get("SEQ2TIME_REQUIRE", "").split(",")))
    unknown = named.difference(KNOWN_PARTS)
    if unknown:
        raise pytest.UsageError(
            f"SEQ2TIME_REQUIRE names {sorted(unknown)}, known are {list(KNOWN_PARTS)}"
        )
    return named


def cuda_is_available() -> bool:
    """Whether torch or our own CUDA module sees a device."""
    try:
        import torch
    except ImportError:
        pass
    else:
        if torch.cuda.is_available():
            return True
    try:
        import seqnative  # noqa: TID251
    except ImportError:
        return False
    return seqnative.cuda_device_count() > 0


def pytest_configure(config: pytest.Config) -> None:
    """Collect examples where asked; fail at once when a required part is missing."""
    # A script that starts tests in the background (`&`) has them ignore Ctrl-C, and whatever they
    # start inherits that: commands whose end on Ctrl-C is tested would run on.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--docs"):
        from sybil import Sybil
        from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

        examples = Sybil(
            parsers=[PythonCodeBlockParser(), SkipParser()], pattern="*.md", path=str(ROOT)
        )
        config.pluginmanager.register(ExampleCollector(examples.pytest()), "markdown_examples")
    if "native" in required_parts():
        try:
            import seqnative  # noqa: F401, TID251
        except ImportError as error:
            raise pytest.UsageError(f"SEQ2TIME_REQUIRE names native, but: {error}") from error


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip GPU tests with a reason where there is no GPU, unless one is required."""
    gpu_items = [item for item in items if item.get_closest_marker("gpu")]
    if not gpu_items or "cuda" in required_parts() or cuda_is_available():
        return
    reason = "no CUDA device (SEQ2TIME_REQUIRE=cuda makes this a failure)"
    for item in gpu_items:
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line for every reason why tests were skipped; the counts into SEQ2TIME_SUMMARY."""
    outcomes = terminalreporter.stats
    reasons: Counter[str] = Counter()
    for report in outcomes.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"skipped {count}: {reason}")
    summary_path = os.environ.get("SEQ2TIME_SUMMARY")
    if summary_path:
        num_failed = len(outcomes.get("failed", [])) + len(outcomes.get("error", []))
        counts = (len(outcomes.get("passed", [])), num_failed, len(outcomes.get("skipped", [])))
        Path(summary_path).write_text(
            "{} passed, {} failed, {} skipped\n".format(*counts), encoding="utf-8"
        )

"""Commands that the pages show: each exists, and so does each option that it is shown with."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    page for pattern in ("*.md", "docs/*.md", "packages/*/README.md") for page in ROOT.glob(pattern)
)
COMMANDS = {
    "timetokens": "timetokens.cli",
    "seqsynth": "seqsynth.cli",
    "vidllm": "vidllm.cli",
    "vidmetrics": "vidmetrics.cli",
}
NAMED = re.compile(r"^--[a-z][a-z0-9.-]*$")


def shown_commands(page: Path) -> list[list[str]]:
    """The words of each line of a block that calls one of our commands."""
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text("utf-8"), re.S | re.M)
    text = "\n".join(block for language, block in blocks if language in ("", "bash", "sh"))
    found = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        for part in re.split(r"&&|;", line.split("  #")[0]):
            words = re.sub(r"[\[\]]", " ", part).split()
            if "-m" in words:  # torchrun ... -m vidllm train ...
                words = words[words.index("-m") + 1 :]
            if words and words[0] in COMMANDS and len(words) > 1:
                found.append(words)
    return found


@functools.cache
def options_of(command: str, subcommand: str) -> frozenset[str]:
    """The options that the help of a command names; none where there is no such command."""
    import contextlib
    import io

    main = importlib.import_module(COMMANDS[command]).main
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        try:
            status = main([subcommand, "--help"])
        except SystemExit as end:
            status = end.code
    assert status in (0, None), shown.getvalue()
    return frozenset(re.findall(r"--[a-z][a-z0-9.-]*", shown.getvalue()))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_can_be_typed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for command, *rest in shown_commands(page):
        for subcommand in rest[0].split("|"):
            if subcommand.startswith("-"):
                continue
            known = options_of(command, subcommand)
            for word in rest[1:]:
                flag = word.split("=")[0]
                assert not NAMED.match(flag) or flag in known, f"{command} {subcommand} {word}"


def test_the_commands_of_pages_are_found() -> None:
    shown = [" ".join(words[:2]) for page in PAGES for words in shown_commands(page)]
    assert {"seqsynth index", "vidllm train", "vidmetrics dvc", "timetokens convert"} <= set(shown)

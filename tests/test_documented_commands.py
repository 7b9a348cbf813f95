"""Commands that the pages show: each exists, and so does each option that it is shown with."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATTERNS = ("*.md", "docs/*.md", "packages/*/README.md", "native/README.md")
PAGES = sorted(page for pattern in PATTERNS for page in ROOT.glob(pattern))
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


@functools.cache
def nox_sessions() -> dict[str, str]:
    """Every session of noxfile.py with the line that `nox -l` shows."""
    found = {}
    for function in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        for decorator in getattr(function, "decorator_list", ()):
            called = isinstance(decorator, ast.Call)
            if ast.unparse(decorator.func if called else decorator) == "nox.session":
                settings = {each.arg: each.value for each in decorator.keywords} if called else {}
                name = ast.literal_eval(settings["name"]) if "name" in settings else function.name
                found[name] = (ast.get_docstring(function) or "").partition("\n")[0]
    return found


def test_every_session_says_what_it_does_and_stands_in_contributing() -> None:
    assert all(line.endswith(".") for line in nox_sessions().values())
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = page.partition("## Sessions")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(nox_sessions())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_sessions_that_a_page_names_exist(page: Path) -> None:
    for names in re.findall(r"nox -s (\w+(?: \w+)*)", page.read_text("utf-8")):
        assert set(names.split()) <= set(nox_sessions()), names

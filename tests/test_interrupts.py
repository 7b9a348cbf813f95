"""Ctrl-C in the middle of an import: a library makes an error of its own of it."""

from typing import Any

import pytest

import seqsynth.cli
import vidllm.cli
import vidmetrics.cli
from exit_status import exit_status

Capture = pytest.CaptureFixture[str]


class Field:
    """As one of a dataclass that is being imported when the key is pressed."""

    def __set_name__(self, owner: type, name: str) -> None:
        raise KeyboardInterrupt


def imports(*_: Any, **__: Any) -> None:
    type("Config", (), {"field": Field()})  # a RuntimeError until Python 3.11


def imports_lazily(*_: Any, **__: Any) -> None:
    """As transformers does."""
    try:
        imports()
    except RuntimeError as error:
        raise ModuleNotFoundError("Could not import module 'set_seed'") from error


@pytest.mark.parametrize("work", [imports, imports_lazily])
def test_it_is_an_interruption_still(
    work: Any, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(seqsynth.cli, "fetch_default", work)
    monkeypatch.setattr(vidllm.cli, "_command", lambda name: work)
    assert seqsynth.cli.main(["fetch", "default"]) == 130
    assert vidllm.cli.main(["train"]) == 130
    assert exit_status("reproduce", work) == 130
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert all("interrupted" in line for line in said)


def test_vidmetrics_ends_as_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr("vidmetrics.grounding_cli.score_grounding", imports)
    assert vidmetrics.cli.main(["tvg", "references.json", "predictions.json"]) == 130
    assert capsys.readouterr().err == ""


def test_an_error_while_an_interruption_is_handled_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def work(*_: Any) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise OSError("no room for the checkpoint")

    monkeypatch.setattr(vidllm.cli, "_command", lambda name: work)
    assert vidllm.cli.main(["train"]) == 1
    assert "no room for the checkpoint" in capsys.readouterr().err
    assert exit_status("reproduce", work) == 1

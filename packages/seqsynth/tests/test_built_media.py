"""Built examples and their pictures: found from everywhere, and said where they are looked for."""

import json
from pathlib import Path
from typing import Any

import pytest

from seqsynth import cli

Capture = pytest.CaptureFixture[str]


def test_examples_of_own_pictures_are_shown_without_saying_again_where_they_lie(
    own_pictures: Path, capsys: Capture
) -> None:
    for source, index in (("built", "0"), ("built/examples.jsonl", "2")):
        assert cli.main(["inspect", source, "--index", index, "--out", "sheet.png"]) == 0
    assert cli.main(["export", "qwen-vl", "built/examples.jsonl", "--out", "exported"]) == 0
    (own_pictures / "photos").rename(own_pictures / "moved")
    capsys.readouterr()
    assert cli.main(["inspect", "built", "--out", "sheet.png"]) == 2
    line = capsys.readouterr().err
    assert f"looked for below {own_pictures / 'photos'}, --media-root names another" in line
    assert cli.main(["inspect", "built", "--out", "sheet.png", "--media-root", "moved"]) == 0


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"format_version": 2}, "has format 2, this version reads 1: build it again, or name"),
        ({"manifests": [7]}, "is damaged (manifests or root is no path): build it again, or name"),
        (None, "is damaged ("),
    ],
)
def test_the_manifest_of_a_build_that_cannot_be_read_is_named(
    own_pictures: Path, capsys: Capture, change: dict[str, Any] | None, fault: str
) -> None:
    path = own_pictures / "built/manifest.json"
    record = json.loads(path.read_text())
    path.write_text("{" if change is None else json.dumps(record | change))
    for command in (
        ["inspect", "built", "--out", "sheet.png"],
        ["export", "qwen-vl", "built/examples.jsonl", "--out", "exported"],
    ):
        capsys.readouterr()
        assert cli.main(command) == 2
        assert f"{path} {fault}" in capsys.readouterr().err
        assert cli.main([*command, "--media-root", "photos"]) == 0
    path.write_text('{"version": 3, "name": "a web page"}')  # somebody else's
    assert cli.main(["inspect", "built"]) == 0


def test_a_build_is_shown_from_any_folder_and_where_it_has_moved_with_its_pictures(
    own_pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its corpus was named by relative paths, by absolute ones or by another root."""
    build = ["build", str(own_pictures / "own.toml"), "--count", "3", "--manifest"]
    absolute = [str(own_pictures / name) for name in ("photos.arrow", "photos", "by_names")]
    assert cli.main([*build, absolute[0], "--root", absolute[1], "--out", absolute[2]]) == 0
    away = own_pictures / "away"
    away.mkdir()
    monkeypatch.chdir(away)
    assert cli.main([*build, "../photos.arrow", "--root", "../photos", "--out", "../rooted"]) == 0
    assert cli.main([*build, "../photos.arrow", "--out", "../again"]) == 0
    for name in ("built", "rooted", "by_names"):
        assert cli.main(["inspect", f"../{name}", "--out", "sheet.png"]) == 0
        assert cli.main(["export", "qwen-vl", f"../{name}/examples.jsonl", "--out", name]) == 0
    built, again = (
        (own_pictures / name / "manifest.json").read_bytes() for name in ("built", "again")
    )
    assert built == again, "the folder that it was typed in does not show"
    assert json.loads(built)["manifests"] == ["../photos.arrow"]
    moved = own_pictures / "moved"
    moved.mkdir()
    for name in ("photos", "photos.arrow", "built", "rooted"):
        (own_pictures / name).rename(moved / name)
    for name in ("built", "rooted"):
        assert cli.main(["inspect", f"../moved/{name}", "--out", "sheet.png"]) == 0

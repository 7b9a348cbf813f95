import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from seqsynth import cli, read_examples
from seqsynth.fetch import default_dir

FillCache = Callable[..., Path]
Capture = pytest.CaptureFixture[str]

RECIPE = """
base = "image_sequences"
min_images = 4
max_images = 8
codec = "index"
tasks = {iig = 1, alr = 0.5}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "small.toml"
    path.write_text(RECIPE)
    return str(path)


def fails(capsys: Capture, *arguments: str) -> str:
    """Runs a command that must fail for the user's reason; returns its one line."""
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_build_gives_the_same_bytes_for_the_same_arguments(
    tmp_path: Path, fake_default: FillCache, recipe: str
) -> None:
    cache = str(fake_default())
    for name in ("a", "b"):
        arguments = ["build", recipe, "--out", str(tmp_path / name), "--count", "30"]
        assert cli.main([*arguments, "--seed", "5", "--cache", cache]) == 0
    data = (tmp_path / "a/examples.jsonl").read_bytes()
    assert data == (tmp_path / "b/examples.jsonl").read_bytes()
    manifests = [(tmp_path / name / "manifest.json").read_bytes() for name in ("a", "b")]
    assert manifests[0] == manifests[1]
    assert json.loads(manifests[0])["recipe"]["tasks"] == {"iig": 1, "alr": 0.5}
    root = default_dir(Path(cache))
    examples = list(read_examples(tmp_path / "a/examples.jsonl", media_root=root))
    assert len(examples) == 30
    assert {example.task for example in examples} == {"iig", "alr"}
    assert all(Path(frame.path).is_file() for example in examples for frame in example.frames)
    assert str(tmp_path).encode() not in data


def test_build_replaces_a_file_only_when_the_new_one_is_whole(
    tmp_path: Path, fake_default: FillCache, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["build", recipe, "--out", str(tmp_path), "--cache", str(fake_default())]
    assert cli.main([*arguments, "--count", "3"]) == 0
    before = (tmp_path / "examples.jsonl").read_bytes()

    def interrupted(dataset: Any) -> Any:
        yield dataset[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_tracked", interrupted)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert cli.main([*arguments, "--count", "9"]) == 130
    assert (tmp_path / "examples.jsonl").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_inspect_shows_a_recipe_and_a_file_alike(
    tmp_path: Path, fake_default: FillCache, recipe: str, capsys: Capture
) -> None:
    cache = ["--cache", str(fake_default())]
    cli.main(["build", recipe, "--out", str(tmp_path), "--count", "4", *cache])
    capsys.readouterr()
    assert cli.main(["inspect", recipe, "--index", "3", *cache]) == 0
    from_recipe = capsys.readouterr().out
    source = str(tmp_path / "examples.jsonl")
    sheet = tmp_path / "sheets" / "3.png"
    assert cli.main(["inspect", source, "--index", "3", "--out", str(sheet), *cache]) == 0
    assert capsys.readouterr().out == f"{from_recipe}{sheet}\n"
    assert from_recipe.splitlines()[1].startswith("Q1  ")
    with Image.open(sheet) as image:
        assert image.format == "PNG"
        assert image.width > 600


def test_benchmark_counts_its_queries(
    tmp_path: Path, fake_default: FillCache, capsys: Capture
) -> None:
    arguments = ["benchmark", "default", "--out", str(tmp_path), "--cache", str(fake_default())]
    sizes = ["--image-lengths", "8", "16", "--num-image-sequences", "3", "--max-clips", "4"]
    assert cli.main([*arguments, *sizes, "--num-clip-sequences", "2"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["index_grounding@8: 24 queries", "index_grounding@16: 24 queries"]
    assert printed[3] == "clip_dense_captions: 2 queries"


def test_wrong_requests_are_one_line_and_status_2(
    tmp_path: Path, fake_default: FillCache, capsys: Capture, recipe: str
) -> None:
    cache = ["--cache", str(fake_default())]
    out = ["--out", str(tmp_path / "out"), "--count", "3", *cache]
    line = fails(capsys, "build", "papre", *out)
    assert line == "seqsynth: unknown recipe 'papre'; did you mean paper?\n"
    assert "one of: paper, image_sequences, clip_sequences" in fails(capsys, "build", "qqq", *out)
    assert fails(capsys, "build", "gone.toml", *out) == (
        "seqsynth: gone.toml: No such file or directory\n"
    )
    assert "96 images needs as many" in fails(capsys, "build", "paper", *out)
    assert "--count must be at least 1" in fails(
        capsys, "build", recipe, "--out", "x", "--count", "0"
    )
    assert "seed must be in" in fails(capsys, "build", recipe, *out, "--seed=-1")
    assert "did you mean default?" in fails(capsys, "fetch", "defalt")
    assert "did you mean fluent-3d or" in fails(capsys, "fetch", "default", "--only", "fluent3d")
    assert "did you mean default?" in fails(capsys, "benchmark", "defaults", "--out", "x")
    assert "unknown codec 'rtp'; did you mean rpt?" in fails(
        capsys, "benchmark", "default", "--out", "x", "--codec", "rtp", *cache
    )
    assert "run: seqsynth fetch default" in fails(
        capsys, "inspect", recipe, "--cache", str(tmp_path / "empty")
    )
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    assert f"{bad}:1: example '?' lacks" in fails(capsys, "inspect", str(bad), *cache)
    assert "no number 5" in fails(capsys, "inspect", str(_empty(tmp_path)), "--index", "5", *cache)
    assert not (tmp_path / "out").exists()


def _empty(tmp_path: Path) -> Path:
    path = tmp_path / "empty.jsonl"
    path.touch()
    return path


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("codecs = 'rpt'", "unknown field 'codecs'; did you mean codec?"),
        ("base = 'papr'", "unknown recipe 'papr'; did you mean paper?"),
        ("max_images = '9'", "max_images must be of type int, got '9'"),
        ("tasks = {iig = 'x'}", "tasks.iig must be a number, got 'x'"),
        ("tasks = {iih = 1}", "unknown task 'iih'; did you mean iig or iic?"),
        ("tasks = {iig = -1}", "the share of iig must be a positive number, got -1"),
        ("tasks = {}", "tasks is empty"),
        ("min_images = 99", "need 2 <= min_images <= max_images, got 99 and 96"),
        ("split = 'test'", "split must be train or heldout, got 'test'"),
        ("max_clips = 65", "max_clips"),
        ("codec = 'x'", "unknown codec 'x'"),
        ("[", "Invalid"),
    ],
)
def test_a_recipe_file_is_checked(
    tmp_path: Path, fake_default: FillCache, capsys: Capture, text: str, reason: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    line = fails(capsys, "inspect", str(path), "--cache", str(fake_default()))
    assert line.startswith(f"seqsynth: {path}: ")
    assert reason in line


def test_fetch_reports_gaps_and_prints_the_folder(
    tmp_path: Path, registry: Any, packages: Any, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(cli, "DEFAULT_PACKAGES", tuple(packages.values()))
    monkeypatch.setattr("seqsynth.registry_clients.find_clients", lambda: registry.clients)
    failing = registry.folder / f"{packages['fluent-3d'].filename}.fail"
    failing.write_text("npm error network is down")
    cache = ["--cache", str(tmp_path / "cache")]
    assert cli.main(["fetch", "default", *cache]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'cache' / 'default'}\n"
    assert "going on without fluent-3d, stills, 256 px" in captured.err
    assert "network is down" in captured.err
    assert cli.main(["fetch", "default", "--only", "fluent-3d", *cache]) == 1
    failing.unlink()
    assert cli.main(["fetch", "default", "--only", "fluent-3d", *cache]) == 0
    (registry.folder / f"{packages['emoji-names'].filename}.fail").write_text("ERROR: down")
    capsys.readouterr()
    other = str(tmp_path / "other")
    assert cli.main(["fetch", "default", "--only", "emoji-names", "--cache", other]) == 1
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert last_line == "seqsynth: cannot fetch emoji==2.16.0: pip failed: ERROR: down"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    """With a pip that fails first on the path of Python, as on a machine without a network."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/__init__.py").touch()
    (tmp_path / "pip/__main__.py").write_text("raise SystemExit('ERROR: no network')")
    environment = dict(os.environ, PYTHONPATH=str(tmp_path), SEQ2TIME_CACHE=str(tmp_path / "c"))
    result = subprocess.run(
        [sys.executable, "-m", "seqsynth", "fetch", "default", "--only", "emoji-names"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr == (
        "seqsynth: cannot fetch emoji==2.16.0: pip failed: ERROR: no network\n"
    )


@pytest.mark.parametrize("command", ["fetch", "build", "inspect", "benchmark"])
def test_help_is_there(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out) > 300

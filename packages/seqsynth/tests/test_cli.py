import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import seqsynth
from seqsynth import FETCH_SETS, SequenceDataset, arguments, cli, cli_cache, read_examples
from seqsynth.fetch import default_dir
from seqsynth.frame_cache import CacheEstimate
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import write_manifest

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


def test_options_have_no_short_forms(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["benchmark", "default", "--out", "x", "--num-fr", "8"])
    assert "unrecognized arguments: --num-fr" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"seqsynth {seqsynth.__version__}\n"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["biuld"], "invalid choice: 'biuld'; did you mean build?"),
        (["build", "paper", "--outt", "x"], "unrecognized arguments: --outt; did you mean --out"),
        (["--verison"], "did you mean --version?"),
        (["coverage", "image_folder", "-dash"], "a file name that begins with - is written ./-da"),
        (["-v"], "unrecognized arguments: -v; a file name that begins with - is written ./-v"),
        (["--cache", "x", "build"], "unrecognized arguments: --cache"),
        (["zzz"], "(choose from "),
    ],
)
def test_a_mistyped_name_is_answered_with_the_near_one(
    capsys: Capture, words: list[str], near: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(words)
    assert near in capsys.readouterr().err


def test_vidmetrics_has_the_same_parser() -> None:
    copy = Path(__file__).parents[2] / "metrics/src/vidmetrics/arguments.py"
    if not copy.exists():
        pytest.skip("this package alone")
    assert copy.read_bytes() == Path(arguments.__file__).read_bytes()


def test_help_comes_before_a_mistyped_option(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["build", "--help", "--foo"])
    assert "usage: seqsynth build" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_goes_away_ends_a_command_without_a_word(tmp_path: Path) -> None:
    rows = "".join(f"gone-{k}.png,part {k}\n" for k in range(2000))
    (tmp_path / "a.csv").write_text(f"path,split\n{rows}")  # more JSON than a pipe holds
    command = [sys.executable, "-m", "seqsynth", "coverage", "image_table", str(tmp_path)]
    # Unbuffered, Python itself takes half a write for a whole one and does not see the end.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [*command, "--json", "-"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"{\n"
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 141


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


def test_an_interrupted_build_goes_on_with_the_same_command(
    tmp_path: Path,
    fake_default: FillCache,
    recipe: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    cache = str(fake_default())

    def command(name: str) -> list[str]:
        sizes = ["--count", "9", "--shard-size", "4", "--cache", cache]
        return ["build", recipe, "--out", str(tmp_path / name), *sizes]

    draw = SequenceDataset.draw
    drawn: list[int] = []

    def interrupted(self: SequenceDataset, index: int, *, cuts: Any = None) -> Any:
        drawn.append(index)
        if index == 6 and drawn.count(6) == 1:
            raise KeyboardInterrupt
        return draw(self, index, cuts=cuts)

    monkeypatch.setattr(SequenceDataset, "draw", interrupted)
    assert cli.main(command("a")) == 130
    assert "run the same command again to go on" in capsys.readouterr().err
    assert not (tmp_path / "a" / "examples.jsonl").exists()
    assert cli.main(command("a")) == 0
    assert drawn == [0, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 8]
    assert cli.main(command("b")) == 0
    for name in ("examples.jsonl", "manifest.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_built_tar_is_shown_and_exported(
    tmp_path: Path, fake_default: FillCache, recipe: str, capsys: Capture
) -> None:
    cache = ["--cache", str(fake_default())]
    out = tmp_path / "built"
    arguments = ["build", recipe, "--out", str(out), "--count", "5", "--start", "2", *cache]
    assert cli.main([*arguments, "--frames", "16", "--shard-size", "3", "--quality", "80"]) == 0
    assert capsys.readouterr().out == f"{out / 'examples.jsonl'}\n"
    page = tmp_path / "page.html"
    tar = str(out / "frames-00001-of-00002.tar")
    assert cli.main(["inspect", tar, "--index", "1", "--out", str(page), *cache]) == 0
    from_tar = capsys.readouterr().out
    assert cli.main(["inspect", recipe, "--index", "6", *cache]) == 0
    assert from_tar == f"{capsys.readouterr().out}{page}\n"
    assert page.read_text().count("<img ") == from_tar.count("frames,") * int(
        from_tar.split(" frames,")[0].rpartition(" ")[2]
    )
    exported = tmp_path / "exported"
    command = ["export", "ms-swift", str(out), "--out", str(exported), *cache]
    assert cli.main(command) == 0
    assert capsys.readouterr().out == f"{exported / 'train.jsonl'}\n"
    records = [json.loads(line) for line in (exported / "train.jsonl").read_text().splitlines()]
    assert len(records) == 5
    assert all(Path(path).is_file() for record in records for path in record["images"])


def test_a_mixture_of_an_indexed_corpus_is_built(
    tmp_path: Path, fake_default: FillCache, capsys: Capture
) -> None:
    del fake_default  # an indexed corpus needs no default
    rows = [
        ManifestRow(
            id=f"i{k}", kind="image", path=f"{k}.png", caption=f"thing {k}", source="image_folder"
        )
        for k in range(9)
    ]
    rows += [
        ManifestRow(
            id=f"v{k}", kind="video", path=f"{k}.mp4", caption=f"film {k}", duration_seconds=4.0,
            num_frames=100, source="sharegpt4video",
        )
        for k in range(3)
    ]  # fmt: skip
    manifest = tmp_path / "corpus.arrow"
    write_manifest(iter(rows), manifest, root=tmp_path, command="test")
    mixture = tmp_path / "mix.toml"
    mixture.write_text(
        "[sequences]\nmin_images = 4\nmax_images = 8\n"
        "[parts.stills]\ncount = 6\ntasks = {iig = 1, alr = 1}\n"
        "[parts.films]\ncount = 5\nsources = ['sharegpt4video']\n"
    )
    out = tmp_path / "out"
    arguments = ["build", str(mixture), "--out", str(out), "--manifest", str(manifest)]
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == (
        "seqsynth: part films shows 3 videos in 5 examples, so some of them more than once\n"
    )
    examples = list(read_examples(out / "examples.jsonl", media_root=tmp_path))
    assert sorted(example.task for example in examples) == [
        "alr", "alr", "alr", "caption", "caption", "caption", "caption", "caption",
        "iig", "iig", "iig",
    ]  # fmt: skip
    assert cli.main([*arguments, "--frames", "8", "--max-skipped", "0.1"]) == 1
    assert "replacements cannot be read" in capsys.readouterr().err
    line = fails(capsys, "build", "paper_phase1", "--out", "x", "--manifest", str(manifest))
    assert "part clip_sequences: dvc need clips" in line


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


def test_what_a_newcomer_gives_in_the_place_of_a_recipe_or_manifest(
    own_pictures: Path, capsys: Capture
) -> None:
    capsys.readouterr()
    build = ("build", "--out", "x", "--count", "3")
    line = fails(capsys, *build, "photos.arrow")
    assert "photos.arrow is no recipe: give a name or a FILE.toml, and manifests with" in line
    line = fails(capsys, *build, "own.toml", "--manifest", "photos")
    assert "photos is a folder, no manifest: seqsynth index SOURCE ROOT" in line
    line = fails(capsys, *build, "image_sequences", "--manifest", "photos.arrow")
    assert "give max_images (and min_images) of at most 6" in line
    line = fails(capsys, *build, "paper", "--manifest", "photos.arrow")
    assert "index some, or leave these tasks out of the recipe" in line
    (own_pictures / "photos" / "metadata.csv").write_text("file_name,text\n0.png,a red card\n")
    for path in (own_pictures / "photos").glob("*.txt"):
        path.unlink()
    line = fails(capsys, "index", "image_folder", "photos", "--out", "y.arrow")
    assert "for instance 0.png (no caption file: 0.txt). image_folder reads pictures with" in line
    assert "seqsynth index --help lists the others" in line


def test_a_cache_that_is_half_written_needs_room_for_the_rest_alone(
    own_pictures: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_cache, "write_cache", lambda *_, **__: (1, []))
    for written_bytes, status in ((500, 0), (499, 2)):
        estimate = CacheEstimate(1, 9, num_bytes=1000, written_bytes=written_bytes, free_bytes=500)
        monkeypatch.setattr(cli_cache, "estimate_cache", lambda *_, found=estimate: found)
        assert cli.main(["cache", "photos.arrow", "--out", "cache"]) == status
    assert "the cache will not fit" in capsys.readouterr().err


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
    assert "one of: paper, image_sequences, clip_sequences, paper_phase1" in fails(
        capsys, "build", "qqq", *out
    )
    assert fails(capsys, "build", "gone.toml", *out) == (
        "seqsynth: gone.toml: No such file or directory\n"
    )
    assert "96 images needs as many" in fails(capsys, "build", "paper", *out)
    assert "--count must be at least 1" in fails(
        capsys, "build", recipe, "--out", "x", "--count", "0"
    )
    assert "seed must be in" in fails(capsys, "build", recipe, *out, "--seed=-1")
    assert "--count is missing" in fails(capsys, "build", recipe, "--out", "x", *cache)
    assert "--workers must be at least 1" in fails(capsys, "build", recipe, *out, "--workers", "0")
    assert "--out must end in .png or .html" in fails(
        capsys, "inspect", recipe, "--out", "x.gif", *cache
    )
    assert "unknown format 'swift'" in fails(capsys, "export", "swift", "x", "--out", "x")
    assert "did you mean default?" in fails(capsys, "fetch", "defalt")
    assert "did you mean fluent-3d or" in fails(capsys, "fetch", "default", "--only", "fluent3d")
    assert "did you mean default?" in fails(capsys, "benchmark", "defaults", "--out", "x")
    for what, needed in {"film": "film", "generated": "clips"}.items():
        assert f"run: seqsynth fetch {needed}" in fails(
            capsys, "benchmark", what, "--out", "x", *cache
        )
    assert "unknown part 'flim'; did you mean film?" in fails(
        capsys, "fetch", "film", "--only", "flim"
    )
    assert "unknown codec 'rtp'; did you mean rpt?" in fails(
        capsys, "benchmark", "default", "--out", "x", "--codec", "rtp", *cache
    )
    assert "run: seqsynth fetch default" in fails(
        capsys, "inspect", recipe, "--cache", str(tmp_path / "empty")
    )
    for option, value in (("--container", "parquet"), ("--quality", "80"), ("--geometry", "pad")):
        line = fails(capsys, "build", recipe, *out, option, value)
        assert f"{option} is of pictures: --frames PIXELS writes some" in line
    for what, option, value in (
        ("film", "--max-clips", "3"),
        ("generated", "--image-lengths", "8"),
        ("default", "--window-seconds", "60"),
    ):
        line = fails(capsys, "benchmark", what, "--out", "x", option, value, *cache)
        assert f"{option} changes nothing in the benchmark {what}: leave it out" in line
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
    monkeypatch.setitem(FETCH_SETS, "default", tuple(packages.values()))
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
    assert last_line.startswith(
        "seqsynth: cannot fetch emoji==2.16.0: pip failed: ERROR: down. Check the network"
    )


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
    (line,) = result.stderr.splitlines()
    assert line.startswith("seqsynth: cannot fetch emoji==2.16.0: pip failed: ERROR: no network. ")


@pytest.mark.parametrize("command", ["fetch", "build", "export", "inspect", "benchmark"])
def test_help_is_there(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0
    assert len(capsys.readouterr().out) > 300

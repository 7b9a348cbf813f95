"""Names with spaces, brackets, any letters or a dash in front; terminals of few letters."""

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqsynth import Corpus, build_default_benchmark
from vidllm import run_folder
from vidllm.cli import main
from vidllm.terminal import as_text, json_text

from .small_benchmark import SMALL_BENCHMARK
from .videos import write_video

RUN, BENCH, VIDEO = "-run é 猫 [/x] [bold]", "bench é 猫 [x]", "-two é 猫.mp4"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2TIME_CACHE", str(cache_dir))


def few_letters(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    """Makes standard output a terminal that knows ASCII; gives what will be printed there."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "ascii", write_through=True))
    return printed


def test_every_command_takes_them(
    tmp_path: Path,
    corpus: Corpus,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = few_letters(monkeypatch)
    build_default_benchmark(corpus, tmp_path / BENCH, SMALL_BENCHMARK)
    write_video(tmp_path / VIDEO, 12)
    rows, model = "-rows é.jsonl", "-model é"
    run = f"--run={RUN}"
    for words in (
        ["train", "smoke", "--optim.max-steps", "3", f"--out={RUN}"],
        ["train", "smoke", "--resume", RUN],
        ["predict", BENCH, run, f"--out={rows}"],
        ["report", RUN],
        ["merge", RUN, f"--out={model}"],
        ["ground", VIDEO, "-- a café 猫 <script>", run, "--json", "-"],
        ["caption", VIDEO, run],
    ):
        assert main(words) == 0, words
    said = capsys.readouterr().err
    assert f"into {RUN}\n" in said  # the brackets are no markup, the line is not broken
    assert f"in {rows}\n" in said
    printed = terminal.getvalue()
    assert printed.startswith(os.fsencode(RUN) + b"\n")  # as the system knows it
    found = json.loads(printed[printed.index(b"{") : printed.rindex(b"}") + 1])
    assert found["query"] == "-- a café 猫 <script>"
    assert found["video"] == VIDEO
    for line in (tmp_path / rows).read_text("utf-8").splitlines():
        assert json.loads(line)["system"] == "trained"
    page = (tmp_path / RUN / "report.html").read_text("utf-8")
    assert "x] [bold]" in page  # its last folder
    assert json.loads((tmp_path / model / "merged.json").read_text("utf-8"))["run"] == RUN


@pytest.mark.parametrize(
    "words",
    [
        ["train", "smoke", "--out", "-name"],
        ["predict", "bench", "--run", "-name"],
        ["convert", "eva=x.pth", "--out", "-name"],
        ["ground", "film.mp4", "a dog", "--run", "-name"],
    ],
)
def test_a_dash_in_front_of_a_value_is_explained(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "-name: after a setting, a name that begins with - is written ./-name" in line
    assert list(tmp_path.iterdir()) == []


def test_negative_numbers_are_no_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "smoke", "--optim.max-steps", "-3", "--dry-run"]) == 2
    assert "optim.max_steps is -3" in capsys.readouterr().err


def test_json_is_json_on_any_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    few_letters(monkeypatch)
    record = {"text": "café 猫 \ud800"}
    assert json.loads(json_text(record)) == record
    assert json_text(record).isascii()


def test_bytes_that_the_locale_cannot_read_are_read_as_utf8() -> None:
    assert as_text("café".encode().decode("ascii", "surrogateescape")) == "café"
    assert as_text("café") == "café"
    assert as_text(b"\xff".decode("ascii", "surrogateescape")) == "\ufffd"


DRIVER = """
import locale, os, sys
from pathlib import Path
locale.setlocale(locale.LC_ALL, "")
from seqsynth import BenchmarkSpec, build_default_benchmark
from vidllm.cli import main
from vidllm.shapes import shapes_corpus
run, bench, video, query = (os.fsdecode(os.fsencode(name)) for name in sys.argv[1:])
spec = BenchmarkSpec(image_lengths=(8,), num_image_sequences=1, queries_per_sequence=2,
                     num_clip_sequences=1, max_clips=4, num_frames=12)
corpus = shapes_corpus(Path(os.environ["SEQ2TIME_CACHE"]) / "shapes")
build_default_benchmark(corpus, Path(bench), spec)
for words in (
    ["train", "smoke", "--optim.max-steps", "3", "--data.num-workers", "1", "--out=" + run],
    ["predict", bench, "--run=" + run],
    ["report", run],
    ["merge", run, "--out", "merged"],
    ["ground", video, query, "--run=" + run, "--json", "-"],
    ["caption", video, "--run=" + run],
):
    if status := main(words):
        sys.exit(ascii(words) + f": {status}")
print("decimal point:", locale.localeconv()["decimal_point"])
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["C", "de_DE.ISO-8859-1", "de_DE.UTF-8"])
def test_a_run_in_another_locale_writes_the_same_files(
    name: str, tmp_path: Path, cache_dir: Path
) -> None:
    """A comma in numbers, a terminal of few letters, and a system that takes bytes for latin-1."""
    environment = {
        **os.environ,
        "LC_ALL": name,
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
        "OMP_NUM_THREADS": "1",
        "LOCPATH": str(tmp_path),
    }
    if name != "C":
        if shutil.which("localedef") is None:
            pytest.skip("no localedef to make locales with")
        source, _, letters = name.partition(".")
        make = ["localedef", "-i", source, "-f", letters, str(tmp_path / name)]
        if subprocess.run(make, capture_output=True, check=False).returncode:
            pytest.skip(f"localedef has no {name}")
    words = [os.fsencode(f"./{word}") for word in (RUN, BENCH, VIDEO)]
    write_video(tmp_path / VIDEO, 12)
    command = [sys.executable, "-c", DRIVER, *words, "a café 猫".encode()]
    done = subprocess.run(
        command, env=environment, capture_output=True, cwd=tmp_path, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert f"decimal point: {'.' if name == 'C' else ','}".encode() in done.stdout
    assert os.fsencode(RUN) in done.stdout
    assert b"Traceback" not in done.stderr
    run_dir = tmp_path / RUN
    written = [*run_dir.glob("*.json*"), run_dir / "report.html", *run_dir.glob("predictions/*")]
    assert len(written) >= 6
    for path in written:
        content = path.read_bytes()
        content.decode("utf-8")
        assert b"\r" not in content
    rows = run_folder.read_metrics(run_dir)
    assert [type(row["loss"]) for row in rows] == [float] * 3

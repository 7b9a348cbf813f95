"""The commands as a stranger types them: one line for a mistake, status 2, nothing overwritten."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import vidllm
from seqsynth import (
    BenchmarkSpec,
    Corpus,
    Example,
    build_default_benchmark,
    index_corpus,
    write_examples,
)
from seqsynth.cli import main as seqsynth_main
from vidllm import run_folder
from vidllm.cli import main
from vidllm.config import TrainConfig
from vidllm.recipes import RECIPES, smoke

from .small_benchmark import SMALL_BENCHMARK


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache_dir: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQ2TIME_CACHE", str(cache_dir))


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a refused command prints."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("vidllm: ")
    return lines[0].removeprefix("vidllm: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "no command 'trian'; did you mean train?"),
        (["train"], "name a recipe: vidllm train RECIPE; one of: tiny,"),
        (["train", "tinny"], "no recipe 'tinny'; did you mean tiny?"),
        (["train", "xyzzy"], "no recipe 'xyzzy'; there is: internvl3_5_2b, "),
        (
            ["train", "smoke", "--optim.max-step", "4"],
            "no setting --optim.max-step; did you mean --optim.max-steps",
        ),
        (
            ["train", "smoke", "--max-steps=4"],
            "no setting --max-steps; did you mean --optim.max-steps",
        ),
        (["train", "smoke", "--optim.max-steps", "many"], "--optim.max-steps: invalid literal"),
        (["train", "smoke", "--optim.max-steps", "-3"], "optim.max_steps is -3: give 0 or more"),
        (["train", "smoke", "--data.corpus", "emoji"], "invalid choice 'emoji'"),
        (["train", "smoke", "--data.stages.1.min-images", "1"], "stage 'images' images is (1, 8)"),
        (["train", "smoke", "--data.mixture", "papr"], "'papr'"),  # before any work is done
        (["train", "smoke", "--recipe", "tiny"], "--recipe cannot be set"),
        (["train", "smoke", "--json", "-"], "--json goes with --dry-run"),
        (["train", "smoke", "--resume"], "no run under runs/"),
        (["train", "smoke", "--resume", "nowhere"], "nowhere does not exist"),
        (["train", "smoke", "--resume", "--out", "there"], "there does not exist"),
        (["train", "smoke", "--out=there", "--resume"], "there does not exist"),
        (["train", "smoke", "--model.codec", "clock", "--dry-run"], "'clock': choose one of rpt"),
        (["train", "smoke", "--model.base", "b", "--dry-run"], "--model.adapter vlm takes yours"),
        (["train", "smoke", "--model.codec", "rtp"], "model.codec is 'rtp': choose one of rpt"),
        (["train", "smoke", "--model.adapter", "gpt", "--dry-run"], "choose one of tiny, random"),
        (["train", "tiny", "--model.eye", "clip", "--dry-run"], "has efficientnet_lite0 only"),
        (["train", "smoke", "--model.lora-targets", "query", "--dry-run"], "choose from"),
        (["predict", "--run", "r", "x"], "vidllm predict DATASET [--run DIR]; settings come last"),
        (["merge", "--otu", "x"], "settings come last"),
        (["predict", "nowhere"], "no run under runs/"),
        (["predict", "x", "--system", "traind"], "no system 'traind'; did you mean trained"),
        (["report"], "no run under runs/"),
        (["report", "nowhere"], "nowhere does not exist"),
        (["report", "--fast"], "no setting --fast; there is none"),
        (["report", "one", "two"], "one run at a time: vidllm report one, then two"),
    ],
)
def test_a_mistake_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    assert message in fails(capsys, *arguments)
    assert list(tmp_path.iterdir()) == []  # nothing was begun


def test_settings_that_the_base_lacks_leave_no_folder_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ["train", "smoke", "--model.lora-targets", "query", "--out", "run"]
    assert main(arguments) != 0
    assert "query" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "cache").mkdir()
    assert main(["train", "tiny", "--out", "run", "--data.cache-dir", "cache"]) == 2
    assert "seqsynth fetch default" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_occupied_folder_is_not_touched(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("...")
    assert "run is not empty" in fails(capsys, "train", "smoke", "--out", "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("")
    assert "file is a file" in fails(capsys, "train", "smoke", "--out", "file")
    assert "cannot be written" in fails(capsys, "train", "smoke", "--out", "file/run")


def test_a_run_is_continued_as_it_began_or_not_at_all(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    config = replace(smoke(), optim=replace(smoke().optim, max_steps=7))
    run_folder.create(config, tmp_path / "runs" / "one")
    before = (tmp_path / "runs" / "one" / "config.json").read_bytes()
    other = fails(capsys, "train", "tiny", "--resume", "runs/one")
    assert "runs/one is a run of 'smoke', not of 'tiny'" in other
    assert "vidllm train smoke --resume runs/one" in other
    assert "a run of 'smoke'" in fails(capsys, "train", "tiny", "--resume")
    for flags in (["--seed", "3"], ["--optim.max-steps", "9"], ["--model.lora-rank", "2"]):
        refused = fails(capsys, "train", "smoke", "--resume", "runs/one", *flags)
        assert "was started with other settings" in refused
    assert "different folders" in fails(
        capsys, "train", "smoke", "--resume", "runs/one", "--out", "else"
    )
    assert (tmp_path / "runs" / "one" / "config.json").read_bytes() == before
    assert [path.name for path in (tmp_path / "runs" / "one").iterdir()] == ["config.json"]


def test_from_training_to_report(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, corpus: Corpus
) -> None:
    assert main(["train", "smoke", "--optim.max-steps", "4", "--out", "run"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "run\n"
    assert "step 4/4" in captured.err
    assert "tokens/s" in captured.err
    assert main(["train", "smoke", "--resume", "run"]) == 0
    assert "run is complete: 4 steps" in capsys.readouterr().err
    build_default_benchmark(corpus, tmp_path / "bench", SMALL_BENCHMARK)
    for system in ("trained", "untrained", "chance"):
        assert main(["predict", "bench", "--run", "run", "--system", system]) == 0
        path = tmp_path / "run" / "predictions" / f"{system}.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        assert {row["system"] for row in rows} == {system}
        assert all(row["events"] for row in rows)
    report = tmp_path / "run" / "report.html"
    assert "Training loss" in report.read_text()  # training ends with it
    report.unlink()
    assert main(["report", "run"]) == 0
    assert capsys.readouterr().out.strip().endswith("run/report.html")


def test_a_build_finds_its_own_media_and_lone_examples_ask_for_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("red", "green", "blue", "black"):
        Image.new("RGB", (32, 32), name).save(photos / f"{name}.png")
        (photos / f"{name}.txt").write_text(f"a {name} card")
    index_corpus("image_folder", photos, tmp_path / "photos.arrow")
    recipe = tmp_path / "few.toml"
    recipe.write_text('base = "image_sequences"\nmin_images = 4\nmax_images = 4\n')
    build = ["build", str(recipe), "--manifest", "photos.arrow", "--out", "seqs", "--count", "2"]
    assert seqsynth_main(build) == 0
    run_folder.create(smoke(), tmp_path / "run")
    ask = ["--run", "run", "--system", "untrained", "--out"]
    assert main(["predict", "seqs", *ask, "a.jsonl"]) == 0
    assert "2 queries, 2 answered now" in capsys.readouterr().err
    (tmp_path / "lone.jsonl").write_bytes((tmp_path / "seqs" / "examples.jsonl").read_bytes())
    assert main(["predict", "lone.jsonl", *ask, "b.jsonl"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "is not of the corpus that the run was trained on" in line
    assert line.endswith("with --media-root")
    assert not (tmp_path / "b.jsonl").exists()


def test_questions_that_the_run_does_not_answer_are_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, corpus: Corpus, example: Example
) -> None:
    run_folder.create(smoke(), tmp_path / "run")
    spec = BenchmarkSpec(
        image_lengths=(8,),
        num_image_sequences=1,
        num_clip_sequences=0,
        max_clips=4,
        num_frames=12,
        codec="index",
    )
    build_default_benchmark(corpus, tmp_path / "bench", spec)
    message = fails(capsys, "predict", "bench", "--run", "run", "--system", "untrained")
    assert "writes places as 'index', the run as 'rpt'" in message
    write_examples([replace(example, task="caption")], tmp_path / "whole.jsonl")
    message = fails(capsys, "predict", "whole.jsonl", "--run", "run", "--system", "untrained")
    assert "whole.jsonl has questions of the task 'caption': what is predicted" in message
    assert "has no checkpoint yet" in fails(capsys, "predict", "bench", "--run", "run")


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_dry_run_describes_every_recipe_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, recipe: str
) -> None:
    assert main(["train", recipe, "--dry-run", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    config: TrainConfig = RECIPES[recipe]()
    assert found["recipe"] == recipe
    assert found["steps"] == config.num_steps == sum(s["steps"] for s in found["stages"])
    assert found["examples"] == found["steps"] * config.optim.global_batch_size
    parameters = found["parameters"]
    learning = parameters["lora"] + parameters["token_rows"]
    if config.optim.projector_learning_rate:
        learning += parameters["projector"]
    assert parameters["learning"] == learning
    assert parameters["projector"] > 0
    for stage in found["stages"]:
        tokens = stage["tokens_per_example"]
        assert 0 < tokens["mean"] <= tokens["longest"]
    assert found["memory_bytes_per_process"] > found["memory_bytes_without_activations"] > 0
    assert main(["train", recipe, "--dry-run"]) == 0
    assert f"{parameters['total']:,} in all" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_json_goes_where_it_is_sent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    described = ["train", "smoke", "--dry-run"]
    assert main([*described, "--json", "a.json"]) == 0
    assert capsys.readouterr().out.startswith("recipe      smoke\n")
    assert main([*described, "--json", "-"]) == 0
    assert capsys.readouterr().out == (tmp_path / "a.json").read_text()
    assert main([*described, "--json", "nowhere/a.json"]) == 2
    assert "vidllm: nowhere/a.json: No such file" in capsys.readouterr().err


def test_a_dry_run_has_as_many_clips_as_a_sequence_shows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    few = [flag for k in range(3) for flag in (f"--data.stages.{k}.max-images", "4")]
    for clips in ("5", "50"):
        many = ["--data.stages.2.max-clips", clips, "--data.stages.2.num-clip-frames", "120"]
        assert main(["train", "smoke", "--dry-run", *few, *many]) == 0, capsys.readouterr().err


def test_the_tiny_model_has_the_published_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "tiny", "--dry-run", "--json", "-"]) == 0
    parameters = json.loads(capsys.readouterr().out)["parameters"]
    assert parameters["llm"] == 134_515_008
    assert parameters["eye"] == 4_652_008
    # 30 layers; q, k, v, o of width 576 with 3 key heads of 64.
    assert parameters["lora"] == 30 * 32 * (2 * (576 + 576) + 2 * (576 + 192))
    assert parameters["token_rows"] == 10 * 576


def test_help_is_the_manual(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "train" in capsys.readouterr().out
    for arguments in (["train", "--help"], ["train", "smoke", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        text = capsys.readouterr().out
        assert "--optim.max-steps" in text
        assert "Ctrl-C" in text
        assert all(recipe in text for recipe in RECIPES)
    assert main([]) == 2
    capsys.readouterr()
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vidllm {vidllm.__version__}\n"


def test_importing_the_package_asking_for_help_or_a_slip_loads_nothing_heavy() -> None:
    code = (
        "import sys, vidllm; from vidllm.cli import main; main(['--help']); main(['trian']);"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1].split()
    assert "vidllm.cli" in loaded
    assert not {"torch", "transformers", "seqsynth", "pyarrow"} & {*loaded}

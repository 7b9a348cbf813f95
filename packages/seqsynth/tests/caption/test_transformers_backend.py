"""A real model class with random weights: loading, writing, and what a run makes of it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from seqsynth import Manifest, cli
from seqsynth.caption.backends import Answer, BackendError, BackendOptions, Question
from seqsynth.caption.run import CaptionPlan, caption_manifest
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.shards import shard_paths

pytest.importorskip("torch", reason="torch (the extra caption) is not installed")
pytest.importorskip("transformers", reason="transformers (the extra caption) is not installed")

Settings = Callable[..., CaptionSettings]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from .tiny_models import save_llava

    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def load(model: Path, make_settings: Settings) -> Callable[..., object]:
    def make(folder: Path = model, **generation: float) -> object:
        from seqsynth.caption.transformers_backend import TransformersBackend

        settings = make_settings(
            backend="transformers",
            model=str(folder),
            generation=Generation(**{"max_new_tokens": 12, **generation}),
        )
        return TransformersBackend(settings, BackendOptions(device="cpu"))

    return make


@pytest.fixture
def questions() -> list[Question]:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (3, 2, 16, 16, 3), dtype=np.uint8)
    return [Question("What is it? " * (k + 1), frames[k], seed=k) for k in range(3)]


def test_answers_are_the_same_alone_and_together(
    load: Callable[..., object], questions: list[Question]
) -> None:
    backend = load()
    together = backend.answer(questions)
    assert together == [backend.answer([question])[0] for question in questions]
    assert len({answer.text for answer in together}) == 3
    assert all(answer.finish_reason == "length" for answer in together)
    other = Question(questions[0].text, questions[1].frames, seed=0)
    assert backend.answer([other]) != together[:1]  # it sees the frames


def test_an_answer_that_comes_to_its_end_says_so(
    load: Callable[..., object], questions: list[Question], model: Path, tmp_path: Path
) -> None:
    (answer,) = load().answer(questions[:1])
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    letters = json.loads((model / "tokenizer.json").read_text())["model"]["vocab"]
    settings = json.loads((model / "generation_config.json").read_text())
    settings["eos_token_id"] = [3, letters[answer.text[2]]]
    (tmp_path / "generation_config.json").write_text(json.dumps(settings))
    (ended,) = load(folder=tmp_path).answer(questions[:1])
    assert ended == Answer(answer.text[:3], "stop")


def test_drawn_answers_depend_on_the_seed_of_their_question_alone(
    load: Callable[..., object], questions: list[Question]
) -> None:
    backend = load(temperature=1.0)
    together = backend.answer(questions)
    assert together == backend.answer(questions[::-1])[::-1]
    first = questions[0]
    other = [Question(first.text, first.frames, seed=seed) for seed in range(10, 14)]
    assert len({answer.text for answer in backend.answer(other)}) > 1


def test_the_revision_of_a_folder_is_its_content(
    load: Callable[..., object], model: Path, tmp_path: Path
) -> None:
    from seqsynth.caption.model_files import folder_revision

    revision = load().revision
    assert revision.startswith("sha256:")
    assert revision == folder_revision(str(model))
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in model.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    assert folder_revision(str(copy)) == revision
    (copy / "config.json").write_text("{}")
    assert folder_revision(str(copy)) != revision


def test_what_cannot_be_loaded_is_said_on_one_line(
    tmp_path: Path, make_settings: Settings, model: Path
) -> None:
    from seqsynth.caption.transformers_backend import TransformersBackend

    def load(folder: Path) -> None:
        settings = make_settings(backend="transformers", model=str(folder))
        TransformersBackend(settings, BackendOptions())

    with pytest.raises(BackendError, match="is no folder; --model takes"):
        load(tmp_path / "gone")
    with pytest.raises(BackendError, match="cannot be loaded as a model for images") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_made_for_chat_is_refused(
    tmp_path: Path, make_settings: Settings, model: Path
) -> None:
    from seqsynth.caption.transformers_backend import TransformersBackend

    for path in model.iterdir():
        if path.name != "chat_template.jinja":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = make_settings(backend="transformers", model=str(tmp_path))
    with pytest.raises(BackendError, match="has no chat template"):
        TransformersBackend(settings, BackendOptions())


def test_the_command_captions_a_folder_of_clips(
    clip_folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["caption", str(clip_folder), "--out", str(out), "--model", str(model)]
    arguments += [
        "--num-frames",
        "2",
        "--size",
        "16",
        "--max-new-tokens",
        "6",
        "--prompt",
        "factual",
    ]
    assert cli.main([*arguments, "--count", "3"]) == 0
    assert cli.main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n" * 2
    assert "6 captions written, 3 were there, 6 of the new ones cut off" in captured.err
    rows = [row for path in shard_paths(out) for row in pq.read_table(path).to_pylist()]
    assert len({row["id"] for row in rows}) == len(rows) == 9
    assert {row["revision"][:7] for row in rows} == {"sha256:"}
    assert {row["finish_reason"] for row in rows} == {"length"}


def test_batches_change_nothing_here(
    manifest: Manifest, model: Path, tmp_path: Path, make_settings: Settings
) -> None:
    settings = make_settings(
        backend="transformers", model=str(model), generation=Generation(max_new_tokens=5)
    )
    for size in (1, 4):
        plan = CaptionPlan(batch_size=size)
        caption_manifest(manifest, tmp_path / str(size), settings, plan=plan)
    one, four = (shard_paths(tmp_path / name)[0].read_bytes() for name in ("1", "4"))
    assert one == four

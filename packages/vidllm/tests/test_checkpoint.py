"""Checkpoints: whole, checked, and only of the model they were made from."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from vidllm.assembly import Assembly, assemble
from vidllm.checkpoint import (
    CheckpointError,
    CheckpointWriteError,
    damage,
    load_weights,
    named,
    newest_good,
    publish,
    rotate,
    save_weights,
    scratch_path,
    writing,
)
from vidllm.config import TrainConfig
from vidllm.features import FeatureStore


def make(run_dir: Path, step: int, content: str = "weights") -> Path:
    scratch = scratch_path(run_dir, step)
    scratch.mkdir(parents=True)
    (scratch / "weights.bin").write_text(content)
    (scratch / "state.json").write_text("{}")
    return publish(run_dir, step).path


def test_weights_survive_the_round_trip(
    config: TrainConfig, features: FeatureStore, tmp_path: Path
) -> None:
    model = assemble(config, features.width).model
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
        model.projector.fit_scale(features.features_NC)
    save_weights(model, tmp_path)
    fresh = assemble(replace(config, seed=9), features.width).model
    assert not torch.equal(fresh.projector.linear.weight, model.projector.linear.weight)
    load_weights(fresh, tmp_path)
    expected = model.state_dict()
    found = fresh.state_dict()
    names = learned | {"projector.mean", "projector.scale"}
    assert len(names) > 10
    assert all(torch.equal(expected[name], found[name]) for name in names)


def test_the_adapter_is_in_pefts_layout(assembly: Assembly, tmp_path: Path) -> None:
    save_weights(assembly.model, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "projector.safetensors",
    ]
    names = list(load_file(tmp_path / "adapter_model.safetensors"))
    assert sum("lora_A" in name for name in names) == 8
    assert sum("trainable_tokens_delta" in name for name in names) == 1
    adapter = json.loads((tmp_path / "adapter_config.json").read_text())
    assert adapter["peft_type"] == "LORA"
    assert adapter["trainable_token_indices"] == {
        "embed_tokens": list(range(259, 269)),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lora_rank": 8}, r"lora_A\.weight is \(4, 64\), not \(8, 64\)"),
        ({"num_layers": 1}, r"which has no .*layers\.1"),
        ({"lora_targets": ("q_proj", "up_proj")}, "it lacks .*up_proj"),
        ({"num_visual_tokens": 2}, r"projector\.safetensors does not fit the model: linear"),
        ({"projector": "mlp"}, "it lacks residual"),
    ],
)
def test_weights_of_another_model_are_refused(
    config: TrainConfig,
    features: FeatureStore,
    assembly: Assembly,
    tmp_path: Path,
    change: dict[str, object],
    message: str,
) -> None:
    save_weights(assembly.model, tmp_path)
    other = assemble(
        replace(config, model=replace(config.model, **change)),
        features.width,  # type: ignore[arg-type]
    )
    before = other.model.projector.linear.weight.clone()
    with pytest.raises(CheckpointError, match=message):
        load_weights(other.model, tmp_path)
    assert torch.equal(before, other.model.projector.linear.weight)


def test_missing_weights_are_named(assembly: Assembly, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot be read: .*adapter_model"):
        load_weights(assembly.model, tmp_path)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: (path / "weights.bin").write_text("weightz"), "does not match its checksum"),
        (lambda path: (path / "weights.bin").unlink(), "weights.bin is missing"),
        (lambda path: (path / "checkpoint.json").unlink(), "checkpoint.json is missing"),
        (lambda path: (path / "checkpoint.json").write_text('{"step": 5'), "checkpoint.json"),
        (lambda path: (path / "checkpoint.json").write_text("[]"), "checkpoint.json"),
    ],
)
def test_the_last_good_one_is_found(
    tmp_path: Path, spoil: object, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    good, newest = make(tmp_path, 5), make(tmp_path, 10)
    found = newest_good(tmp_path)
    assert found is not None
    assert found.step == 10
    spoil(newest)  # type: ignore[operator]
    assert problem in str(damage(newest))
    found = newest_good(tmp_path)
    assert found is not None
    assert (found.step, found.path) == (5, good)
    assert "checkpoint-10 is damaged" in caplog.text


def test_one_of_another_version_is_not_passed_over(tmp_path: Path) -> None:
    make(tmp_path, 5)
    path = make(tmp_path, 10) / "checkpoint.json"
    record = json.loads(path.read_text())
    assert record["format_version"] == 1
    path.write_text(json.dumps(record | {"format_version": 2}))
    with pytest.raises(CheckpointError, match=r"checkpoint-10 has format version 2, .* reads 1"):
        newest_good(tmp_path)


def test_one_that_cannot_be_opened_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, 5)
    make(tmp_path, 10)

    def busy(path: Path) -> str:
        raise OSError(errno.EMFILE, "Too many open files", str(path))

    monkeypatch.setattr("vidllm.checkpoint.sha256_of", busy)
    with pytest.raises(OSError, match=r"Too many open files: .*checkpoint-10"):
        newest_good(tmp_path)


def test_nothing_half_built_is_taken_for_a_checkpoint(tmp_path: Path) -> None:
    make(tmp_path, 5)
    scratch = scratch_path(tmp_path, 10)
    scratch.mkdir()
    (scratch / "weights.bin").write_text("half")
    (tmp_path / "checkpoint-notanumber").mkdir()
    (tmp_path / "checkpoint-7").write_text("a file")
    assert [checkpoint.step for checkpoint in named(tmp_path)] == [5]
    rotate(tmp_path, 3)
    assert not scratch.exists()


def test_a_damaged_one_of_the_same_step_is_replaced(tmp_path: Path) -> None:
    path = make(tmp_path, 5)
    (path / "weights.bin").write_text("damaged")
    make(tmp_path, 5, "new")
    assert damage(path) is None
    assert (path / "weights.bin").read_text() == "new"


def test_rotation_keeps_the_newest(tmp_path: Path) -> None:
    for step in (5, 10, 100, 15):
        make(tmp_path, step)
    rotate(tmp_path, 2)
    assert [checkpoint.step for checkpoint in named(tmp_path)] == [100, 15]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-100", "checkpoint-15"]


def fail(run_dir: Path, error: Exception) -> None:
    """While the checkpoint of step 10 is written."""
    with writing(run_dir, 10):
        scratch_path(run_dir, 10).mkdir()
        raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "make room, then continue"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "make room, then continue"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only .*: see to that, then continue"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), "make room"),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 7"), "make room"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "make room"),
    ],
)
def test_a_file_that_cannot_be_written_says_what_to_do(
    tmp_path: Path, error: Exception, said: str
) -> None:
    make(tmp_path, 5)
    with pytest.raises(CheckpointWriteError, match=said) as caught:
        fail(tmp_path, error)
    assert "the run stands at step 5" in str(caught.value)
    assert not scratch_path(tmp_path, 10).exists()


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Connection closed by peer [127.0.0.1]:4711"),
        SafetensorError("Some tensors share memory"),
        KeyError("llm.lora_A"),
    ],
)
def test_other_errors_are_not_laid_to_the_disk(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        fail(tmp_path, error)
    assert caught.value is error
    assert not scratch_path(tmp_path, 10).exists()


def test_an_empty_run_has_none(tmp_path: Path) -> None:
    assert newest_good(tmp_path) is None

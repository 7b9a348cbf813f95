"""What the trainer offers beyond a plain run: the same numbers, laid out otherwise."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from transformers.models.llama.modeling_llama import LlamaAttention

from vidllm import run_folder
from vidllm.config import ComputeConfig, OptimConfig, TrainConfig
from vidllm.stage_config import StageConfig
from vidllm.trainer import LengthOrder, training_arguments
from vidllm.training import train


@pytest.fixture
def losses(config: TrainConfig, tmp_path: Path) -> Callable[..., list[float]]:
    """Losses of three steps of image sequences under other settings."""

    def run(name: str, **changes: object) -> list[float]:
        stage = StageConfig(name="images", num_steps=3, min_images=3, max_images=9)
        short = replace(config, data=replace(config.data, stages=(stage,)))
        short = replace(short, **changes)  # type: ignore[arg-type]
        run_folder.create(short, tmp_path / name)
        train(short, tmp_path / name, resume_from=None, console=Console(quiet=True))
        return [row["loss"] for row in run_folder.read_metrics(tmp_path / name)]

    return run


def test_laying_out_the_work_otherwise_changes_nothing(
    losses: Callable[..., list[float]], config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    forward = LlamaAttention.forward

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(LlamaAttention, "forward", counted)
    plain = losses("plain")
    num_plain = len(calls)
    grouped = replace(config.optim, group_by_length=True)
    assert losses("grouped", optim=grouped) == pytest.approx(plain, rel=1e-5)
    calls.clear()
    checkpointing = ComputeConfig(gradient_checkpointing=True)
    assert losses("checkpointing", compute=checkpointing) == pytest.approx(plain, rel=1e-6)
    assert len(calls) == num_plain + 3 * 2 * 2  # once more in steps, micro batches, layers
    assert losses("bf16", compute=ComputeConfig(bf16=True)) == pytest.approx(plain, rel=2e-2)


def test_loss_by_source_and_task_add_up_to_the_loss(config: TrainConfig, tmp_path: Path) -> None:
    stage = StageConfig(name="mixed", num_steps=6, caption_weight=1.0, clip_weight=1.0)
    short = replace(config, data=replace(config.data, stages=(stage,)))
    run_folder.create(short, tmp_path / "run")
    train(short, tmp_path / "run", resume_from=None, console=Console(quiet=True))
    rows = run_folder.read_metrics(tmp_path / "run")
    assert len({name for row in rows for name in row["source_losses"]}) >= 2
    for row in rows:  # one kind of batch a step
        (loss,) = row["source_losses"].values()
        assert loss == pytest.approx(row["loss"], rel=1e-5)


class Lengths:
    """Examples whose lengths are these; asking for one is noted."""

    def __init__(self, lengths: list[int]) -> None:
        self.lengths, self.asked = lengths, set[int]()

    def __len__(self) -> int:
        return len(self.lengths)

    def length(self, index: int) -> int:
        self.asked.add(index)
        return self.lengths[index]


def test_length_order_stays_within_global_batches() -> None:
    lengths = Lengths([9, 1, 5, 3, 2, 8, 2, 7])
    assert list(LengthOrder(lengths, 4)) == [1, 3, 2, 0, 4, 6, 7, 5]
    resumed = Lengths(lengths.lengths)
    order = list(LengthOrder(resumed, 4, first_step=1))
    assert order[4:] == [4, 6, 7, 5]
    assert resumed.asked == {4, 5, 6, 7}, "what is skipped is not read"
    assert len(LengthOrder(lengths, 4)) == 8


def test_words_of_the_configuration_reach_the_library(config: TrainConfig, tmp_path: Path) -> None:
    compute = ComputeConfig(bf16=True, fsdp=True)
    arguments = training_arguments(
        replace(config, compute=compute, report_to=("tensorboard",)), tmp_path / "my-run"
    )
    assert arguments.bf16
    assert arguments.fsdp_plugin_args["fsdp_version"] == 2
    assert arguments.report_to == ["tensorboard"]
    assert arguments.run_name == "my-run"
    plain = training_arguments(config, tmp_path)
    assert (plain.bf16, plain.fsdp_plugin_args, plain.report_to) == (False, None, [])


def test_a_deepspeed_file_is_handed_on(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DeepSpeed itself is not there: what the library is given is looked at."""
    given: dict[str, object] = {}

    class Arguments:
        device, world_size = torch.device("cpu"), 1

        def __init__(self, **named: object) -> None:
            given.update(named)

    monkeypatch.setattr("vidllm.trainer.TrainingArguments", Arguments)
    compute = ComputeConfig(deepspeed="zero3.json")
    training_arguments(replace(config, compute=compute), tmp_path)
    assert given["deepspeed"] == "zero3.json"
    with pytest.raises(ValueError, match=r"compute\.deepspeed is 'z\.json': choose it or"):
        ComputeConfig(deepspeed="z.json", fsdp=True)


def test_the_global_batch_is_stated_whatever_the_number_of_processes() -> None:
    optim = OptimConfig(global_batch_size=32, micro_batch_size=2)
    for processes in (1, 2, 4, 8, 16):
        steps = optim.accumulation_steps(processes)
        assert steps * processes * optim.micro_batch_size == 32

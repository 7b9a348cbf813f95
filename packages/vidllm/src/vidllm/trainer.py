"""Hugging Face's `Trainer` with what it lacks for this.

One learning rate a part, stages, loss by task, atomic checkpoints of adapter and projector, and an
orderly end on Ctrl-C or a bad loss. Everything else (DDP, FSDP, mixed precision, accumulation) is
the library's. Accumulation is exact because the loss is a sum over labels divided by the labels of
the whole global batch.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from vidllm import checkpoint, run_folder
from vidllm.adapters import SequenceModel
from vidllm.batching import TASKS
from vidllm.config import TrainConfig
from vidllm.data import TrainingData
from vidllm.data_workers import begin_data_worker
from vidllm.processes import has_accelerator
from vidllm.progress import ProgressLine
from vidllm.reading import RunCollator
from vidllm.schedule import GROUPS, learning_rates, moment_of


class DivergenceError(RuntimeError):
    """The loss is no longer a number."""


class SequenceTrainer(Trainer):
    """See the module.

    Args:
        model: what is trained, a `SequenceModel`.
        config: the whole configuration.
        run_dir: where checkpoints and metrics go; exists.
        dataset: item i is example i of the run.
        collator: examples to a batch.
        progress_line: told about every step.
        first_step: steps done before (a resumed run).
    """

    def __init__(
        self,
        model: SequenceModel,
        config: TrainConfig,
        run_dir: Path,
        *,
        dataset: TrainingData,
        collator: RunCollator,
        progress_line: ProgressLine,
        first_step: int = 0,
    ):
        self.config, self.run_dir, self.progress_line = config, run_dir, progress_line
        self.first_step, self.sources = first_step, collator.sources
        _prepare(model, config)
        super().__init__(
            model=cast(nn.Module, model),
            args=training_arguments(config, run_dir),
            train_dataset=dataset,
            data_collator=collator,
        )
        self.remove_callback(PrinterCallback)
        self.remove_callback(ProgressCallback)
        # Losses and labels of tasks, then of sources.
        self._sums_K2 = torch.zeros(len(TASKS) + len(self.sources), 2, dtype=torch.float64)
        self._num_tokens = 0
        self._step_began = time.perf_counter()

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """In order: the dataset is a function of the index, and so is its randomness."""
        dataset: Any = self.train_dataset if train_dataset is None else train_dataset
        if self.config.optim.group_by_length:
            size = self.config.optim.global_batch_size
            return LengthOrder(dataset, size, first_step=self.first_step)
        return torch.utils.data.SequentialSampler(dataset)

    def get_train_dataloader(self) -> Any:
        """The library's, with workers that end as they should; its own seeds are of no use here."""
        loader: Any = super().get_train_dataloader()
        getattr(loader, "base_dataloader", loader).worker_init_fn = begin_data_worker
        return loader

    def create_accelerator_and_postprocess(self) -> None:
        """The library's; accelerate shards over GPUs alone, although PyTorch does over CPUs too."""
        super().create_accelerator_and_postprocess()
        asked = self.args.fsdp_plugin_args is not None and self.args.world_size > 1
        self._shards_over_cpus = asked and not has_accelerator()
        if not self._shards_over_cpus:
            return
        from accelerate.utils.dataclasses import DistributedType, FullyShardedDataParallelPlugin

        plugin: Any = FullyShardedDataParallelPlugin(**self.args.fsdp_plugin_args)
        state: Any = self.accelerator.state
        if state.mixed_precision != "no":
            plugin.set_mixed_precision(state.mixed_precision)
        state.distributed_type, state.fsdp_plugin = DistributedType.FSDP, plugin
        self.is_fsdp_enabled = True

    def _prepare_for_training(self, *args: Any, **kwargs: Any) -> Any:
        prepare: Any = super()._prepare_for_training
        model, loader = prepare(*args, **kwargs)
        if self._shards_over_cpus:
            model.set_force_sum_reduction_for_comms(True)  # gloo cannot average
        return model, loader

    def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
        """AdamW with a group for each part that has a learning rate of its own."""
        if self.optimizer is None:
            source = self.accelerator.unwrap_model(self.model if model is None else model)
            groups, optim = source.parameter_groups(), self.config.optim
            self.optimizer = torch.optim.AdamW(
                [{"params": groups[name], "name": name} for name in GROUPS if groups[name]],
                lr=1.0,  # the scheduler multiplies it by the learning rate
                betas=(optim.beta1, optim.beta2),
                weight_decay=optim.weight_decay,
            )
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The learning rates of `vidllm.schedule`."""
        if self.lr_scheduler is None:
            optimizer = self.optimizer if optimizer is None else optimizer
            names = [group["name"] for group in optimizer.param_groups]
            self.lr_scheduler = LambdaLR(optimizer, [self._rate_of(name) for name in names])
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:
        """The model's loss; keeps each task's share and stops on a loss that is no number."""
        tasks_B, sources_B = inputs.pop("tasks"), inputs.pop("sources")
        num_tokens_B = inputs.pop("num_tokens")
        outputs = model(**inputs, num_items_in_batch=num_items_in_batch)
        loss = outputs["loss"]
        if not math.isfinite(loss.item()):
            raise DivergenceError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}: "
                "lower optim.lora_learning_rate or optim.projector_learning_rate"
            )
        shares_B2 = torch.stack([outputs["example_losses"], outputs["example_labels"]], 1)
        shares_B2 = shares_B2.cpu().double()
        self._sums_K2.index_add_(0, tasks_B.cpu(), shares_B2)
        self._sums_K2.index_add_(0, sources_B.cpu() + len(TASKS), shares_B2)
        self._num_tokens += int(num_tokens_B.sum())
        # DDP averages gradients over the processes; the loss is a share of the global sum.
        loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Writes one row of metrics.jsonl a step."""
        super().log(logs, start_time)
        if "loss" not in logs:
            return  # the library's summary at the end
        row = self._row(logs)
        if self.is_world_process_zero():
            run_folder.add_metrics(row, self.run_dir)
            self.progress_line.step(row)

    def _row(self, logs: dict[str, float]) -> dict[str, Any]:
        sums_K2, num_tokens = self._gathered()
        step, now = self.state.global_step, time.perf_counter()
        rates = learning_rates(self.config, step - 1)
        labels = sums_K2[: len(TASKS), 1].sum()
        row = {
            "step": step,
            "stage": moment_of(self.config, step - 1).stage.name,
            "loss": logs["loss"],
            "learning_rates": rates,
            "grad_norm": logs.get("grad_norm"),
            "tokens": num_tokens,
            "labels": int(labels),
            "seconds": round(now - self._step_began, 4),
            "task_losses": _means(TASKS, sums_K2[: len(TASKS)]),
            "source_losses": _means(self.sources, sums_K2[len(TASKS) :]),
        }
        self._sums_K2.zero_()
        self._num_tokens, self._step_began = 0, now
        return row

    def _gathered(self) -> tuple[Tensor, int]:
        """Sums and tokens of this step, over all processes."""
        accelerator: Any = self.accelerator
        if accelerator.num_processes == 1:
            return self._sums_K2, self._num_tokens
        mine = torch.cat([self._sums_K2.flatten(), torch.tensor([float(self._num_tokens)])])
        total = accelerator.reduce(mine.to(self.args.device), reduction="sum").cpu()
        return total[:-1].view_as(self._sums_K2), int(total[-1])

    def is_true_anywhere(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        accelerator: Any = self.accelerator
        if accelerator.num_processes == 1:
            return flag
        counted = accelerator.reduce(torch.tensor([float(flag)], device=self.args.device))
        return bool(counted.item() > 0)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        accelerator: Any = self.accelerator
        step = self.state.global_step
        scratch = checkpoint.scratch_path(self.run_dir, step)
        state = _gathered_state(model) if self.is_fsdp_enabled else None
        with checkpoint.writing(self.run_dir, step):
            if self.is_world_process_zero():
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir()
                checkpoint.save_weights(self.accelerator.unwrap_model(model), scratch, state=state)
                self.state.save_to_json(str(scratch / "trainer_state.json"))
            accelerator.wait_for_everyone()
            self._save_optimizer_and_scheduler(str(scratch))
            self._save_scaler(str(scratch))
            self._save_rng_state(str(scratch))
            accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                checkpoint.publish(self.run_dir, step)
                checkpoint.rotate(self.run_dir, self.config.keep_checkpoints)
        accelerator.wait_for_everyone()

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.is_fsdp_enabled:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        # The library's own would write the whole model too, frozen weights included.
        from accelerate.utils import fsdp_utils
        from transformers.trainer import SCHEDULER_NAME

        accelerator: Any = self.accelerator
        plugin = accelerator.state.fsdp_plugin
        save: Any = fsdp_utils.save_fsdp_optimizer
        save(plugin, accelerator, self.optimizer, self.model, output_dir)
        if self.is_world_process_zero():
            scheduler: Any = self.lr_scheduler
            torch.save(scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            return  # loaded before the model was spread over the processes
        target = self.accelerator.unwrap_model(self.model if model is None else model)
        checkpoint.load_weights(target, Path(resume_from_checkpoint))

    def _rate_of(self, name: str) -> Any:
        return lambda step: learning_rates(self.config, step)[name]


def _prepare(model: SequenceModel, config: TrainConfig) -> None:
    """What the library would ask of the whole model, and only the one inside knows."""
    causal_lm: Any = model.llm.get_base_model()
    if config.compute.gradient_checkpointing:
        # The second name is that of transformers before 5.23.
        enable = getattr(causal_lm, "activation_checkpointing_enable", None)
        (enable or causal_lm.gradient_checkpointing_enable)({"use_reentrant": False})
    if config.compute.fsdp:  # which layers are shards of their own
        whole: Any = model
        whole._no_split_modules = sorted(causal_lm._no_split_modules or [])


def _gathered_state(model: nn.Module) -> dict[str, Any]:
    """What learns of a sharded model, whole, on the CPU of the first process; all have to call."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True, ignore_frozen_params=True)
    return get_model_state_dict(model, options=options)


def _means(names: Sequence[str], sums_K2: Tensor) -> dict[str, float]:
    """The mean loss of each name that has labels."""
    return {
        name: (total / count).item()
        for name, (total, count) in zip(names, sums_K2, strict=True)
        if count
    }


class LengthOrder(Sampler[int]):
    """The examples in order, those of each global batch by length: less padding, the same batches.

    Args:
        dataset: `length(i)` gives the tokens of example i.
        global_batch_size: examples an optimizer step.
        first_step: batches before this one are not looked at, they are skipped.
    """

    def __init__(self, dataset: Any, global_batch_size: int, *, first_step: int = 0) -> None:
        self.dataset, self.size, self.first_step = dataset, global_batch_size, first_step

    def __len__(self) -> int:
        return len(self.dataset)

    def __iter__(self) -> Iterator[int]:
        for start in range(0, len(self.dataset), self.size):
            batch = range(start, min(start + self.size, len(self.dataset)))
            if start < self.first_step * self.size:
                yield from batch
            else:
                yield from sorted(batch, key=lambda index: (self.dataset.length(index), index))


class StopOnRequest(TrainerCallback):
    """Ends training after the current step, with a checkpoint, once `requested` is set.

    Args:
        trainer: knows the other processes: all stop after the same step, whichever was asked.
    """

    def __init__(self, trainer: SequenceTrainer) -> None:
        self.trainer = trainer
        self.requested = False

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Called by the trainer."""
        if self.trainer.is_true_anywhere(self.requested):
            control.should_save = True
            control.should_training_stop = True
        return control


def _compute(config: TrainConfig) -> dict[str, Any]:
    """What `ComputeConfig` is in the library's words."""
    compute = config.compute
    arguments: dict[str, Any] = {"bf16": compute.bf16}
    if compute.fsdp:
        arguments["fsdp"] = True
        arguments["fsdp_config"] = {"version": 2, "auto_wrap_policy": "TRANSFORMER_BASED_WRAP"}
    if compute.deepspeed:
        arguments["deepspeed"] = compute.deepspeed
    return arguments


def training_arguments(config: TrainConfig, run_dir: Path) -> TrainingArguments:
    """The library's settings that follow from ours."""
    optim = config.optim
    arguments = TrainingArguments(
        output_dir=str(run_dir),
        per_device_train_batch_size=optim.micro_batch_size,
        max_steps=config.num_steps,
        max_grad_norm=optim.max_grad_norm,
        seed=config.seed,
        save_strategy="steps",
        save_steps=config.checkpoint_every,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        use_cpu=not has_accelerator(),
        report_to=list(config.report_to),
        run_name=run_dir.name,
        **_compute(config),
        remove_unused_columns=False,
        dataloader_num_workers=config.data.num_workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        average_tokens_across_devices=True,
        ddp_find_unused_parameters=False,
        accelerator_config={"dispatch_batches": False, "split_batches": False},
    )
    # One process, one GPU; torchrun starts more. The library would split batches over all it sees.
    if arguments.device.type == "cuda":
        arguments._n_gpu = 1
    arguments.gradient_accumulation_steps = optim.accumulation_steps(arguments.world_size)
    return arguments

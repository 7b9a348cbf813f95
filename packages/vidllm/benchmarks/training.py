"""A LoRA step of our trainer against plain peft and the `Trainer` of transformers.

Both train the same random LLaMA under the same LoRA, time tokens included, on the same tokens,
labels and masks, in float32 on the CPU with AdamW. The peer gets token 0 where a picture goes; it
computes all logits and, for the rows of the time tokens, PEFT's copy of the whole embedding matrix.
Ours also projects the pictures and writes a line of metrics a step. Every round is a process of
its own, ours and the peer's by turns, so that a busy machine slows down both.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ROUNDS = 5
NUM_STEPS, NUM_WARMUP = 10, 3
BATCH_SIZE, NUM_IMAGES = 4, 32
SIZES = {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6, "vocab_size": 16_384}
SIDES = ("ours", "peer")


def run() -> dict[str, dict[str, Any]]:
    """Tokens a second and peak memory."""
    results: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    with tempfile.TemporaryDirectory() as name:
        measured("ours", Path(name))  # draws pictures and features, which later rounds find
        for _ in range(ROUNDS):
            for side in SIDES:
                results[side].append(measured(side, Path(name)))

    def medians(figure: str) -> tuple[float, float]:
        ours, peer = (statistics.median(r[figure] for r in results[side]) for side in SIDES)
        return ours, peer

    ours, peer = medians("tokens_per_second")
    fewer, more = medians("mebibytes")
    note = (
        f"{BATCH_SIZE} sequences of {NUM_IMAGES} pictures a step, {SIZES['num_hidden_layers']} "
        f"layers of {SIZES['hidden_size']}, {SIZES['vocab_size']:,} tokens, one thread"
    )
    common = {"runs": ROUNDS}
    return {
        "vidllm_lora_step_vs_peft_trainer": {
            "ours": ours, "peer": peer, "ratio": ours / peer, "unit": "tokens/s", "note": note,
            **common,
        },
        "vidllm_lora_step_vs_peft_trainer_peak_mebibytes": {
            "ours": fewer, "peer": more, "ratio": more / fewer, "unit": "MiB",
            "note": "the process, start of Python and imports included", **common,
        },
    }  # fmt: skip


def measured(side: str, folder: Path) -> dict[str, float]:
    """Runs a side in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, __file__, side, str(folder)]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(side: str, folder: Path) -> dict[str, float]:
    """Tokens a second after the first steps, and the peak memory of this process."""
    from vidllm.data import TrainingData

    config = configuration(folder / "cache")
    model, data, collator = parts_of(config)
    assert isinstance(data, TrainingData)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        make = our_trainer if side == "ours" else plain_trainer
        seconds = timed(make(config, model, data, collator, Path(name)))
    first = NUM_WARMUP * BATCH_SIZE
    num_tokens = sum(data.length(index) for index in range(first, NUM_STEPS * BATCH_SIZE))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; bytes on macOS
    return {
        "tokens_per_second": num_tokens / seconds,
        "mebibytes": peak / 2 ** (20 if sys.platform == "darwin" else 10),
    }


def configuration(cache_dir: Path) -> Any:
    """The recipe smoke on longer sequences and a larger model."""
    from vidllm.adapters import random as random_base
    from vidllm.recipes import smoke
    from vidllm.stage_config import StageConfig

    random_base.RANDOM_LLAMA.update(SIZES)
    base = smoke()
    stage = StageConfig(
        name="images",
        num_steps=NUM_STEPS,
        min_images=NUM_IMAGES,
        max_images=NUM_IMAGES,
        curriculum_fraction=0.0,
    )
    return replace(
        base,
        data=replace(base.data, cache_dir=str(cache_dir), stages=(stage,)),
        optim=replace(base.optim, global_batch_size=BATCH_SIZE, micro_batch_size=BATCH_SIZE),
        checkpoint_every=10**6,
    )


def parts_of(config: Any) -> tuple[Any, Any, Any]:
    """Model, data and collator; the same for both sides."""
    from vidllm.assembly import assemble, load_corpus, load_features, start_projector
    from vidllm.batching import Collator
    from vidllm.data import TrainingData
    from vidllm.features import frames_of_corpus
    from vidllm.reading import RunCollator

    corpus = load_corpus(config.data)
    frames = frames_of_corpus(corpus, config.data.clip_frame_step, heldout=False)
    features = load_features(config, corpus, frames)
    parts = assemble(config, features.width)
    offsets = start_projector(parts, config, corpus, features)
    data = TrainingData(config, corpus, parts.prompter)
    collator = RunCollator(Collator(features, 2, offsets), data, features)
    return parts.model, data, collator


def our_trainer(config: Any, model: Any, data: Any, collator: Any, run_dir: Path) -> Any:
    """As `vidllm train` has it."""
    from rich.console import Console

    from vidllm.progress import ProgressLine
    from vidllm.trainer import SequenceTrainer

    line = ProgressLine(Console(quiet=True), NUM_STEPS)
    return SequenceTrainer(
        model, config, run_dir, dataset=data, collator=collator, progress_line=line
    )


def plain_trainer(config: Any, model: Any, data: Any, collator: Any, run_dir: Path) -> Any:
    """The language model under LoRA, in the trainer as it is."""
    from torch.utils.data import SequentialSampler
    from transformers import Trainer, TrainingArguments
    from transformers.trainer_callback import PrinterCallback

    from vidllm.prompt_script import VISUAL_TOKEN

    def text_alone(examples: Any) -> dict[str, Any]:
        batch = collator(examples)
        ids = batch["input_ids"].masked_fill(batch["input_ids"] == VISUAL_TOKEN, 0)
        kept = ("labels", "position_ids", "attention_mask")
        return {"input_ids": ids, **{name: batch[name] for name in kept if name in batch}}

    arguments = TrainingArguments(
        output_dir=str(run_dir),
        per_device_train_batch_size=BATCH_SIZE,
        max_steps=NUM_STEPS,
        learning_rate=config.optim.lora_learning_rate,
        max_grad_norm=config.optim.max_grad_norm,
        save_strategy="no",
        logging_steps=1,
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )
    trainer = Trainer(model=model.llm, args=arguments, train_dataset=data, data_collator=text_alone)
    trainer.remove_callback(PrinterCallback)
    trainer._get_train_sampler = lambda *args, **kwargs: SequentialSampler(data)  # ours is in order
    return trainer


def timed(trainer: Any) -> float:
    """Seconds of all steps but the first ones."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            ends.append(time.perf_counter())

    trainer.add_callback(Clock())
    trainer._save_checkpoint = lambda *args, **kwargs: None  # ours writes one at the end
    trainer.train()
    return ends[-1] - ends[NUM_WARMUP - 1]


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))

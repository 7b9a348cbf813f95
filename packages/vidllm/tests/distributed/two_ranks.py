"""A few steps of the smoke recipe; rank 0 writes its losses, gradients and weights.

torchrun --nproc-per-node N two_ranks.py CACHE_DIR MICRO_BATCH OUT.safetensors [BASE]

With BASE, the folder of a vlm, that is trained with its connector: captions first, then sequences
of two images, many of them all text.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

from vidllm import checkpoint, run_folder
from vidllm.assembly import assemble, load_corpus, load_features, start_projector
from vidllm.batching import Collator
from vidllm.config import TrainConfig
from vidllm.data import TrainingData
from vidllm.features import frames_of_corpus
from vidllm.progress import ProgressLine
from vidllm.reading import RunCollator
from vidllm.recipes import smoke
from vidllm.stage_config import StageConfig
from vidllm.testing import SIDE
from vidllm.trainer import SequenceTrainer

GLOBAL_BATCH, NUM_STEPS = 4, 3


def on_vlm(config: TrainConfig, base: str) -> TrainConfig:
    """The same on a vlm, in two stages."""
    captions = StageConfig(name="align", num_steps=1, caption_weight=1.0, image_weight=0.0)
    texts = StageConfig(
        name="texts", num_steps=2, min_images=2, max_images=2, text_fraction=1.0, warmup_steps=1
    )
    return replace(
        config,
        model=replace(
            config.model, adapter="vlm", base=base, image_sizes=(SIDE,), connector_learns=True
        ),
        prompt=replace(config.prompt, template="chat", layout="code_first"),
        data=replace(config.data, stages=(captions, texts)),
    )


def main(cache_dir: str, micro_batch: int, out: Path, vlm: str = "") -> None:
    torch.set_num_threads(1)
    base = on_vlm(smoke(), vlm) if vlm else smoke()
    config = replace(
        base,
        data=replace(base.data, cache_dir=cache_dir),
        optim=replace(base.optim, global_batch_size=GLOBAL_BATCH, micro_batch_size=micro_batch),
    )
    config = replace(config, optim=replace(config.optim, max_steps=NUM_STEPS))
    corpus = load_corpus(config.data)
    frames = frames_of_corpus(corpus, config.data.clip_frame_step, heldout=False)
    features = load_features(config, corpus, frames)
    parts = assemble(config, features.width)
    offsets = start_projector(parts, config, corpus, features)
    forward, without_pictures = parts.model.forward, torch.zeros(1)

    def counting(**batch: Any) -> Any:
        without_pictures.add_("pixel_values" not in batch)
        return forward(**batch)

    parts.model.forward = counting
    run_dir = out.parent / f"run-{out.stem}"
    run_dir.mkdir(exist_ok=True)
    data = TrainingData(config, corpus, parts.prompter)
    trainer = SequenceTrainer(
        parts.model,
        config,
        run_dir,
        dataset=data,
        collator=RunCollator(Collator(features, 2, offsets), data, features),
        progress_line=ProgressLine(Console(quiet=True), config.num_steps),
    )
    gradients: list[dict[str, torch.Tensor]] = []
    optimizer_step = torch.optim.AdamW.step

    def recording(self: Any, *args: Any, **kwargs: Any) -> Any:
        named: Any = parts.model
        gradients.append(
            {n: p.grad.clone() for n, p in named.named_parameters() if p.grad is not None}
        )
        return optimizer_step(self, *args, **kwargs)

    torch.optim.AdamW.step = recording  # type: ignore[method-assign]
    trainer.args.max_grad_norm = 0.0  # gradients as they are
    trainer.train()
    if trainer.is_world_process_zero():
        named = {f"{k}/{n}": g for k, step in enumerate(gradients) for n, g in step.items()}
        if vlm:
            named["without_pictures"] = without_pictures
        save_file(named | written(run_dir, list(parts.model.parts)), out)


def written(run_dir: Path, parts: list[str]) -> dict[str, torch.Tensor]:
    """What the run folder says: figures of each step, and the weights at the end."""
    rows = run_folder.read_metrics(run_dir)
    figures = {
        "losses": [row["loss"] for row in rows],
        "tasks": [sum(row["task_losses"].values()) for row in rows],
        "sources": [sum(row["source_losses"].values()) for row in rows],
        "tokens": [row["tokens"] for row in rows],
        "checkpoints": len(list(run_dir.glob("checkpoint-*"))),
    }
    found = {name: torch.tensor(values, dtype=torch.float64) for name, values in figures.items()}
    last = run_dir / f"checkpoint-{NUM_STEPS}"
    for file in (checkpoint.ADAPTER_NAME, *(f"{part}{checkpoint.PART_SUFFIX}" for part in parts)):
        found |= {f"weights/{name}": value for name, value in load_file(last / file).items()}
    return found


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])

"""The paper's data on today's VLMs: one recipe a base, both phases, places as RPT.

Frames go in one by one with their places before them, as these bases read videos; batch, learning
rate and picture size are starting points that nobody has tuned on these bases. The data is that of
the recipe `paper` (--data.root); another base of the same family is one word: --model.base.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from vidllm.config import (
    ComputeConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    PromptConfig,
    TrainConfig,
)
from vidllm.stage_config import StageConfig

GLOBAL_BATCH = 64
LEARNING_RATE = 1e-4
WARMUP_SHARE = 0.03
PHASES = ("paper_phase1", "paper_phase2")


def qwen3_vl_2b() -> TrainConfig:
    """Qwen3-VL-2B on the paper's data: 49 visual tokens a frame."""
    return _on_base("qwen3_vl_2b", "Qwen/Qwen3-VL-2B-Instruct")


def qwen3_vl_8b() -> TrainConfig:
    """Qwen3-VL-8B on the paper's data: 49 visual tokens a frame."""
    return _on_base("qwen3_vl_8b", "Qwen/Qwen3-VL-8B-Instruct")


def qwen2_5_vl_7b() -> TrainConfig:
    """Qwen2.5-VL-7B on the paper's data: 64 visual tokens a frame."""
    return _on_base("qwen2_5_vl_7b", "Qwen/Qwen2.5-VL-7B-Instruct")


def smolvlm2_500m() -> TrainConfig:
    """SmolVLM2-500M on the paper's data: 64 visual tokens a frame of 512 pixels."""
    base = "HuggingFaceTB/SmolVLM2-500M-Video-Instruct"
    return _on_base("smolvlm2_500m", base, image_size=512)


def internvl3_5_2b() -> TrainConfig:
    """InternVL3.5-2B on the paper's data: 256 visual tokens a frame of 448 pixels."""
    return _on_base("internvl3_5_2b", "OpenGVLab/InternVL3_5-2B-HF", image_size=448)


def llava_onevision_7b() -> TrainConfig:
    """LLaVA-OneVision-7B on the paper's data: frames pooled to 197 visual tokens."""
    base = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
    config = _on_base("llava_onevision_7b", base, image_size=384)
    return replace(config, model=replace(config.model, visual_route="video"))


VLM_RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "qwen3_vl_2b": qwen3_vl_2b,
    "qwen3_vl_8b": qwen3_vl_8b,
    "qwen2_5_vl_7b": qwen2_5_vl_7b,
    "smolvlm2_500m": smolvlm2_500m,
    "internvl3_5_2b": internvl3_5_2b,
    "llava_onevision_7b": llava_onevision_7b,
}


def _on_base(recipe: str, base: str, image_size: int = 224) -> TrainConfig:
    """Both phases of the paper on a base."""
    stages = tuple(_phase(f"phase{k}", name) for k, name in enumerate(PHASES, start=1))
    return TrainConfig(
        recipe=recipe,
        model=ModelConfig(
            adapter="vlm",
            base=base,
            weights="bfloat16",
            image_sizes=(image_size,),
            connector_learns=True,
            lora_alpha=64,
        ),
        prompt=PromptConfig(layout="code_first", template="chat", turns="dialogue"),
        data=DataConfig(stages=stages, num_workers=6),
        optim=OptimConfig(
            global_batch_size=GLOBAL_BATCH,
            micro_batch_size=1,
            projector_learning_rate=LEARNING_RATE / 10,
            lora_learning_rate=LEARNING_RATE,
            token_learning_rate=LEARNING_RATE,
            beta2=0.999,
        ),
        compute=ComputeConfig(bf16=True, gradient_checkpointing=True),
        checkpoint_every=500,
        keep_checkpoints=3,
    )


def _phase(name: str, mixture: str) -> StageConfig:
    """One pass through a mixture, with a schedule of its own."""
    from seqsynth import MIXTURES

    num_steps = math.ceil(MIXTURES[mixture]().num_examples / GLOBAL_BATCH)
    return StageConfig(
        name=name,
        num_steps=num_steps,
        mixture=mixture,
        warmup_steps=round(WARMUP_SHARE * num_steps),
        decay="cosine",
        decay_fraction=1.0,
    )

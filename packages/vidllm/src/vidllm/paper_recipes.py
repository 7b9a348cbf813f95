"""The paper's runs by name: both phases of section 4.1, and every row of its tables.

What the paper leaves open follows TimeChat: learning rate 3e-5 falling to 1e-5 on a cosine, after a
warm-up from 1e-6 over 0.6 of an epoch, weight decay 0.05, no clipping of gradients; the batch of 8
is read as that of an optimizer step. Phase 2 starts the schedule again (docs/decisions.md).
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

GLOBAL_BATCH = 8
WARMUP_EPOCHS = 0.6
WARMUP_START = 1 / 30  # of the learning rate: 1e-6
FINAL_SHARE = 1 / 3  # of the learning rate: 3e-5 to 1e-5
NO_CLIPPING = 1e9


def paper() -> TrainConfig:
    """Seq2Time on TimeChat: all data once, then three epochs of TimeIT and Valley."""
    return _on_timechat("paper", "paper_phase1", "paper_phase2")


def paper_without_rpt() -> TrainConfig:
    """Table 2: the same with indices of images and seconds of videos as plain numbers."""
    return _on_timechat("paper_without_rpt", "without_rpt", "baseline_phase2", codec="seconds")


def timechat_baseline() -> TrainConfig:
    """Tables 1 to 7, the row of TimeChat: TimeIT and Valley alone, times in seconds."""
    return _on_timechat("timechat_baseline", "baseline", "baseline_phase2", codec="seconds")


def timechat_without_irrelevant() -> TrainConfig:
    """Table 1, second row: TimeChat on 12 % less data, none of it dense captioning."""
    phases = ("without_irrelevant", "without_irrelevant_phase2")
    return _on_timechat("timechat_without_irrelevant", *phases, codec="seconds")


def timechat_without_dense_captions() -> TrainConfig:
    """Table 1, third row: TimeChat without the dense captioning data."""
    phases = ("without_dense_captions", "without_dense_captions_phase2")
    return _on_timechat("timechat_without_dense_captions", *phases, codec="seconds")


def paper_without_clips() -> TrainConfig:
    """Table 3, second row: no clip sequences."""
    return _on_timechat("paper_without_clips", "without_clips", "paper_phase2")


def paper_images_only() -> TrainConfig:
    """Table 3, third row, and Table 6, first: image sequences alone beside TimeIT and Valley."""
    return _on_timechat("paper_images_only", "images_only", "paper_phase2")


def paper_without_iic() -> TrainConfig:
    """Table 6, second row: image sequences of IIG and ALR."""
    return _on_timechat("paper_without_iic", "without_iic", "paper_phase2")


def paper_without_iig() -> TrainConfig:
    """Table 6, third row: image sequences of IIC and ALR."""
    return _on_timechat("paper_without_iig", "without_iig", "paper_phase2")


def paper_without_alr() -> TrainConfig:
    """Table 6, fourth row: image sequences of IIC and IIG."""
    return _on_timechat("paper_without_alr", "without_alr", "paper_phase2")


def paper_20_percent() -> TrainConfig:
    """Table 7: a fifth of the image and clip sequences."""
    return _on_timechat("paper_20_percent", "sequences_20_percent", "paper_phase2")


def paper_5_percent() -> TrainConfig:
    """Table 7: a twentieth of the image and clip sequences."""
    return _on_timechat("paper_5_percent", "sequences_5_percent", "paper_phase2")


def videollama_images() -> TrainConfig:
    """Table 4: Video-LLaMA on image sequences alone, indices as plain numbers."""
    base = _on_timechat("videollama_images", "video_llama_images", codec="index")
    return replace(base, model=replace(base.model, adapter="videollama"))


PAPER_RECIPES: dict[str, Callable[[], TrainConfig]] = {
    "paper": paper,
    "paper_without_rpt": paper_without_rpt,
    "timechat_baseline": timechat_baseline,
    "timechat_without_irrelevant": timechat_without_irrelevant,
    "timechat_without_dense_captions": timechat_without_dense_captions,
    "paper_without_clips": paper_without_clips,
    "paper_images_only": paper_images_only,
    "paper_without_iic": paper_without_iic,
    "paper_without_iig": paper_without_iig,
    "paper_without_alr": paper_without_alr,
    "paper_20_percent": paper_20_percent,
    "paper_5_percent": paper_5_percent,
    "videollama_images": videollama_images,
}

TABLE_ROWS: dict[int, dict[str, str]] = {
    1: {
        "Full": "timechat_baseline",
        "w/o irr": "timechat_without_irrelevant",
        "w/o dvc": "timechat_without_dense_captions",
    },
    2: {
        "TimeChat": "timechat_baseline",
        "Seq2Time w/o RPT": "paper_without_rpt",
        "Seq2Time": "paper",
    },
    3: {
        "IS + MC + CS": "paper",
        "IS + MC": "paper_without_clips",
        "IS": "paper_images_only",
        "none": "timechat_baseline",
    },
    4: {
        "w/o IS": "",
        "w/ IS": "videollama_images",
    },
    5: {
        "TimeChat": "timechat_baseline",
        "+ IS": "paper_images_only",
        "+ IS + MC": "paper_without_clips",
        "+ Seq2Time": "paper",
    },
    6: {
        "IIC + IIG + ALR": "paper_images_only",
        "IIG + ALR": "paper_without_iic",
        "IIC + ALR": "paper_without_iig",
        "IIC + IIG": "paper_without_alr",
        "none": "timechat_baseline",
    },
    7: {
        "100%": "paper",
        "20%": "paper_20_percent",
        "5%": "paper_5_percent",
        "0%": "timechat_baseline",
    },
}
"""Of each table of the paper, the recipe of each row of ours; "" where nothing is trained."""


def _on_timechat(recipe: str, *mixtures: str, codec: str = "rpt") -> TrainConfig:
    """A run of TimeChat on mixtures, one stage after another."""
    stages = tuple(_phase(f"phase{k}", name) for k, name in enumerate(mixtures, start=1))
    return TrainConfig(
        recipe=recipe,
        model=ModelConfig(
            adapter="timechat",
            image_sizes=(224,),
            codec=codec,
            lora_dropout=0.1,
        ),
        prompt=PromptConfig(layout="block", template="chat", turns="dialogue"),
        data=DataConfig(stages=stages, num_workers=6),
        optim=OptimConfig(
            global_batch_size=GLOBAL_BATCH,
            micro_batch_size=1,
            projector_learning_rate=3e-5,
            lora_learning_rate=3e-5,
            token_learning_rate=3e-5,
            weight_decay=0.05,
            beta2=0.999,
            max_grad_norm=NO_CLIPPING,
        ),
        compute=ComputeConfig(bf16=True, gradient_checkpointing=True),
        checkpoint_every=1000,
        keep_checkpoints=3,
    )


def _phase(name: str, mixture: str) -> StageConfig:
    """One pass through a mixture, with a schedule of its own."""
    from seqsynth import MIXTURES

    recipe = MIXTURES[mixture]()
    return StageConfig(
        name=name,
        num_steps=math.ceil(recipe.num_examples / GLOBAL_BATCH),
        mixture=mixture,
        warmup_start=WARMUP_START,
        warmup_steps=round(WARMUP_EPOCHS * recipe.epoch_size / GLOBAL_BATCH),
        decay="cosine",
        decay_fraction=1.0,
        final_scale=FINAL_SHARE,
    )

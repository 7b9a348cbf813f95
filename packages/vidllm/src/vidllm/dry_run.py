"""What a run will be, from its configuration alone: nothing is loaded or written."""

from __future__ import annotations

from typing import Any

import timetokens as tt
from vidllm.assembly import adapter_of
from vidllm.config import TrainConfig
from vidllm.model.projector import Projector

FLOAT32_BYTES = 4
# A parameter that learns keeps its gradient and two moments of AdamW beside it.
LEARNING_COPIES = 4


def describe(config: TrainConfig) -> dict[str, Any]:
    """Sizes and steps.

    Raises:
        ValueError: a setting that the base model does not have.
    """
    import torch

    description = adapter_of(config.model).describe(config.model)
    if config.model.codec not in tt.CODECS:
        raise ValueError(
            f"model.codec is {config.model.codec!r}: choose one of {', '.join(tt.CODECS)}"
        )
    rows = len(tt.CODECS[config.model.codec].new_tokens)
    with torch.device("meta"):
        feature_width = description.feature_width * len(config.model.image_sizes)
        projector = Projector(config.model, feature_width, description.hidden_size)
    parameters = {
        "eye": description.eye_parameters,
        "llm": description.llm_parameters,
        "lora": description.lora_parameters,
        "token_rows": rows * description.hidden_size,
        "projector": sum(p.numel() for p in projector.parameters()),
    }
    learning = parameters["lora"] + parameters["token_rows"] + parameters["projector"]
    frozen = sum(parameters.values()) - learning
    return {
        "recipe": config.recipe,
        "steps": config.num_steps,
        "stages": [
            {"name": stage.name, "steps": steps}
            for stage, steps in zip(config.data.stages, config.stage_steps, strict=True)
        ],
        "global_batch_size": config.optim.global_batch_size,
        "examples": config.num_steps * config.optim.global_batch_size,
        "parameters": {**parameters, "learning": learning, "total": frozen + learning},
        "memory_bytes_without_activations": FLOAT32_BYTES * (frozen + LEARNING_COPIES * learning),
        "visual_tokens_per_frame": config.model.num_visual_tokens,
        "parts": dict(description.provenance),
    }


def readable(description: dict[str, Any]) -> str:
    """The description as lines for people."""
    parameters = description["parameters"]
    stages = ", ".join(f"{stage['name']} {stage['steps']}" for stage in description["stages"])
    memory = description["memory_bytes_without_activations"] / 2**30
    lines = [
        f"recipe      {description['recipe']}",
        f"eye         {description['parts']['eye']}",
        f"llm         {description['parts']['llm']}",
        f"steps       {description['steps']} of {description['global_batch_size']} examples "
        f"({stages})",
        f"parameters  {parameters['total']:,} in all, {parameters['learning']:,} learn "
        f"(LoRA {parameters['lora']:,}, projector {parameters['projector']:,}, "
        f"token rows {parameters['token_rows']:,})",
        f"memory      {memory:.2f} GiB for weights, gradients and AdamW, activations not counted",
    ]
    return "\n".join(lines)

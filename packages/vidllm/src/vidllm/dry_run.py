"""What a run will be, from its configuration and manifests: no weights and no media are read.

Lengths are those of real examples of the run, written by the real prompt code, over stand-in items
with captions of a stated length and a rough count of the tokens of text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import timetokens as tt
from seqsynth import (
    AnnotatedVideo,
    ClipItem,
    Corpus,
    ImageItem,
    MixtureRecipe,
    SequenceRecipe,
)
from vidllm.adapters import Description
from vidllm.assembly import adapter_of
from vidllm.config import TrainConfig
from vidllm.mixture_data import manifest_corpus, mixture_recipe, sequences_of
from vidllm.stage_config import StageConfig

FLOAT32_BYTES, BFLOAT16_BYTES = 4, 2
# A parameter that learns keeps its gradient and two moments of AdamW beside it.
LEARNING_COPIES = 4
SAMPLED_EXAMPLES = 24  # of each stage, for their lengths
# Numbers kept for the backward pass, in multiples of (tokens x width) a layer (arXiv:2205.05198,
# without attention scores), and parameters of a layer in multiples of width squared.
ACTIVATIONS_PER_LAYER, KEPT_WITH_CHECKPOINTS, PARAMETERS_PER_LAYER = 17, 1, 12
CAPTION_WORDS, LONG_CAPTION_WORDS = 3, 100  # of the embedded default; of captioned photographs
STAND_IN_CLIPS, STAND_IN_VIDEOS, STAND_IN_FRAMES = 40, 8, 3000


def describe(config: TrainConfig, *, num_processes: int = 1) -> dict[str, Any]:
    """Sizes, lengths, memory, data and steps.

    Args:
        config: the run.
        num_processes: GPUs that it will have.

    Raises:
        ValueError: a setting that the base model does not have, or data that a stage needs.
        FileNotFoundError: no manifest below data.root; no film, where a stage shows it.
    """
    description = adapter_of(config.model).describe(config.model)
    parameters = count_parameters(config, description)
    per_frame = description.visual_tokens_per_frame or config.model.num_visual_tokens
    lengths = stage_lengths(config, per_frame)
    longest = max(stage["tokens_per_example"]["longest"] for stage in lengths)
    num_tokens = longest * config.optim.micro_batch_size
    return {
        "recipe": config.recipe,
        "steps": config.num_steps,
        "stages": lengths,
        "global_batch_size": config.optim.global_batch_size,
        "processes": num_processes,
        "micro_batch_size": config.optim.micro_batch_size,
        "accumulation_steps": config.optim.accumulation_steps(num_processes),
        "examples": config.num_steps * config.optim.global_batch_size,
        "parameters": parameters,
        **memory(
            config, parameters, description, num_tokens=num_tokens, num_processes=num_processes
        ),
        "visual_tokens_per_frame": per_frame,
        "data": coverage(config),
        "parts": dict(description.provenance),
    }


def count_parameters(config: TrainConfig, description: Description) -> dict[str, int]:
    """Parameters by part, those that learn and all; a part with a rate of 0 does not learn."""
    import torch

    from vidllm.model.projector import Projector

    rows = len(tt.CODECS[config.model.codec].new_tokens)
    projector = description.connector_parameters
    if description.feature_width:
        with torch.device("meta"):
            width = description.feature_width * len(config.model.image_sizes)
            made = Projector(config.model, width, description.hidden_size)
        projector += sum(p.numel() for p in made.parameters())
    parts = {
        "eye": description.eye_parameters,
        "llm": description.llm_parameters,
        "lora": description.lora_parameters,
        "token_rows": rows * description.hidden_size * description.token_matrices,
        "projector": projector,
    }
    optim, stages = config.optim, config.data.stages
    lora_scale = max(stage.lora_scale for stage in stages)
    rates = {
        "lora": optim.lora_learning_rate * lora_scale,
        "token_rows": optim.token_learning_rate * lora_scale,
        "projector": optim.projector_learning_rate * max(s.projector_scale for s in stages),
    }
    learning = sum(parts[name] for name, rate in rates.items() if rate > 0)
    return {**parts, "learning": learning, "total": sum(parts.values())}


def memory(
    config: TrainConfig,
    parameters: dict[str, int],
    description: Description,
    *,
    num_tokens: int,
    num_processes: int,
) -> dict[str, int]:
    """Estimated bytes on each GPU, with and without the activations of the longest micro batch."""
    compute = config.compute
    learning, frozen = parameters["learning"], parameters["total"] - parameters["learning"]
    hidden_size = description.hidden_size
    state = description.frozen_bytes * frozen + FLOAT32_BYTES * LEARNING_COPIES * learning
    if compute.fsdp:
        state = -(-state // num_processes)
    layers = max(1, round(parameters["llm"] / (PARAMETERS_PER_LAYER * hidden_size**2)))
    kept = layers * ACTIVATIONS_PER_LAYER
    if compute.gradient_checkpointing:
        kept = layers * KEPT_WITH_CHECKPOINTS + ACTIVATIONS_PER_LAYER
    width = BFLOAT16_BYTES if compute.bf16 else FLOAT32_BYTES
    activations = width * kept * hidden_size * num_tokens
    return {
        "memory_bytes_without_activations": state,
        "memory_bytes_per_process": state + activations,
    }


def stage_lengths(config: TrainConfig, tokens_per_frame: float) -> list[dict[str, Any]]:
    """Of each stage its name, steps, and the tokens of its examples."""
    from vidllm.data import TrainingData

    data = TrainingData(config, stand_in_corpus(config), _prompter(config, tokens_per_frame))
    rows, first = [], 0
    for stage, steps in zip(config.data.stages, config.stage_steps, strict=True):
        size = steps * config.optim.global_batch_size
        count = min(SAMPLED_EXAMPLES, size)
        sampled = [data.length(first + k * size // count) for k in range(count)]
        tokens = {"mean": round(sum(sampled) / count), "longest": max(sampled)}
        rows.append({"name": stage.name, "steps": steps, "tokens_per_example": tokens})
        first += size
    return rows


def coverage(config: TrainConfig) -> list[dict[str, Any]]:
    """Of each part of each mixture what the stage asks for, and what data.root has of it.

    `present` counts pictures, clips or videos; it is None where data.root is not given.
    """
    corpus = manifest_corpus(config.data) if config.data.root else None
    rows: list[dict[str, Any]] = []
    for stage in config.data.stages:
        if not config.data.mixture_of(stage):
            continue
        recipe = mixture_recipe(config, stage)
        if isinstance(recipe, SequenceRecipe):
            continue
        for name, part in recipe.parts.items():
            rows.append(
                {
                    "stage": stage.name,
                    "part": name,
                    "examples": part.size * recipe.num_epochs,
                    "of": ", ".join(part.sources) or ", ".join(part.tasks),
                    "present": None if corpus is None else _present(corpus, recipe, name),
                }
            )
    return rows


def _present(corpus: Corpus, recipe: MixtureRecipe, name: str) -> int:
    part = recipe.parts[name]
    if part.sources:
        return sum(len(corpus.videos.get(source, ())) for source in part.sources)
    shows_images = recipe.sequence_recipe(name, next(iter(part.task_sizes))).needs_images
    return len(corpus.train_images if shows_images else corpus.train_clips)


def stand_in_corpus(config: TrainConfig) -> Corpus:
    """Items of the kinds that the run needs, with captions of a usual length and no files."""
    mixtures = [recipe for stage in config.data.stages if (recipe := _mixture(config, stage))]
    words = LONG_CAPTION_WORDS if mixtures else CAPTION_WORDS
    longest = [stage.max_images for stage in config.data.stages]
    most_clips = [stage.max_clips for stage in config.data.stages]
    for sequences in map(sequences_of, mixtures):
        longest.append(sequences.max_images)
        most_clips.append(sequences.max_clips)
    num_items = max(*longest, *most_clips)  # stills may be held as clips
    captions = [" ".join(["picture", str(k), *["of"] * (words - 2)]) for k in range(num_items)]
    images = tuple(
        ImageItem(id=f"i{k}", caption=text, path=f"{k}.png", label=text)
        for k, text in enumerate(captions)
    )
    clips = tuple(
        ClipItem(
            id=f"c{k}",
            label=f"act {k}",
            caption=f"clip {text}",
            path=f"{k}.mp4",
            num_frames=300,
            duration_seconds=10.0,
        )
        for k, text in enumerate(captions[: max(STAND_IN_CLIPS, *most_clips)])
    )
    sources = {
        source
        for recipe in mixtures
        if isinstance(recipe, MixtureRecipe)
        for part in recipe.parts.values()
        for source in part.sources
    }
    return Corpus(
        train_images=images,
        heldout_images=(),
        train_clips=clips,
        heldout_clips=(),
        root="",
        videos={source: _videos(source) for source in sources},
    )


def _mixture(config: TrainConfig, stage: StageConfig) -> MixtureRecipe | SequenceRecipe | None:
    return mixture_recipe(config, stage) if config.data.mixture_of(stage) else None


def _videos(source: str) -> tuple[AnnotatedVideo, ...]:
    events = tuple(tt.Event(10.0 * k, 10.0 * k + 8, f"what happens {k} here") for k in range(8))
    video = AnnotatedVideo(
        id="",
        path=f"{source}.mp4",
        duration_seconds=100.0,
        num_frames=STAND_IN_FRAMES,
        events=events,
    )
    return tuple(replace(video, id=f"{source}-{k}") for k in range(STAND_IN_VIDEOS))


class _Counter:
    """A stand-in for a tokenizer: as many ids as a text has tokens, roughly."""

    def __init__(self, new_tokens: tuple[str, ...]) -> None:
        self.new_tokens = new_tokens

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        from seqsynth.text_budget import estimate_tokens

        return {"input_ids": [len(self.new_tokens)] * estimate_tokens(text)}

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [self.new_tokens[id_] for id_ in ids]


def _prompter(config: TrainConfig, tokens_per_frame: float) -> Any:
    from vidllm.prompt_script import VISUAL_TOKEN, Script
    from vidllm.prompting import Prompter

    new_tokens = tuple(tt.CODECS[config.model.codec].new_tokens)
    script = Script(picture=(VISUAL_TOKEN,) * max(1, round(tokens_per_frame)))
    counter: Any = _Counter(new_tokens)
    return Prompter(counter, config.prompt, script, code_token_ids=range(len(new_tokens)))


def readable(description: dict[str, Any]) -> str:
    """The description as lines for people."""
    parameters = description["parameters"]
    stages = ", ".join(f"{stage['name']} {stage['steps']:,}" for stage in description["stages"])
    state = description["memory_bytes_without_activations"] / 2**30
    whole = description["memory_bytes_per_process"] / 2**30
    lines = [
        f"recipe      {description['recipe']}",
        *(f"{name:<11} {text}" for name, text in description["parts"].items()),
        f"steps       {description['steps']:,} of {description['global_batch_size']} examples "
        f"({stages})",
        f"a step      {description['processes']} x {description['micro_batch_size']} examples, "
        f"{description['accumulation_steps']} times",
        f"parameters  {parameters['total']:,} in all, {parameters['learning']:,} learn "
        f"(LoRA {parameters['lora']:,}, projector {parameters['projector']:,}, "
        f"token rows {parameters['token_rows']:,})",
        *(_length_line(stage) for stage in description["stages"]),
        f"memory      about {whole:.2f} GiB a process: {state:.2f} GiB for weights, gradients and "
        "AdamW, the rest for activations of the longest examples",
        *(_data_line(row) for row in description["data"]),
    ]
    return "\n".join(lines)


def _length_line(stage: dict[str, Any]) -> str:
    tokens = stage["tokens_per_example"]
    return (
        f"tokens      {stage['name']}: about {tokens['mean']:,} an example, up to "
        f"{tokens['longest']:,}"
    )


def _data_line(row: dict[str, Any]) -> str:
    if row["present"] is None:
        found = "not looked for (no --data.root)"
    else:
        found = f"{row['present']:,} there"
    return (
        f"data        {row['stage']}: {row['examples']:,} examples of {row['part']} "
        f"({row['of']}), {found}"
    )

"""The names of TimeChat's tensors on disk, and reading and writing them there.

On disk a tensor has the name of its module, whatever PEFT has wrapped around it:
`llm.model.layers.0.self_attn.q_proj.weight` and beside it `...q_proj.lora_A.weight`. A folder holds
`timechat.json` (the configuration) and safetensors shards with an index, as transformers lays them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from vidllm.timechat.config import TimeChatConfig

CONFIG_NAME = "timechat.json"
FRAME_TOKENIZER = "frame_tokenizer"  # of the frames' time text, below the folder
INDEX_NAME = "model.safetensors.index.json"
_WRAPPERS = ("base_model.model.", "base_layer.", "token_adapter.")
_ADAPTER_SUFFIXES = ("lora_A.default", "lora_B.default", "trainable_tokens_delta.default")


def disk_name(module_name: str) -> str:
    """The name on disk of a tensor in `TimeChat.state_dict()`.

    Example:
        >>> disk_name("llm.base_model.model.model.layers.0.self_attn.q_proj.base_layer.weight")
        'llm.model.layers.0.self_attn.q_proj.weight'
    """
    if not module_name.startswith("llm."):
        return module_name.removeprefix("connector.")
    for wrapper in _WRAPPERS:
        module_name = module_name.replace(wrapper, "")
    for suffix in _ADAPTER_SUFFIXES:
        module_name = module_name.replace(suffix, suffix.removesuffix(".default"))
    return module_name


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """Every tensor of a model by its name on disk; those behind two names (PEFT's) once."""
    return {disk_name(name): tensor for name, tensor in model.state_dict().items()}


def expected_shapes(config: TimeChatConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of a model, without making one."""
    return {name: tuple(tensor.shape) for name, tensor in tensors_of(_outline(config)).items()}


def trained_names(config: TimeChatConfig) -> set[str]:
    """Names on disk of what learns: what the originals' checkpoints hold."""
    parameters = _outline(config).named_parameters()
    return {disk_name(name) for name, parameter in parameters if parameter.requires_grad}


@lru_cache(maxsize=2)
def _outline(config: TimeChatConfig) -> nn.Module:
    """The model without values."""
    from vidllm.timechat.model import TimeChat

    with torch.device("meta"):
        return TimeChat.from_parts(config)


@torch.no_grad()
def load_tensors(model: nn.Module, tensors: Iterable[tuple[str, Tensor]]) -> set[str]:
    """Copies tensors into a model one by one, whatever types the two have.

    Args:
        model: a `TimeChat`.
        tensors: names on disk with values; may be an iterator that reads as it goes.

    Returns:
        The names on disk that the model has and did not get.

    Raises:
        ValueError: a name that the model lacks, or another shape (names both).
    """
    targets = tensors_of(model)
    missing = set(targets)
    for name, tensor in tensors:
        fix = ": set lora_rank and lora_targets to what it was trained with" * (".lora_" in name)
        if name not in targets:
            raise ValueError(f"the model has no tensor {name}{fix}")
        if targets[name].shape != tensor.shape:
            raise ValueError(
                f"{name} is {tuple(tensor.shape)} on disk, but the model's is "
                f"{tuple(targets[name].shape)}{fix}"
            )
        targets[name].copy_(tensor)
        missing.discard(name)
    return missing


def read_folder(
    folder: str | Path, *, wanted: Callable[[str], bool] = lambda name: True
) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a folder that `vidllm convert` wrote, one at a time.

    Args:
        folder: has the index.
        wanted: which names to read.

    Raises:
        FileNotFoundError: no index there.
        ValueError: it or a shard is damaged.
    """
    from safetensors import SafetensorError, safe_open

    for shard in shards_of(Path(folder) / INDEX_NAME):
        path = Path(folder) / shard
        try:
            with safe_open(path, framework="pt") as handle:
                for name in handle.keys():  # noqa: SIM118 not a dictionary
                    if wanted(name):
                        yield name, handle.get_tensor(name)
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}): convert again") from None


def shards_of(index: str | Path) -> list[str]:
    """The files that an index in the layout of transformers names, each once.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not such an index (names it).
    """
    try:
        listed = json.loads(Path(index).read_text("utf-8"))["weight_map"]
        return sorted({str(name) for name in listed.values()})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{index} is no index of shards, or a damaged one ({type(error).__name__}: {error}): "
            "fetch it again"
        ) from None

"""A trained run as a checkpoint that plain transformers loads, without PEFT and without this code.

LoRA and the rows of the time tokens are folded into the base's weights and written in its own
format, with the tokenizer that has the tokens and the base's processor files. Servers that take
full checkpoints but no adapters with token rows (vLLM) read the same folder.

What a base of transformers has no place for is written beside it: the projector of `tiny`, the
Q-Formers of TimeChat (NAME.safetensors); plain transformers loads the language model alone then.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

import timetokens as tt
from vidllm import assembly, checkpoint, run_folder
from vidllm.adapters.timechat import RANDOM
from vidllm.checkpoint import Checkpoint, CheckpointError
from vidllm.config import TrainConfig
from vidllm.scratch import built

RECORD_NAME = "merged.json"
FORMAT_VERSION = 1
"""Of that file."""
PROCESSOR_FILES = (
    "preprocessor_config.json",
    "processor_config.json",
    "video_preprocessor_config.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""What an AutoProcessor reads besides the tokenizer; a base has some of them."""


def merge(run_dir: str | Path, out_dir: str | Path) -> Checkpoint:
    """Writes the newest good checkpoint of a run as a full model; returns which one it was.

    Args:
        run_dir: a run folder.
        out_dir: new or empty; it appears when everything is in it.

    Raises:
        RunFolderError: no run there.
        CheckpointError: no good checkpoint.
        FileExistsError: something lies in `out_dir`.
    """
    run_dir, out_dir = Path(run_dir), Path(out_dir)
    config = run_folder.load_config(run_dir)
    found = checkpoint.newest_good(run_dir)
    if found is None:
        raise CheckpointError(f"{run_dir} has no checkpoint yet: train it first")
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        what = "is not empty" if out_dir.is_dir() else "is a file"
        raise FileExistsError(f"{out_dir} {what}: name another folder with --out")
    description = assembly.adapter_of(config.model).describe(config.model)
    width = description.feature_width * len(config.model.image_sizes)
    parts = assembly.assemble(config, width)
    checkpoint.load_weights(parts.model, found.path)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    with built(out_dir) as scratch:
        scratch.mkdir()
        _write(parts, config, scratch)
        for part in parts.model.parts:
            name = f"{part}{checkpoint.PART_SUFFIX}"
            shutil.copyfile(found.path / name, scratch / name)
        _write_record(parts, config, run_dir, found, scratch)
        if out_dir.exists():
            out_dir.rmdir()
    return found


def _write(parts: assembly.Assembly, config: TrainConfig, directory: Path) -> None:
    llm: Any = parts.model.llm.merge_and_unload()
    if config.model.base:  # what learned was kept in float32
        llm = llm.to(getattr(torch, config.model.weights))
    llm.save_pretrained(directory)
    parts.tokenizer.save_pretrained(directory)
    if config.model.base not in ("", RANDOM):  # those two have no files, here or on the hub
        _copy_processor(config.model.base, directory)


def _copy_processor(base: str, directory: Path) -> None:
    """The base's processor files as they are; the tokenizer's are written already."""
    from transformers.utils.hub import cached_file

    for name in PROCESSOR_FILES:
        path = cached_file(
            base,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is not None and not (directory / name).exists():
            shutil.copyfile(path, directory / name)


def _write_record(
    parts: assembly.Assembly, config: TrainConfig, run_dir: Path, found: Checkpoint, directory: Path
) -> None:
    """What the model is and how it is asked.

    A prompt in another form than that of training would fail quietly.
    """
    tokenizer: Any = parts.tokenizer
    tokens = tt.CODECS[config.model.codec].new_tokens
    record = {
        "format_version": FORMAT_VERSION,
        "run": str(run_dir),
        "recipe": config.recipe,
        "step": found.step,
        "base": config.model.base or config.model.adapter,
        "codec": config.model.codec,
        "time_tokens": {token: tokenizer.convert_tokens_to_ids(token) for token in tokens},
        "layout": config.prompt.layout,
        "template": config.prompt.template,
        "visual_route": config.model.visual_route,
        "image_sizes": config.model.image_sizes,
        "min_pixels": config.model.min_pixels,
        "max_pixels": config.model.max_pixels,
        "parts_beside": sorted(parts.model.parts),
    }
    (directory / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", "utf-8")

"""`vidllm convert`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidllm.arguments import UsageError, is_flag, near_names, parse
from vidllm.terminal import write_json

if TYPE_CHECKING:
    from vidllm.convert.key_maps import Format
    from vidllm.convert.report import Report
    from vidllm.timechat import TimeChatConfig

MODELS = ("timechat", "videollama")

_DESCRIPTION = """Turns released checkpoints into a folder that vidllm loads, or such a folder back.

  vidllm convert FORMAT=PATH [FORMAT=PATH ...] --out DIR [--model MODEL]
  vidllm convert DIR --to FORMAT --out FILE.pth

Checkpoints are laid over one another in the order given, as the originals load them:

  vidllm convert eva=eva_vit_g.pth instructblip=instruct_blip_vicuna7b_trimmed.pth \\
      timechat=timechat_7b.pth llama=Llama-2-7b-chat-hf --out timechat-7b

What was taken, reshaped, overridden, unexpected and missing is printed and kept in the folder. A
tensor that does not fit ends it before anything is written."""


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """What `vidllm convert` takes besides the checkpoints."""

    out: str = ""
    """The folder, or with --to the file; new."""
    to: str = ""
    """The format to go back to."""
    model: str = "timechat"
    """timechat or videollama at their released sizes, or a file like timechat.json of a folder."""
    trained_only: bool = False
    """With --to: only what learns, as in TimeChat's own checkpoints."""
    shard_gib: float = 1.0
    """Size of a file, and about what memory holds."""
    json: str = ""
    """Write the whole report to this file as JSON; - is stdout, in place of the table."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    from vidllm.convert.key_maps import FORMATS

    named, flags = _split(arguments)
    listed = "\n".join(f"  {form.name:<17}{form.what}" for form in FORMATS.values())
    options = parse(
        ConvertOptions,
        flags,
        ConvertOptions(),
        "vidllm convert",
        f"{_DESCRIPTION}\n\nformats:\n{listed}",
    )
    if not named:
        raise UsageError("name a checkpoint: vidllm convert FORMAT=PATH --out DIR")
    if not options.out:
        raise UsageError("say where to write: --out DIR")
    try:
        report = _back(named, options) if options.to else _forth(named, options)
    except FileExistsError as error:
        raise UsageError(str(error)) from None
    if options.json:
        write_json(report.to_record(), options.json)
    if options.json != "-":
        print(report.table())
    return 0


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Checkpoints, which come first, and flags."""
    for place, argument in enumerate(arguments):
        if is_flag(argument):
            return list(arguments[:place]), list(arguments[place:])
    return list(arguments), []


def _forth(named: Sequence[str], options: ConvertOptions) -> Report:
    from vidllm.convert.conversion import to_ours
    from vidllm.convert.shards import GIB

    if options.trained_only:
        raise UsageError("--trained-only goes with --to")
    if not 0 < options.shard_gib < math.inf:
        raise UsageError(f"--shard-gib is {options.shard_gib}: give more than 0")
    checkpoints = []
    for argument in named:
        name, equals, path = argument.partition("=")
        if not equals:
            raise UsageError(f"{argument} names no format: write FORMAT={argument}")
        checkpoints.append((_format(name), Path(path)))
    return to_ours(
        checkpoints,
        _config(options.model),
        Path(options.out),
        max_shard_bytes=int(options.shard_gib * GIB),
    )


def _back(named: Sequence[str], options: ConvertOptions) -> Report:
    from vidllm.convert.conversion import from_ours

    if len(named) != 1:
        raise UsageError("--to takes one folder that vidllm convert wrote")
    return from_ours(
        Path(named[0]), _format(options.to), Path(options.out), trained_only=options.trained_only
    )


def _format(name: str) -> Format:
    from vidllm.convert.key_maps import FORMATS

    if name not in FORMATS:
        raise UsageError(f"no format {name!r}{near_names(name, FORMATS)}")
    return FORMATS[name]


def _config(model: str) -> TimeChatConfig:
    from vidllm.timechat import TimeChatConfig, timechat, videollama

    if model in MODELS:
        return timechat() if model == "timechat" else videollama()
    path = Path(model)
    if not path.exists():
        raise UsageError(f"--model is {model!r}: no such file{near_names(model, MODELS)}")
    return TimeChatConfig.read(path)

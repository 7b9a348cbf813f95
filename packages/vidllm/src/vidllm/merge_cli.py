"""`vidllm merge`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidllm import run_folder
from vidllm.arguments import UsageError, parse
from vidllm.terminal import messages

_DESCRIPTION = """Writes a run as a full model that plain transformers loads, time tokens included.

  vidllm merge RUN_DIR --out DIR

The newest good checkpoint is folded into its base. DIR gets the base's own format with tokenizer
and processor, for AutoModelForImageTextToText (vlm) or AutoModelForCausalLM (tiny: the language
model; its projector lies beside it), and for servers that take full checkpoints."""


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """What `vidllm merge` takes besides the run."""

    out: str = ""
    """The folder to write; new or empty."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    wants_help = any(argument in ("-h", "--help") for argument in arguments)
    if not wants_help and (not arguments or arguments[0].startswith("--")):
        raise UsageError("name a run folder: vidllm merge RUN_DIR --out DIR; settings come last")
    flags = ["--help"] if wants_help else list(arguments[1:])
    options = parse(MergeOptions, flags, MergeOptions(), "vidllm merge", _DESCRIPTION)
    if not options.out:
        raise UsageError("name the folder to write: vidllm merge RUN_DIR --out DIR")
    run_dir = Path(arguments[0])
    run_folder.load_config(run_dir)  # a wrong folder is told before torch is loaded

    from vidllm.merge import merge

    try:
        found = merge(run_dir, options.out)
    except FileExistsError as error:
        raise UsageError(str(error)) from None
    messages().print(f"step {found.step} of {run_dir} is merged into {options.out}")
    return 0

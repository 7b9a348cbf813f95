"""`vidllm train`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console

from seqsynth.one_writer import HeldError
from vidllm import checkpoint, run_folder
from vidllm.arguments import UsageError, near_names, parse
from vidllm.checkpoint import Checkpoint
from vidllm.config import TrainConfig
from vidllm.processes import from_first, is_first, num_processes
from vidllm.recipes import RECIPES
from vidllm.terminal import messages, print_path, write_json

NEWEST = "newest"

_DESCRIPTION = """Trains a recipe into a run folder, or continues a run.

  vidllm train RECIPE [--out DIR] [SETTING ...]
  vidllm train RECIPE --resume [DIR]
  vidllm train RECIPE --dry-run [--json FILE]

Ctrl-C writes a checkpoint and says how to go on; a killed run goes on from its last one."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """What `vidllm train` takes besides the recipe."""

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    out: str = ""
    """The run folder; new or empty. Default: runs/RECIPE-TIME."""
    resume: str = ""
    """Continue the run in this folder; without a value, in --out or the newest under runs/."""
    dry_run: bool = False
    """Print sizes, lengths, memory, data and steps; load and write nothing."""
    json: str = ""
    """With --dry-run: write all of it to this file as JSON; - is stdout, in place of the lines."""
    gpus: int = 0
    """With --dry-run: how many the run will have. Default: the processes that torchrun started."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    recipe, rest = _recipe_and_flags(arguments)
    options = _options(recipe, rest)
    if options.gpus < 0:
        raise UsageError(f"--gpus is {options.gpus}: give 1 or more")
    if options.dry_run:
        return _dry_run(options)
    for name, given in (("json", options.json), ("gpus", options.gpus)):
        if given:
            raise UsageError(f"--{name} goes with --dry-run")
    return _train(recipe, options)


def _recipe_and_flags(arguments: Sequence[str]) -> tuple[str, list[str]]:
    wants_help = any(argument in ("-h", "--help") for argument in arguments)
    if not arguments or arguments[0].startswith("-"):
        if wants_help:
            return "tiny", ["--help"]
        raise UsageError(f"name a recipe: vidllm train RECIPE; one of: {', '.join(RECIPES)}")
    recipe = arguments[0]
    if recipe not in RECIPES:
        raise UsageError(f"no recipe {recipe!r}{near_names(recipe, RECIPES)}")
    return recipe, ["--help"] if wants_help else list(arguments[1:])


def _options(recipe: str, flags: list[str]) -> TrainOptions:
    """The options; the settings of a run that is continued are that run's own."""
    flags, resume = _take_resume(flags)
    base = RECIPES[recipe]()
    run_dir = None
    if resume:
        run_dir = run_folder.newest() if resume == NEWEST else Path(resume)
        base = run_folder.load_config(run_dir)
        if base.recipe != recipe:
            raise UsageError(
                f"{run_dir} is a run of {base.recipe!r}, not of {recipe!r}: "
                f"continue it with: vidllm train {base.recipe} --resume {run_dir}"
            )
    listed = "\n".join(f"  {name:<24}{_first_line(make)}" for name, make in RECIPES.items())
    options = parse(
        TrainOptions,
        flags,
        TrainOptions(config=base),
        f"vidllm train {recipe}",
        f"{_DESCRIPTION}\n\nrecipes:\n{listed}\n\nThe defaults below are those of {recipe}.",
    )
    if options.config.recipe != recipe:
        raise UsageError("--recipe cannot be set: name the recipe as the first argument")
    if run_dir is None:
        return options
    if _as_started(options.config, base) != base:
        raise UsageError(
            f"{run_dir} was started with other settings: a run continues as it began; "
            "leave the settings out, or start a new run"
        )
    if options.out and Path(options.out) != run_dir:
        raise UsageError("--out and --resume name different folders: leave --out out")
    return replace(options, resume=str(run_dir))


def _as_started(config: TrainConfig, started: TrainConfig) -> TrainConfig:
    """The configuration without what may differ between the starts of one run.

    Workers, trackers and the split of the global batch change no example; data may have moved.
    """
    data = replace(
        config.data,
        num_workers=started.data.num_workers,
        root=started.data.root if config.data.root else "",
    )
    optim = replace(config.optim, micro_batch_size=started.optim.micro_batch_size)
    return replace(config, data=data, optim=optim, report_to=started.report_to)


def _take_resume(flags: list[str]) -> tuple[list[str], str]:
    """The flags without --resume, and its value: a folder, NEWEST, or "" where it is absent.

    Without a value it is the folder of --out, where that is given.
    """
    kept: list[str] = []
    resume = ""
    index = 0
    while index < len(flags):
        flag = flags[index]
        if flag == "--resume":
            has_value = index + 1 < len(flags) and not flags[index + 1].startswith("--")
            resume = flags[index + 1] if has_value else NEWEST
            index += has_value
        elif flag.startswith("--resume="):
            resume = flag.partition("=")[2] or NEWEST
        else:
            kept.append(flag)
        index += 1
    return kept, (_out_of(kept) or NEWEST) if resume == NEWEST else resume


def _out_of(flags: list[str]) -> str:
    """The value of the last --out, or ""."""
    found = ""
    for flag, following in pairwise([*flags, "--"]):
        name, equals, attached = flag.partition("=")
        if name == "--out":
            found = attached if equals or following.startswith("--") else following
    return found


def _dry_run(options: TrainOptions) -> int:
    from vidllm.dry_run import describe, readable

    description = describe(options.config, num_processes=options.gpus or num_processes())
    if options.json:
        write_json(description, options.json)
    if options.json != "-":
        print(readable(description))
    return 0


def _train(recipe: str, options: TrainOptions) -> int:
    from vidllm.cli import status_of_signal

    console = messages(quiet=not is_first())
    config = options.config
    prepared: list[Any] = [None, None]
    if is_first():
        prepared = list(_prepare(options))
    run_dir, resume_from = from_first(prepared)
    if resume_from is not None and resume_from.step >= config.num_steps:
        console.print(f"{run_dir} is complete: {resume_from.step} steps")
        return 0
    began = f"step {resume_from.step}" if resume_from else "the start"
    console.print(f"{config.recipe}: {config.num_steps} steps from {began}, into {run_dir}")
    from vidllm.training import train

    try:
        outcome = train(config, run_dir, resume_from=resume_from, console=console)
    except HeldError:  # somebody was faster and trains in it
        raise
    except BaseException:
        if is_first() and not options.resume:  # a folder of before may be in another one's hands
            run_folder.remove_unstarted(run_dir)
        raise
    if is_first():
        _write_report(run_dir, console)
    if outcome.signal_number is not None:
        console.print(
            f"stopped after step {outcome.step} of {config.num_steps}; a checkpoint is written. "
            f"Go on with: vidllm train {recipe} --resume {run_dir}"
        )
        return status_of_signal(outcome.signal_number)
    console.print(f"done: {outcome.step} steps, run folder {run_dir}")
    if is_first():
        print_path(run_dir)
    return 0


def _write_report(run_dir: Path, console: Console) -> None:
    """Renders the report; the run is what counts, so a failure is only said."""
    from vidllm.report import write_report

    try:
        write_report(run_dir)
    except (OSError, ValueError) as error:
        console.print(f"no report: {error}")


def _prepare(options: TrainOptions) -> tuple[Path, Checkpoint | None]:
    """The run folder, new or checked, and the checkpoint to go on from."""
    from vidllm.mixture_data import check_recipes

    check_recipes(options.config)  # before pictures are looked at and models loaded
    if options.resume:
        run_dir = Path(options.resume)
        run_folder.check_writable(run_dir)
        return run_dir, checkpoint.to_resume(run_dir)
    run_dir = Path(options.out) if options.out else run_folder.default_dir(options.config)
    run_folder.create(options.config, run_dir)
    return run_dir, None


def _first_line(make: object) -> str:
    return (make.__doc__ or "").strip().splitlines()[0]

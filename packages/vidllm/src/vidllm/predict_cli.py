"""`vidllm predict`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidllm import checkpoint, run_folder
from vidllm.arguments import UsageError, near_names, parse
from vidllm.processes import is_first
from vidllm.terminal import messages

SYSTEMS = ("trained", "untrained", "chance")

_DESCRIPTION = """Answers the questions of a benchmark and writes predictions in seconds.

  vidllm predict DATASET [--run DIR] [--system SYSTEM] [--out FILE] [--media-root DIR]

DATASET is a folder with examples.jsonl, a file of examples, or a file of references beside
examples.jsonl. Decoding is greedy unless --num-beams asks for more. An interrupted prediction goes
on when the same command is run again. torchrun -m -- vidllm predict ... shares it among GPUs
(without the -- torchrun takes --run for an option of its own)."""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What `vidllm predict` takes besides the benchmark."""

    run: str = ""
    """The run folder. Default: the newest under runs/."""
    system: str = "trained"
    """trained: the newest checkpoint; untrained: the same model as it starts; chance: no model."""
    media_root: str = ""
    """Relative paths of the dataset start here. Default: where the manifests lie that it was built
    from, else where the run's corpus does."""
    out: str = ""
    """The predictions file. Default: RUN/predictions/SYSTEM.jsonl."""
    num_beams: int = 1
    """Places looked at side by side where the answer is nothing but places; 1 is greedy. The
    results in the repository's README (nox -s eval) were made with 4."""
    free: bool = False
    """Let the model write what it likes instead of holding answers to the form of the task."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""
    wants_help = any(argument in ("-h", "--help") for argument in arguments)
    if not wants_help and (not arguments or arguments[0].startswith("--")):
        raise UsageError("name a benchmark: vidllm predict DATASET [--run DIR]; settings come last")
    flags = ["--help"] if wants_help else list(arguments[1:])
    options = parse(PredictOptions, flags, PredictOptions(), "vidllm predict", _DESCRIPTION)
    if options.system not in SYSTEMS:
        raise UsageError(f"no system {options.system!r}{near_names(options.system, SYSTEMS)}")
    run_dir = Path(options.run) if options.run else run_folder.newest()
    if options.num_beams < 1:
        raise UsageError(f"--num-beams is {options.num_beams}: give at least 1")
    config = run_folder.load_config(run_dir)
    benchmark_dir = Path(arguments[0])
    out = Path(options.out or run_dir / "predictions" / f"{options.system}.jsonl")
    console = messages(quiet=not is_first())

    from vidllm.evaluation import Evaluator

    if options.system == "trained" and checkpoint.newest_good(run_dir) is None:
        raise UsageError(f"{run_dir} has no checkpoint yet: train it first, or --system untrained")
    evaluator = Evaluator(
        config,
        benchmark_dir,
        console,
        constrained=not options.free,
        num_beams=options.num_beams,
        media_root=options.media_root,
    )
    counts = evaluator.run(options.system, run_dir, out)
    console.print(
        f"{options.system}: {counts['queries']} queries, {counts['answered']} answered now, "
        f"{counts['malformed']} malformed, in {out}"
    )
    return 0

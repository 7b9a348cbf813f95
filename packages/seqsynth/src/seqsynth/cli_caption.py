"""The command that captions clips: `seqsynth caption`."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias, get_args

from seqsynth.caption.backends import BACKENDS, BackendOptions
from seqsynth.caption.prompts import DEFAULT_PROMPT, bundled_prompts, load_prompt
from seqsynth.caption.run import CaptionPlan, caption_manifest
from seqsynth.caption.settings import CaptionSettings, Generation
from seqsynth.caption.shards import locked
from seqsynth.caption.writing import FAILED_NAME, SETTINGS_NAME, CaptionReport
from seqsynth.frames import Geometry
from seqsynth.index import index_corpus
from seqsynth.index_checks import ENGINES
from seqsynth.manifest import Manifest
from seqsynth.naming import known_name
from seqsynth.progress import shown_progress

CLIPS_NAME = "clips.arrow"

_VERSIONED = ("seq2time-seqsynth", "pillow", "av", "torch", "transformers", "vllm")

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_commands(commands: Commands) -> None:
    """Adds `caption` to the commands of a parser."""
    backends = "; ".join(f"{name}: {kind.holds}" for name, kind in BACKENDS.items())
    parser = commands.add_parser(
        "caption",
        help="have a vision-language model write captions of clips, told their action label",
        description="Shows frames of every clip to a model, with its action label in the question, "
        "and writes the answers to DIR/captions-NNNNN.parquet, each with all that it rests on. "
        "Run the same command again to go on after an interruption: clips that have a caption are "
        "left alone, clips that could not be captioned (DIR/failed.jsonl) are tried again. A run "
        "that is killed loses the shard it was filling. The captions do not depend on the engine, "
        f"on the order or on interruptions. Backends: {backends}.",
    )
    parser.add_argument(
        "clips", type=Path, metavar="CLIPS",
        help="a manifest that index wrote, or a folder of clips in folders of their labels",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--model", required=True, help="its folder, or its name on the hub")
    parser.add_argument(
        "--revision", default="", help="of the model; default: the newest, a server's is unknown"
    )
    parser.add_argument("--backend", default="transformers", help="default transformers")
    prompts = ", ".join(bundled_prompts())
    parser.add_argument(
        "--prompt", default=DEFAULT_PROMPT,
        help=f"{prompts}, or FILE.toml; default {DEFAULT_PROMPT}",
    )  # fmt: skip
    _add_question_arguments(parser)
    _add_backend_arguments(parser)
    _add_run_arguments(parser)
    parser.set_defaults(run=_run_caption)


def _add_question_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is shown and how the model writes")
    generation = Generation()
    group.add_argument(
        "--num-frames", type=int, default=16, metavar="N", help="spread over the clip; default 16"
    )
    group.add_argument(
        "--size", type=int, default=384, metavar="PIXELS", help="edge of the square; default 384"
    )
    group.add_argument(
        "--geometry", choices=get_args(Geometry), default="pad",
        help="how a clip becomes a square; default pad, on white",
    )  # fmt: skip
    group.add_argument(
        "--max-new-tokens", type=int, default=generation.max_new_tokens, metavar="N",
        help=f"where an answer is cut off; default {generation.max_new_tokens}",
    )  # fmt: skip
    group.add_argument(
        "--temperature", type=float, default=generation.temperature, metavar="T",
        help="0 (default): the likeliest word each time; else drawn, from a seed of each clip",
    )  # fmt: skip
    group.add_argument("--top-p", type=float, default=generation.top_p, help="default 1")
    group.add_argument("--seed", type=int, default=generation.seed, metavar="S", help="default 0")


def _add_backend_arguments(parser: argparse.ArgumentParser) -> None:
    options = BackendOptions()
    group = parser.add_argument_group("the backend")
    sizes = ", ".join(f"{kind.batch_size} of {name}" for name, kind in BACKENDS.items())
    group.add_argument(
        "--batch-size", type=int, metavar="N",
        help=f"clips that the model gets at once; default {sizes}; in batches of several, "
        "transformers may round differently",
    )  # fmt: skip
    group.add_argument(
        "--device", default=options.device, help="of transformers: auto (default), cpu, cuda, ..."
    )
    group.add_argument(
        "--server", default=options.server, metavar="URL", help=f"default {options.server}"
    )
    group.add_argument(
        "--key-variable", default="", metavar="NAME",
        help="environment variable with the key for the server; default: none is sent",
    )  # fmt: skip
    group.add_argument(
        "--concurrency", type=int, default=options.concurrency, metavar="N",
        help=f"clips that are at the server at the same time; default {options.concurrency}",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=float, default=options.timeout_seconds, metavar="SECONDS",
        help=f"for one answer of the server; default {options.timeout_seconds:g}",
    )  # fmt: skip
    group.add_argument(
        "--retries", type=int, default=options.num_retries, metavar="N",
        help="times a clip is sent again when the server is busy or fails, with growing pauses; "
        f"default {options.num_retries}",
    )  # fmt: skip
    group.add_argument(
        "--tensor-parallel", type=int, default=1, metavar="N",
        help="of vllm: GPUs that share one copy of the model; default 1",
    )  # fmt: skip


def _add_run_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the run")
    plan = CaptionPlan()
    group.add_argument(
        "--engine", choices=ENGINES, default="local",
        help="where models are held: in this process (default), or by workers of a Ray cluster, "
        "the one that $RAY_ADDRESS names or processes here; needs the extra scale",
    )  # fmt: skip
    group.add_argument(
        "--workers", type=int, default=1, metavar="N",
        help="of --engine ray: copies of the model; default 1",
    )  # fmt: skip
    group.add_argument(
        "--gpus-per-worker", type=float, default=0.0, metavar="N",
        help="of --engine ray: GPUs that each copy gets; default 0",
    )  # fmt: skip
    group.add_argument(
        "--start", type=int, default=0, metavar="K", help="pass over the first K clips; default 0"
    )
    group.add_argument("--count", type=int, metavar="N", help="clips to caption; default: all")
    group.add_argument(
        "--shard-size", type=int, default=plan.shard_size, metavar="N",
        help=f"captions of a file; default {plan.shard_size}",
    )  # fmt: skip
    group.add_argument(
        "--max-failed", type=float, default=plan.max_failed, metavar="SHARE",
        help="stop when a larger share of the clips cannot be captioned; default "
        f"{plan.max_failed}",
    )  # fmt: skip
    group.add_argument(
        "--root", type=Path, metavar="DIR", help="where the clips lie, if not where they lay"
    )


def _run_caption(arguments: argparse.Namespace) -> int:
    settings, plan = _settings(arguments), _plan(arguments)
    facts = {"command": shlex.join(["seqsynth", *arguments.words]), "versions": _versions()}
    lock = locked(arguments.out, arguments.out / SETTINGS_NAME)
    with lock, shown_progress("clips") as (on_total, on_done):
        report = caption_manifest(
            _manifest(arguments),
            arguments.out,
            settings,
            plan=plan,
            facts=facts,
            on_total=on_total,
            on_done=on_done,
        )
    _note_captions(report, arguments.out)
    sys.stdout.write(f"{arguments.out}\n")
    return 0


def _plan(arguments: argparse.Namespace) -> CaptionPlan:
    options = BackendOptions(
        device=arguments.device,
        server=arguments.server,
        key_variable=arguments.key_variable,
        concurrency=arguments.concurrency,
        timeout_seconds=arguments.timeout,
        num_retries=arguments.retries,
        tensor_parallel=arguments.tensor_parallel,
    )
    return CaptionPlan(
        start=arguments.start,
        count=arguments.count,
        engine=arguments.engine,
        num_workers=arguments.workers,
        gpus_per_worker=arguments.gpus_per_worker,
        batch_size=arguments.batch_size,
        options=options,
        shard_size=arguments.shard_size,
        max_failed=arguments.max_failed,
    )


def _settings(arguments: argparse.Namespace) -> CaptionSettings:
    return CaptionSettings(
        backend=known_name("backend", arguments.backend, BACKENDS),
        model=arguments.model,
        revision=arguments.revision,
        prompt=load_prompt(arguments.prompt),
        num_frames=arguments.num_frames,
        frame_size=arguments.size,
        geometry=arguments.geometry,
        generation=Generation(
            max_new_tokens=arguments.max_new_tokens,
            temperature=arguments.temperature,
            top_p=arguments.top_p,
            seed=arguments.seed,
        ),
    )


def _manifest(arguments: argparse.Namespace) -> Manifest:
    if not arguments.clips.is_dir():
        return Manifest.open(arguments.clips, arguments.root)
    path = arguments.out / CLIPS_NAME
    report = index_corpus("clip_folder", arguments.clips, path)
    absent = report.totals.listed - report.totals.present
    if absent:
        sys.stderr.write(
            f"seqsynth: {absent} of {report.totals.listed} clips cannot be read, see "
            f"{path}.skipped.jsonl\n"
        )
    return Manifest.open(path, arguments.root)


def _note_captions(report: CaptionReport, folder: Path) -> None:
    new = f"{report.num_captioned:,} captions written"
    before = f", {report.num_before:,} were there" if report.num_before else ""
    cut = report.finish_reasons["length"]
    cut_off = f", {cut:,} of the new ones cut off at the limit of tokens" if cut else ""
    sys.stderr.write(f"seqsynth: {new}{before}{cut_off}\n")
    if report.num_failed:
        reasons = "; ".join(f"{count} x {kind}" for kind, count in report.reasons.most_common(5))
        sys.stderr.write(
            f"seqsynth: {report.num_failed:,} clips got none ({reasons}), see "
            f"{folder / FAILED_NAME}; the same command tries them again\n"
        )


def _versions() -> dict[str, str]:
    versions = {}
    for name in _VERSIONED:
        with contextlib.suppress(PackageNotFoundError):  # another backend's
            versions[name] = version(name)
    return versions

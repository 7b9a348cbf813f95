"""Writes a part of a stream to disk: examples as JSON lines, with pictures in tar or parquet files.

The work is divided into shards. Finished ones wait in a hidden folder beside the result, so a build
that was interrupted, by SIGKILL too, goes on with the first shard that is not whole; the result
appears when all are. Shards do not depend on who makes them: any number of workers gives the same
bytes.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from seqsynth.build_plan import CONTAINERS, BuildPlan, ShardReport, sum_of
from seqsynth.build_shard import OnDone, ShardPaths, Stream, finished, make_shard
from seqsynth.build_workers import shards_made
from seqsynth.energon import ENERGON_NAME, tar_index_path, write_energon_meta
from seqsynth.example_files import write_json, writing_alone
from seqsynth.index_checks import Engine
from seqsynth.skipping import LOG_NAME, TooManySkippedError, least_judged

log = logging.getLogger(__name__)

EXAMPLES_NAME = "examples.jsonl"
MANIFEST_NAME = "manifest.json"
FORMAT_VERSION = 1  # of the manifest
LOCK_NAME = ".lock"

_WORK_PREFIX = ".build-"
_JOINED_SUFFIX = ".joined"


def build_examples(
    stream: Stream,
    out_dir: str | Path,
    plan: BuildPlan,
    *,
    facts: Mapping[str, Any] | None = None,
    num_workers: int = 1,
    engine: Engine = "local",
    on_done: OnDone | None = None,
) -> ShardReport:
    """Writes `examples.jsonl`, `manifest.json` and, if asked for pictures, `frames-K-of-N.*`.

    Args:
        stream: what is written.
        out_dir: is created when absent; a build in it is replaced when all is done, and what an
            unfinished other one has done is left to it.
        plan: which part of the stream, and how.
        facts: more entries of the manifest.
        num_workers: processes; the result does not depend on it.
        engine: "local", or "ray": on a Ray cluster, all machines of which see `out_dir` and the
            media at the same paths. The result does not depend on it either.
        on_done: is told how many more examples are done, those of an earlier start first.

    Returns:
        The counts of all shards together.

    Raises:
        HeldError: another process builds there.
        ValueError: the stream is shorter than the plan.
        TooManySkippedError: see skipping.py; what is done is kept.
    """
    out_dir = Path(out_dir)
    if plan.start + plan.count > len(stream):
        raise ValueError(
            f"the stream has {len(stream)} examples, so {plan.count} from number {plan.start} on "
            "are too many"
        )
    manifest = {
        "format_version": FORMAT_VERSION,
        "corpus": stream.corpus.content_hash,
        "recipe": stream.recipe.to_record(),
        "seed": stream.seed,
        "fingerprint": stream.fingerprint,
        "start": plan.start,
        "count": plan.count,
        "shard_size": plan.shard_size,
        "pictures": asdict(plan.pictures) if plan.pictures else None,
        **(facts or {}),
    }
    work_dir = out_dir.absolute() / f"{_WORK_PREFIX}{_digest(manifest)}"
    lock = writing_alone(out_dir / LOCK_NAME, f"building into {out_dir}", out_dir / MANIFEST_NAME)
    with lock as is_alone:
        work_dir.mkdir(exist_ok=True)
        lefts = [*work_dir.glob("*.partial"), *work_dir.glob("*.*.skipped.jsonl")]
        lefts += out_dir.glob(f".*{_JOINED_SUFFIX}")
        for left in lefts if is_alone else ():
            left.unlink(missing_ok=True)  # of a build that was killed
        reports: list[ShardReport] = []
        so_far = ShardReport()
        for report in _shards(work_dir, stream, plan, num_workers, engine, on_done):
            reports.append(report)
            so_far = sum_of([so_far, report])
            _check_share(so_far, plan)
        total = sum_of(reports)  # of all at once: exact, in whatever order they came
        _publish(out_dir, work_dir, plan, {**manifest, "result": asdict(total)})
        for folder in sorted(out_dir.glob(f"{_WORK_PREFIX}*")) if is_alone else ():
            log.warning(
                "%s holds what another build had done when it ended too early: it goes on from "
                "there when it is run again; if it will not be, remove the folder",
                folder,
            )
    return total


def _shards(
    work_dir: Path,
    stream: Stream,
    plan: BuildPlan,
    num_workers: int,
    engine: Engine,
    on_done: OnDone | None,
) -> Iterator[ShardReport]:
    """The report of every shard as it is whole, those of an earlier start first."""
    on_done = on_done or (lambda _: None)
    missing = []
    for number in range(len(plan.shards)):
        report = finished(work_dir, number)
        if report is None:
            missing.append(number)
        else:
            on_done(report.num_examples)
            yield report
    make = partial(make_shard, stream, work_dir, plan)
    if engine == "local" and (num_workers == 1 or len(missing) < 2):
        for number in missing:
            yield make(number, on_done)
        return
    for report in shards_made(make, missing, num_workers=num_workers, engine=engine):
        on_done(report.num_examples)
        yield report


def _check_share(total: ShardReport, plan: BuildPlan) -> None:
    lost = total.num_replaced + total.exchanged_examples
    if lost > plan.max_skipped * max(total.num_examples, least_judged(plan.count)):
        raise TooManySkippedError(
            f"{total.losses}; at most {plan.max_skipped:.1%} are allowed, so the build stops"
        )


def _publish(out_dir: Path, work_dir: Path, plan: BuildPlan, manifest: Mapping[str, Any]) -> None:
    """Puts the result in place of an older one and removes the working folder."""
    shards = [ShardPaths(work_dir, number, plan.pictures) for number in range(len(plan.shards))]
    old = {path for kind in CONTAINERS for path in out_dir.glob(f"frames-*-of-*.{kind}")}
    old.update(out_dir.glob("frames-*-of-*.tar.idx"))
    names = []
    if plan.pictures is not None:
        for number, paths in enumerate(shards):
            names.append(f"frames-{number:05d}-of-{len(shards):05d}{paths.frames.suffix}")
            for source, target in (
                (paths.frames, out_dir / names[-1]),
                (tar_index_path(paths.frames), tar_index_path(out_dir / names[-1])),
            ):
                old.discard(target)
                if source.exists():  # else an earlier start has moved it, or it has no index
                    source.replace(target)
    _join([paths.examples for paths in shards], out_dir / EXAMPLES_NAME)
    logs = [paths.skipped for paths in shards if paths.skipped.exists()]
    if logs:
        _join(logs, out_dir / LOG_NAME)
    else:
        (out_dir / LOG_NAME).unlink(missing_ok=True)
    for path in old:
        path.unlink(missing_ok=True)
    if plan.pictures is not None and plan.pictures.container == "tar":
        write_energon_meta(dict(zip(names, map(len, plan.shards), strict=True)), out_dir)
    else:
        shutil.rmtree(out_dir / ENERGON_NAME, ignore_errors=True)
    write_json(manifest, out_dir / MANIFEST_NAME)
    for paths in shards:  # first: what says that a shard is whole must not outlive the shard
        paths.report.unlink()
    shutil.rmtree(work_dir)


def _join(parts: list[Path], path: Path) -> None:
    joined = path.with_name(f".{path.name}{_JOINED_SUFFIX}")
    with joined.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    joined.replace(path)


def _digest(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

"""Writes a part of a stream to disk: examples as JSON lines, with pictures in tar files if asked.

The work is divided into shards. Finished ones wait in a hidden folder beside the result, so a build
that was interrupted, by SIGKILL too, goes on with the first shard that is not whole; the result
appears when all are. Shards do not depend on who makes them: any number of workers gives the same
bytes.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from seqsynth.dataset import SequenceDataset
from seqsynth.example_files import replacing
from seqsynth.frame_tar import JPEG_QUALITY, FrameTarWriter
from seqsynth.frames import Geometry, load_frames
from seqsynth.mixture_dataset import MixtureDataset
from seqsynth.skipping import DEFAULT_MAX_SHARE, LOG_NAME, SkipLog, TooManySkippedError, read_frames
from seqsynth.text_budget import REPLACED_PREFIX

EXAMPLES_NAME = "examples.jsonl"
MANIFEST_NAME = "manifest.json"

_GRACE = 20  # as in skipping.py, for the whole of the build
_EXAMPLES_PER_REPORT = 16

Stream = SequenceDataset | MixtureDataset
OnDone = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """How pictures are written.

    Attributes:
        size: edge of the square, pixels.
        geometry: see `load_frames`.
        quality: of the JPEGs, 1 to 95.
    """

    size: int
    geometry: Geometry = "stretch"
    quality: int = JPEG_QUALITY

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 95:  # above 95 files grow and nothing is gained
            raise ValueError(f"quality must be in [1, 95], got {self.quality}")
        if self.size < 1:
            raise ValueError(f"size must be at least 1 pixel, got {self.size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What is built.

    Attributes:
        start: first example of the stream.
        count: how many.
        shard_size: examples of a shard, the unit of work that an interruption can cost.
        pictures: None: text and frame plans alone, and no file is opened.
        max_skipped: largest share of examples that others may stand in for, because their media
            cannot be read or their text cannot be written.
    """

    start: int = 0
    count: int
    shard_size: int = 1000
    pictures: PictureFormat | None = None
    max_skipped: float = DEFAULT_MAX_SHARE

    def __post_init__(self) -> None:
        if self.start < 0:
            raise ValueError(f"start must not be negative, got {self.start}")
        for name in ("count", "shard_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def shards(self) -> list[range]:
        """The examples of each shard."""
        stop = self.start + self.count
        return [
            range(first, min(first + self.shard_size, stop))
            for first in range(self.start, stop, self.shard_size)
        ]


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What one shard came to.

    Attributes:
        num_examples: written.
        num_replaced: of them stand in for others.
        reasons: why, by kind.
        cuts: what the text budget took and what could not be written, by rule and reason.
    """

    num_examples: int = 0
    num_replaced: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    cuts: Mapping[str, int] = field(default_factory=dict)


def build_examples(
    out_dir: Path,
    stream: Stream,
    plan: BuildPlan,
    *,
    facts: Mapping[str, Any] | None = None,
    num_workers: int = 1,
    on_done: OnDone | None = None,
) -> ShardReport:
    """Writes `examples.jsonl`, `manifest.json` and, with pictures, `frames-K-of-N.tar`.

    Args:
        out_dir: is created when absent; what is in it is replaced when all is done.
        stream: what is written.
        plan: which part of it, and how.
        facts: more entries of the manifest.
        num_workers: processes; the result does not depend on it.
        on_done: is told how many more examples are done, those of an earlier start first.

    Returns:
        The counts of all shards together.

    Raises:
        ValueError: the stream is shorter than the plan.
        TooManySkippedError: see skipping.py; what is done is kept.
    """
    if plan.start + plan.count > len(stream):
        raise ValueError(
            f"the stream has {len(stream)} examples, so {plan.count} from number {plan.start} on "
            "are too many"
        )
    manifest = {
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
    work_dir = out_dir / f".build-{_digest(manifest)}"
    work_dir.mkdir(parents=True, exist_ok=True)
    reports = _all_shards(work_dir, stream, plan, num_workers, on_done or (lambda _: None))
    total = _sum(reports.values())
    _publish(out_dir, work_dir, plan, {**manifest, "result": asdict(total)})
    return total


def _all_shards(
    work_dir: Path, stream: Stream, plan: BuildPlan, num_workers: int, on_done: OnDone
) -> dict[int, ShardReport]:
    reports: dict[int, ShardReport] = {}
    missing = []
    for number in range(len(plan.shards)):
        report = _finished(work_dir, number)
        if report is None:
            missing.append(number)
        else:
            reports[number] = report
            on_done(report.num_examples)
    make = partial(_make_shard, work_dir, stream, plan)
    if num_workers == 1 or len(missing) < 2:
        for number in missing:
            reports[number] = make(number, on_done)
            _check_share(reports, plan)
        return reports
    for number, report in _in_processes(make, missing, num_workers):
        reports[number] = report
        on_done(report.num_examples)
        _check_share(reports, plan)
    return reports


def _in_processes(
    make: Callable[[int], ShardReport], numbers: list[int], num_workers: int
) -> Iterator[tuple[int, ShardReport]]:
    # Spawned, not forked: threads of a progress bar or of FFmpeg do not survive a fork.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        min(num_workers, len(numbers)),
        mp_context=context,
        initializer=_keep_maker,
        initargs=(make,),  # with the stream: sent once to each process, not with each shard
    ) as pool:
        number_of = {pool.submit(_make_kept, number): number for number in numbers}
        try:
            pending = set(number_of)
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield number_of[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_maker: Callable[[int], ShardReport] | None = None


def _keep_maker(make: Callable[[int], ShardReport]) -> None:
    global _maker  # noqa: PLW0603 a worker process has no other place to keep it
    _maker = make
    # Ctrl-C reaches every process: the build itself says so, a worker has nothing to add.
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker when the build is killed; it would wait for work for ever otherwise."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make_kept(number: int) -> ShardReport:
    assert _maker is not None
    return _maker(number)


def _make_shard(
    work_dir: Path,
    stream: Stream,
    plan: BuildPlan,
    number: int,
    on_done: OnDone | None = None,
) -> ShardReport:
    """Writes one shard; its report is written last and says that it is whole."""
    paths = _ShardPaths(work_dir, number)
    paths.skipped.unlink(missing_ok=True)
    log = SkipLog(paths.skipped, max_share=plan.max_skipped)
    cuts: Counter[str] = Counter()
    root = stream.corpus.root
    num_reported = 0
    indices = plan.shards[number]
    with replacing(paths.examples) as handle, _tar_writer(paths.frames, plan, root) as tar:
        for count, index in enumerate(indices, start=1):
            known = set(cuts.items())
            example = stream.draw(index, cuts)
            for reason, _ in set(cuts.items()) - known:
                if reason.startswith(REPLACED_PREFIX):  # it stands in for one without a text
                    log.add_skipped(index, "", 0, example.id, reason.removeprefix(REPLACED_PREFIX))
            if tar is not None and plan.pictures is not None:
                load = partial(
                    load_frames, size=plan.pictures.size, geometry=plan.pictures.geometry
                )
                example, frames = read_frames(stream, index, load, log, example=example)
                tar.add(f"{index:09d}-{example.id}", example, frames)
            else:
                log.add_read()
            handle.write(example.to_json(root) + "\n")
            if on_done and (count % _EXAMPLES_PER_REPORT == 0 or count == len(indices)):
                on_done(count - num_reported)
                num_reported = count
    report = ShardReport(len(indices), log.num_replaced, dict(log.reasons), dict(cuts))
    with replacing(paths.report) as handle:
        handle.write(json.dumps(asdict(report)) + "\n")
    return report


class _ShardPaths:
    """The files of one shard in the working folder."""

    def __init__(self, work_dir: Path, number: int) -> None:
        self.examples = work_dir / f"{number:05d}.jsonl"
        self.frames = work_dir / f"{number:05d}.tar"
        self.skipped = work_dir / f"{number:05d}.skipped.jsonl"
        self.report = work_dir / f"{number:05d}.done.json"


@contextlib.contextmanager
def _tar_writer(path: Path, plan: BuildPlan, root: str) -> Iterator[FrameTarWriter | None]:
    """A tar of pictures that takes its name when all is written; None where none are asked for."""
    if plan.pictures is None:
        yield None
        return
    partial_path = path.with_suffix(".tar.partial")
    with FrameTarWriter(partial_path, media_root=root, quality=plan.pictures.quality) as writer:
        yield writer
    partial_path.replace(path)


def _finished(work_dir: Path, number: int) -> ShardReport | None:
    try:
        return ShardReport(**json.loads(_ShardPaths(work_dir, number).report.read_text("utf-8")))
    except FileNotFoundError:
        return None


def _check_share(reports: Mapping[int, ShardReport], plan: BuildPlan) -> None:
    total = _sum(reports.values())
    if total.num_replaced > plan.max_skipped * max(total.num_examples, _GRACE):
        reasons = "; ".join(f"{n} x {kind}" for kind, n in total.reasons.items())
        raise TooManySkippedError(
            f"{total.num_replaced} of {total.num_examples} examples replaced ({reasons}); at most "
            f"{plan.max_skipped:.1%} are allowed, so the build stops"
        )


def _publish(out_dir: Path, work_dir: Path, plan: BuildPlan, manifest: Mapping[str, Any]) -> None:
    """Puts the result in place of an older one and removes the working folder."""
    shards = [_ShardPaths(work_dir, number) for number in range(len(plan.shards))]
    old_tars = set(out_dir.glob("frames-*-of-*.tar"))
    if plan.pictures is not None:
        for number, paths in enumerate(shards):
            target = out_dir / f"frames-{number:05d}-of-{len(shards):05d}.tar"
            old_tars.discard(target)
            if paths.frames.exists():  # else an earlier start has moved it already
                paths.frames.replace(target)
    _join([paths.examples for paths in shards], out_dir / EXAMPLES_NAME)
    logs = [paths.skipped for paths in shards if paths.skipped.exists()]
    if logs:
        _join(logs, out_dir / LOG_NAME)
    else:
        (out_dir / LOG_NAME).unlink(missing_ok=True)
    for path in old_tars:
        path.unlink()
    with replacing(out_dir / MANIFEST_NAME) as handle:
        handle.write(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    shutil.rmtree(work_dir)


def _join(parts: list[Path], path: Path) -> None:
    joined = path.with_name(f".{path.name}.joined")
    with joined.open("wb") as target:
        for part in parts:
            with part.open("rb") as source:
                shutil.copyfileobj(source, target, 1 << 20)
    joined.replace(path)


def _sum(reports: Any) -> ShardReport:
    num_examples = num_replaced = 0
    reasons: Counter[str] = Counter()
    cuts: Counter[str] = Counter()
    for report in reports:
        num_examples += report.num_examples
        num_replaced += report.num_replaced
        reasons.update(report.reasons)
        cuts.update(report.cuts)
    return ShardReport(
        num_examples, num_replaced, dict(sorted(reasons.items())), dict(sorted(cuts.items()))
    )


def _digest(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]

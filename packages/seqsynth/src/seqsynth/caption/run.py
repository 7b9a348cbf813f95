"""Captions the clips of a corpus into a folder, and goes on where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from seqsynth.caption.backends import BACKENDS, BackendOptions
from seqsynth.caption.engines import Batch, batches_of, local_results
from seqsynth.caption.records import Result
from seqsynth.caption.requests import requests_of
from seqsynth.caption.settings import CaptionSettings
from seqsynth.caption.writing import (
    DEFAULT_MAX_FAILED,
    DEFAULT_SHARD_SIZE,
    CaptionReport,
    OnDone,
    open_folder,
    write_results,
)
from seqsynth.index_checks import ENGINES, Engine
from seqsynth.manifest import Manifest, ManifestView
from seqsynth.naming import known_name


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptionPlan:
    """Which clips are captioned, and where; none of this changes what a caption says.

    Attributes:
        start, count: clips of the manifest, by their number; None: to the end.
        engine: "local": in this process; "ray": by workers of a Ray cluster, all of which see the
            clips at the same path.
        num_workers, gpus_per_worker: of Ray: copies of the model, and what each of them needs.
        batch_size: clips that a model gets at once; None: what suits the backend.
        options: how the backend is run.
        shard_size: captions of a file.
        max_failed: largest share of clips that may get no caption, in [0, 1].
    """

    start: int = 0
    count: int | None = None
    engine: Engine = "local"
    num_workers: int = 1
    gpus_per_worker: float = 0.0
    batch_size: int | None = None
    options: BackendOptions = field(default_factory=BackendOptions)
    shard_size: int = DEFAULT_SHARD_SIZE
    max_failed: float = DEFAULT_MAX_FAILED

    def __post_init__(self) -> None:
        known_name("engine", self.engine, ENGINES)
        if self.start < 0:
            raise ValueError(f"start must not be negative, got {self.start}")
        for name in ("count", "num_workers", "batch_size", "shard_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.gpus_per_worker < 0:
            raise ValueError(f"gpus_per_worker must not be negative, got {self.gpus_per_worker}")
        if not 0 <= self.max_failed <= 1:
            raise ValueError(f"max_failed must be in [0, 1], got {self.max_failed}")


def caption_manifest(
    manifest: Manifest,
    folder: str | Path,
    settings: CaptionSettings,
    *,
    plan: CaptionPlan | None = None,
    facts: Mapping[str, Any] | None = None,
    on_total: OnDone | None = None,
    on_done: OnDone | None = None,
) -> CaptionReport:
    """Captions the clips of a manifest that have no caption in a folder yet.

    Args:
        manifest: the corpus; its clips are captioned.
        folder: gets the shards; is created when absent.
        settings: what is asked of whom; the same in every run into the folder.
        plan: which clips, and where; None: all, in this process.
        facts: more entries of `caption.json`.
        on_total: is told how many clips there are to do.
        on_done: is told how many more of them are done with.

    Raises:
        ValueError: no clips, settings that differ from those of the folder, a damaged shard.
        BackendError: nobody there who could answer.
        TooManyFailedError: see `write_results`.
    """
    plan = plan or CaptionPlan()
    if plan.engine == "ray" and not BACKENDS[settings.backend].holds_model:
        raise ValueError(
            f"{settings.backend} does not hold a model, so Ray adds nothing: leave --engine out "
            "and raise --concurrency"
        )
    clips = _planned(manifest, plan)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = {"root": str(manifest.root.resolve()), "manifest_sha256": manifest.content_sha256}
    done = open_folder(folder, settings, {**(facts or {}), "corpus": corpus})
    num_left = sum(key not in done for key in clips.column("id").to_pylist())
    if on_total:
        on_total(num_left)
    if not num_left:
        return CaptionReport(num_before=len(done))
    requests = requests_of(
        clips, num_frames=settings.num_frames, seed=settings.generation.seed, done=done
    )
    batch_size = plan.batch_size or BACKENDS[settings.backend].batch_size
    batches = batches_of(requests, batch_size)
    results = _results(settings, plan, manifest.root.absolute(), batches)
    try:
        return write_results(
            results,
            folder,
            settings,
            done,
            shard_size=plan.shard_size,
            num_planned=num_left,
            max_failed=plan.max_failed,
            on_done=on_done,
        )
    finally:
        results.close()  # now, not when it is collected: it ends what is under way


def _planned(manifest: Manifest, plan: CaptionPlan) -> ManifestView[Any]:
    clips = manifest.select(kind="clip")
    if not len(clips):
        raise ValueError(f"{manifest.path} has no clips")
    if plan.start >= len(clips):
        raise ValueError(f"{manifest.path} has {len(clips)} clips, none from {plan.start} on")
    return clips[plan.start : None if plan.count is None else plan.start + plan.count]


def _results(
    settings: CaptionSettings, plan: CaptionPlan, root: Path, batches: Iterator[Batch]
) -> Generator[Result, None, None]:
    kind = BACKENDS[settings.backend]
    if plan.engine == "local":
        num_threads = 1 if kind.holds_model else plan.options.concurrency
        backend = kind.make(settings, plan.options)
        return local_results(backend, settings, root, batches, num_threads=num_threads)
    from seqsynth.caption.ray_captions import ray_results

    return ray_results(
        partial(kind.make, settings, plan.options),
        settings,
        root,
        batches,
        num_workers=plan.num_workers,
        gpus_per_worker=plan.gpus_per_worker,
    )

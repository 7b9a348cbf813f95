"""Captions on the machines of a Ray cluster: Ray Data hands batches to actors that hold a model.

All machines see the root at the same path. An actor that dies is started again by Ray and its batch
repeated; since a caption depends on its request alone, the results are those of one process.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from seqsynth.caption.backends import CaptionBackend
from seqsynth.caption.engines import Batch, caption_batch
from seqsynth.caption.records import Result
from seqsynth.caption.settings import CaptionSettings

_MAX_BLOCKS = 2000  # of which Ray Data keeps track; more only cost
_COLUMN = "batch"


class CaptionActor:
    """Holds a model on one worker and answers batches.

    Args:
        make: loads the backend, here and not where the run was started.
        settings: what is asked, and how frames are shown.
        root: where the paths of the requests begin.
    """

    def __init__(
        self, make: Callable[[], CaptionBackend], settings: CaptionSettings, root: Path
    ) -> None:
        self._backend = make()
        self._settings = settings
        self._root = root

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The results of a batch, packed as the batch is."""
        batch = pickle.loads(row[_COLUMN])
        return {
            _COLUMN: pickle.dumps(caption_batch(self._backend, self._settings, self._root, batch))
        }


def ray_results(
    make: Callable[[], CaptionBackend],
    settings: CaptionSettings,
    root: Path,
    batches: Iterable[Batch],
    *,
    num_workers: int,
    gpus_per_worker: float,
) -> Generator[Result, None, None]:
    """The results of all batches, in their order.

    Args:
        make: loads the backend; can be pickled, and its package is on all machines.
        settings: what is asked, and how frames are shown.
        root: where the paths of the requests begin.
        batches: all are read before the first result.
        num_workers: copies of the model.
        gpus_per_worker: of each copy; 0: it computes on the CPU.

    Raises:
        RuntimeError: Ray Data is not installed, or a model cannot be loaded.
    """
    ray = _ray_data()
    starts_ray = not ray.is_initialized()
    if starts_ray and os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    elif starts_ray:
        ray.init(num_cpus=num_workers + 1, include_dashboard=False, log_to_driver=False)
    try:
        packed = [pickle.dumps(list(batch)) for batch in batches]
        if not packed:
            return
        per_block = -(-len(packed) // _MAX_BLOCKS)
        blocks = [
            pa.table({_COLUMN: pa.array(packed[start : start + per_block], pa.binary())})
            for start in range(0, len(packed), per_block)
        ]
        context = ray.data.DataContext.get_current()
        context.execution_options.preserve_order = True
        context.enable_progress_bars = False
        answered = ray.data.from_arrow(blocks).map(
            CaptionActor,
            fn_constructor_args=(make, settings, root),
            concurrency=num_workers,
            num_gpus=gpus_per_worker,
        )
        for row in answered.iter_rows():
            yield from pickle.loads(row[_COLUMN])
    finally:
        if starts_ray:
            ray.shutdown()


def _ray_data() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RuntimeError(
            'Ray Data is not installed: pip install "seq2time-seqsynth[scale]", or leave --engine '
            "out"
        ) from error
    return ray

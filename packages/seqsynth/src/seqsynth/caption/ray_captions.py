"""Captions on the machines of a Ray cluster: Ray Data hands batches to actors that hold a model.

All machines see the root at the same path. An actor that dies is started again by Ray and its batch
repeated; since a caption depends on its request alone, the results are those of one process.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from seqsynth.caption.backends import BackendError, CaptionBackend
from seqsynth.caption.engines import Batch, caption_batch
from seqsynth.caption.records import Result
from seqsynth.caption.settings import CaptionSettings
from seqsynth.ray_engine import running_ray

_MAX_BLOCKS = 2000  # of which Ray Data keeps track; more only cost
_COLUMN, _ERROR = "batch", "error"


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
        self._settings = settings
        self._root = root
        self._error = ""  # Ray would try again for a while, then bury it in its own words
        try:
            self._backend = make()
        except BackendError as error:
            self._error = str(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """The results of a batch, packed as the batch is, or why there can be none."""
        if self._error:
            return {_COLUMN: b"", _ERROR: self._error}
        batch = pickle.loads(row[_COLUMN])  # noqa: S301 our own, within the cluster
        try:
            results = caption_batch(self._backend, self._settings, self._root, batch)
        except BackendError as error:
            return {_COLUMN: b"", _ERROR: str(error)}
        return {_COLUMN: pickle.dumps(results), _ERROR: ""}


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
        BackendError: a worker cannot load the model.
        RuntimeError: Ray Data is not installed, or Ray gave up.
    """
    ray = _ray_data()
    with running_ray(ray, num_workers + 1):  # one CPU reads and writes
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
            compute=ray.data.ActorPoolStrategy(size=num_workers),
            num_gpus=gpus_per_worker,
        )
        try:
            for row in answered.iter_rows():
                if row[_ERROR]:
                    raise BackendError(row[_ERROR])
                yield from pickle.loads(row[_COLUMN])  # noqa: S301 as above
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise RuntimeError(f"Ray gave up ({type(error).__name__}): {lines[-1]}") from error


def _ray_data() -> Any:
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RuntimeError(
            'Ray Data is not installed: pip install "seq2time-seqsynth[scale]", or leave --engine '
            "out"
        ) from error
    logging.getLogger("ray.data").setLevel(logging.WARNING)  # it reports on every step
    return ray

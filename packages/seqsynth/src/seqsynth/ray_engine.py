"""Runs a function over batches on the machines of a Ray cluster, in order.

Ray is optional (`pip install "seq2time-seqsynth[scale]"`). A task whose worker dies is run again by
Ray itself; since the functions here are pure, the results are those of a run without accidents.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

BatchT = TypeVar("BatchT")
ResultT = TypeVar("ResultT")

_MAX_RETRIES = 3  # of a task whose worker or machine was lost
_TASKS_PER_CPU = 2  # one runs, one waits at hand
_NUM_STARTS = 4  # Ray waits half a minute for its own processes, and a busy machine needs longer
_START_SECONDS = {
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_gcs_server_request_timeout_seconds": "120",
}


def ordered_map(
    function: Callable[[BatchT], ResultT], batches: Iterable[BatchT], *, num_workers: int
) -> Iterator[ResultT]:
    """The results of a function for each batch, in the order of the batches.

    Batches are read as results are taken: few are on their way at any time.

    Args:
        function: pure; it and the batches can be pickled, and its package is on all machines.
        batches: any number.
        num_workers: processes on this machine; where `RAY_ADDRESS` names a cluster, that decides.

    Raises:
        RuntimeError: Ray is not installed, or it lost the workers of one task several times.
    """
    ray = _ray()
    with running_ray(ray, num_workers):
        task = ray.remote(max_retries=_MAX_RETRIES)(_call)
        shared = ray.put(function)
        num_in_flight = _TASKS_PER_CPU * int(ray.cluster_resources().get("CPU", num_workers))
        pending: deque[Any] = deque()
        for batch in batches:
            pending.append(task.remote(shared, batch))
            if len(pending) >= num_in_flight:
                yield _result(ray, pending.popleft())
        while pending:
            yield _result(ray, pending.popleft())


@contextmanager
def running_ray(ray: Any, num_cpus: int) -> Iterator[None]:
    """Ray as it runs already; else one that ends with the block.

    Args:
        ray: the module.
        num_cpus: of a Ray that is started here; the cluster that `RAY_ADDRESS` names has its own.

    Raises:
        RuntimeError: Ray does not start.
    """
    if ray.is_initialized():
        yield
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False)
    else:
        _start(ray, num_cpus)
    try:
        yield
    finally:
        ray.shutdown()


def _start(ray: Any, num_cpus: int) -> None:
    """Starts Ray on this machine, again where its processes took too long to come up."""
    for name, seconds in _START_SECONDS.items():
        os.environ.setdefault(name, seconds)
    for attempt in range(1, _NUM_STARTS + 1):
        try:
            ray.init(num_cpus=num_cpus, include_dashboard=False, log_to_driver=False)
        except Exception as error:  # Ray raises plain ones
            if "timed out" not in str(error):
                raise
            ray.shutdown()
            if attempt == _NUM_STARTS:
                raise RuntimeError(
                    f"Ray did not start in {_NUM_STARTS} attempts ({str(error).strip()}); start it "
                    "by hand, ray start --head, and name it: RAY_ADDRESS=auto"
                ) from error
        else:
            return


def _result(ray: Any, reference: Any) -> Any:
    """What a task returned; what it raised is raised as if it had been raised here."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise RuntimeError(f"Ray lost a task and gave it up: {error}") from error


def _call(function: Callable[[BatchT], ResultT], batch: BatchT) -> ResultT:
    return function(batch)


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise RuntimeError(
            'Ray is not installed: pip install "seq2time-seqsynth[scale]", or leave --engine out'
        ) from error
    return ray

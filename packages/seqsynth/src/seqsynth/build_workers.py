"""Who makes the shards of a build: this process, several of this machine, or a Ray cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

from seqsynth.build_plan import ShardReport
from seqsynth.index_checks import Engine
from seqsynth.worker_process import begin_worker

Make = Callable[[int], ShardReport]


def shards_made(
    make: Make, numbers: Sequence[int], *, num_workers: int, engine: Engine
) -> Iterator[ShardReport]:
    """Makes shards on several processes and yields the report of each as it is done.

    Args:
        make: makes the shard of a number; a pure function, can be pickled.
        numbers: of the shards.
        num_workers: processes.
        engine: see `Checks`.

    Raises:
        RuntimeError: a process was ended from outside.
    """
    if engine == "ray":
        from seqsynth.ray_engine import ordered_map

        yield from ordered_map(make, numbers, num_workers=num_workers)
    else:
        yield from _in_processes(make, numbers, num_workers)


def _in_processes(make: Make, numbers: Sequence[int], num_workers: int) -> Iterator[ShardReport]:
    # Spawned, not forked: threads of a progress bar or of FFmpeg do not survive a fork.
    context = get_context("spawn")
    with ProcessPoolExecutor(
        min(num_workers, len(numbers)),
        mp_context=context,
        initializer=_keep_maker,
        initargs=(make,),  # with the stream: sent once to each process, not with each shard
    ) as pool:
        try:
            pending = {pool.submit(_make_kept, number) for number in numbers}
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool:
            raise RuntimeError(
                "a worker process was killed, perhaps because memory ran out: run the same command "
                "again to go on, with fewer --workers"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


_maker: Make | None = None


def _keep_maker(make: Make) -> None:
    global _maker  # noqa: PLW0603 a worker process has no other place to keep it
    _maker = make
    begin_worker()


def _make_kept(number: int) -> ShardReport:
    assert _maker is not None
    return _maker(number)

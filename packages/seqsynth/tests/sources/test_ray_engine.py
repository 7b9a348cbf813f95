"""The engine for many machines, on two local workers of a real Ray; skipped where Ray is absent."""

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from seqsynth import Checks, SequenceDataset, build, index_corpus, index_survey
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, Container, PictureFormat
from seqsynth.ray_engine import ordered_map, running_ray
from seqsynth.skipping import TooManySkippedError

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray (the extra scale) is not installed"
)
# Ray leaves its log files and sockets to the end of the process.
quiet = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")


def die_once(batch: Any, marker: Path, function: Callable[[Any], Any]) -> Any:
    """The function, but the first worker that comes here is killed in its middle."""
    result = function(batch)
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return result
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


@pytest.fixture
def two_workers() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import tests
    with running_ray(ray, 2):
        yield ray


@pytest.fixture
def clips(tmp_path: Path, write_video: Callable[..., Path]) -> Path:
    """Sixty clips of which some are missing, damaged or listed twice."""
    root = tmp_path / "clips"
    for number in range(6):
        write_video(root / f"{number}.mp4", num_frames=5 + number)
    (root / "damaged.mp4").write_bytes(b"no video")
    names = [*(f"{k}.mp4" for k in range(6)), "damaged.mp4", "gone.mp4"]
    lines = [f"{k % 55},{names[k % 8]},label {k % 8}" for k in range(60)]
    (root / "a.csv").write_text("\n".join(["id,path,label", *lines]))
    return root


class SlowRay:
    """Stands in for Ray: its first starts take longer than it waits for them."""

    def __init__(self, num_slow: int, reason: str = "The current node timed out") -> None:
        self.num_slow, self.reason = num_slow, reason
        self.calls: list[str] = []

    def is_initialized(self) -> bool:
        return False

    def init(self, *, num_cpus: int, **_: object) -> None:
        self.calls.append(f"init {num_cpus}")
        if self.calls.count(f"init {num_cpus}") <= self.num_slow:
            raise Exception(self.reason)  # as Ray does

    def shutdown(self) -> None:
        self.calls.append("shutdown")


def test_ray_is_started_again_where_its_processes_take_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    ray = SlowRay(2)
    with running_ray(ray, 3):
        ray.calls.append("work")
    assert ray.calls == ["init 3", "shutdown", "init 3", "shutdown", "init 3", "work", "shutdown"]
    gives_up = pytest.raises(RuntimeError, match=r"4 attempts \(The current .* RAY_ADDRESS=auto")
    with gives_up, running_ray(SlowRay(99), 1):
        pass
    other = SlowRay(99, "no such option")
    with pytest.raises(Exception, match="no such option"), running_ray(other, 1):
        pass
    assert other.calls == ["init 1"]


@needs_ray
@quiet
@pytest.mark.slow
def test_an_index_made_by_ray_is_the_same_when_a_worker_is_killed(
    two_workers: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_survey, "_ROWS_AT_ONCE", 4)
    here, there = tmp_path / "here.arrow", tmp_path / "there.arrow"
    index_corpus("clip_table", clips, here, checks=Checks(probe="pts"))
    marker = tmp_path / "killed"
    whole = index_survey._look_all

    def dying(batch: Any, **settings: Any) -> Any:
        return die_once(batch, marker, partial(whole, **settings))

    monkeypatch.setattr(index_survey, "_look_all", dying)
    index_corpus("clip_table", clips, there, checks=Checks(probe="pts", engine="ray"))
    assert marker.exists()
    assert here.read_bytes() == there.read_bytes()
    for suffix in (".skipped.jsonl",):
        one, two = (path.with_name(path.name + suffix) for path in (here, there))
        assert one.read_bytes() == two.read_bytes()
        assert len(one.read_text().splitlines()) == 5 + 13  # ids that come twice; gone and damaged


@needs_ray
@quiet
@pytest.mark.slow
def test_results_come_in_order_and_batches_are_read_as_they_are_needed(two_workers: Any) -> None:
    taken: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    results = ordered_map(abs, batches(), num_workers=2)
    assert next(results) == 0
    assert len(taken) <= 4
    assert list(results) == list(range(1, 40))


@needs_ray
@quiet
@pytest.mark.slow
@pytest.mark.parametrize("container", ["tar", "parquet"])
def test_a_build_made_by_ray_is_the_same_when_a_worker_is_killed(
    two_workers: Any,
    tmp_path: Path,
    make_stream: Callable[..., SequenceDataset],
    monkeypatch: pytest.MonkeyPatch,
    container: Container,
) -> None:
    stream = make_stream(3)
    pictures = PictureFormat(size=8, container=container)
    plan = BuildPlan(count=50, shard_size=4, pictures=pictures, max_skipped=1.0)
    here, there, marker = (tmp_path / name for name in ("here", "there", "killed"))
    done: list[int] = []
    report = build_examples(stream, here, plan)
    whole = build.make_shard

    def dying(*arguments: Any) -> Any:
        return die_once(arguments[-1], marker, partial(whole, *arguments[:-1]))

    monkeypatch.setattr(build, "make_shard", dying)
    assert build_examples(stream, there, plan, engine="ray", on_done=done.append) == report
    assert marker.exists()
    assert done == [4] * 12 + [2]
    names = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert Path("skipped.jsonl") in names
    assert names == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    for name in names:
        assert (here / name).read_bytes() == (there / name).read_bytes(), name


@needs_ray
@quiet
@pytest.mark.slow
def test_what_a_shard_raises_is_raised_here(
    two_workers: Any, tmp_path: Path, make_stream: Callable[..., SequenceDataset]
) -> None:
    plan = BuildPlan(count=50, shard_size=25, pictures=PictureFormat(size=8), max_skipped=0.0)
    with pytest.raises(TooManySkippedError, match=r"^0 of .* and 1 images") as caught:
        build_examples(make_stream(*range(9)), tmp_path / "out", plan, engine="ray")
    assert "ray::" not in str(caught.value)
    assert not (tmp_path / "out/examples.jsonl").exists()


def test_without_ray_the_command_says_what_to_install(
    tmp_path: Path, clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from seqsynth import cli

    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = ["index", "clip_table", str(clips), "--out", str(tmp_path / "a.arrow")]
    assert cli.main([*arguments, "--engine", "ray"]) == 1
    assert 'pip install "seq2time-seqsynth[scale]"' in capsys.readouterr().err
    assert not (tmp_path / "a.arrow").exists()

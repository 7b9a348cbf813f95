"""One shard of a build: whole or made again, by whoever makes it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from seqsynth import SequenceDataset
from seqsynth.build_plan import BuildPlan, Container, PictureFormat, ShardReport
from seqsynth.build_shard import finished, make_shard
from seqsynth.build_workers import shards_made

MakeStream = Callable[..., SequenceDataset]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("container", ["tar", "parquet"])
def test_a_shard_that_is_written_twice_at_a_time_is_whole(
    tmp_path: Path, make_stream: MakeStream, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = PictureFormat(size=8, container=container)
    plan = BuildPlan(count=4, shard_size=4, pictures=pictures, max_skipped=0.9)
    stream = make_stream(*range(10))
    alone, work_dir = tmp_path / "alone", tmp_path / "twice"
    for folder in (alone, work_dir):
        folder.mkdir()
    make_shard(stream, alone, plan, 0)
    draw, calls = stream.draw, []

    def drawing(index: int, cuts: Any) -> Any:
        calls.append(index)
        if len(calls) == 3:  # the first is in the middle of its shard
            make_shard(stream, work_dir, plan, 0)
        return draw(index, cuts=cuts)

    monkeypatch.setattr(type(stream), "draw", lambda _, index, cuts: drawing(index, cuts))
    make_shard(stream, work_dir, plan, 0)
    assert contents(work_dir) == contents(alone)
    assert "00000.skipped.jsonl" in contents(alone), "no row of it is lost or written twice"


def test_a_shard_whose_report_cannot_be_read_is_made_again(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    """After a power cut a file may be there and empty."""
    stream = make_stream()
    make_shard(stream, tmp_path, BuildPlan(count=50, shard_size=8), 0)
    assert finished(tmp_path, 0) == ShardReport(num_examples=8)
    (tmp_path / "00000.done.json").write_bytes(b"")
    assert finished(tmp_path, 0) is None
    (tmp_path / "00000.done.json").write_text('{"of another version": 1}')
    assert finished(tmp_path, 0) is None


def test_a_worker_that_is_killed_is_said_with_the_way_on() -> None:
    dying = cast(Callable[[int], ShardReport], os._exit)
    with pytest.raises(RuntimeError, match=r"a worker process was killed.*fewer --workers"):
        list(shards_made(dying, [1, 2], num_workers=2, engine="local"))

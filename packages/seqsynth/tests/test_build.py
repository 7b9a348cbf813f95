import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seqsynth import (
    RECIPES,
    SequenceDataset,
    SequenceRecipe,
    export_examples,
    load_frames,
    read_examples,
    read_frame_parquet,
    read_frame_tar,
    read_recipe,
    write_examples,
)
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, Container, PictureFormat, ShardReport
from seqsynth.mixture import MixtureRecipe, Part
from seqsynth.mixture_dataset import MixtureDataset
from seqsynth.records import AnnotatedVideo
from seqsynth.skipping import TooManySkippedError

RECIPE = SequenceRecipe(tasks={"iig": 1, "alr": 1}, min_images=4, max_images=6, num_examples=60)
PLAN = BuildPlan(count=50, shard_size=8)

MakeStream = Callable[..., SequenceDataset]


def contents(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_a_build_is_the_stream_and_its_manifest(tmp_path: Path, make_stream: MakeStream) -> None:
    stream = make_stream()
    done: list[int] = []
    report = build_examples(
        stream, tmp_path / "out", PLAN, facts={"note": "x"}, on_done=done.append
    )
    examples = list(read_examples(tmp_path / "out/examples.jsonl", media_root=stream.corpus.root))
    assert examples == [stream[index] for index in range(50)]
    assert report == ShardReport(num_examples=50)
    assert sum(done) == 50
    assert sorted(contents(tmp_path / "out")) == ["examples.jsonl", "manifest.json"]
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["format_version"] == 1
    assert manifest["fingerprint"] == stream.fingerprint
    assert manifest["corpus"] == stream.corpus.content_hash
    assert (manifest["seed"], manifest["count"], manifest["note"]) == (5, 50, "x")
    assert manifest["result"]["num_examples"] == 50


def test_paths_may_be_texts(tmp_path: Path, make_stream: MakeStream) -> None:
    stream, out = make_stream(), str(tmp_path / "out")
    for container, read in (("tar", read_frame_tar), ("parquet", read_frame_parquet)):
        pictures = PictureFormat(size=8, container=container)  # type: ignore[arg-type]
        build_examples(stream, out, BuildPlan(count=2, pictures=pictures))
        assert len(list(read(f"{out}/frames-00000-of-00001.{container}"))) == 2
    examples = list(read_examples(f"{out}/examples.jsonl", media_root=stream.corpus.root))
    assert write_examples(examples, f"{out}/again.jsonl") == 2
    assert export_examples(examples, f"{out}/exported", "qwen-vl").num_read == 2
    (tmp_path / "own.toml").write_text('base = "paper"')
    assert read_recipe(f"{tmp_path}/own.toml") == RECIPES["paper"]()


def test_any_number_of_workers_gives_the_same_bytes(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    stream = make_stream(7)
    plan = replace(PLAN, count=24, pictures=PictureFormat(size=8), max_skipped=1.0)
    build_examples(stream, tmp_path / "alone", plan)
    build_examples(stream, tmp_path / "together", plan, num_workers=3)
    assert contents(tmp_path / "alone") == contents(tmp_path / "together")
    assert "skipped.jsonl" in contents(tmp_path / "alone")


def test_parts_of_a_stream_together_are_the_whole(tmp_path: Path, make_stream: MakeStream) -> None:
    stream = make_stream()
    for number, (start, count) in enumerate(((0, 20), (20, 30))):
        build_examples(stream, tmp_path / str(number), replace(PLAN, start=start, count=count))
    build_examples(stream, tmp_path / "whole", PLAN)
    parts = [(tmp_path / str(number) / "examples.jsonl").read_bytes() for number in range(2)]
    assert b"".join(parts) == (tmp_path / "whole/examples.jsonl").read_bytes()
    with pytest.raises(ValueError, match="has 60 examples, so 50 from number 11 on are too many"):
        build_examples(stream, tmp_path / "more", replace(PLAN, start=11))


class Stopped(SequenceDataset):
    """Ends the process of the build, or fails, when it comes to an example."""

    stop_at = 10**9

    def draw(self, index, *, cuts=None):  # type: ignore[no-untyped-def]
        if index == self.stop_at:
            raise KeyboardInterrupt
        return super().draw(index, cuts=cuts)


def test_an_interrupted_build_goes_on_and_touches_nothing_old(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    plain = make_stream()
    out = tmp_path / "out"
    build_examples(plain, out, replace(PLAN, count=3))
    before = contents(out)
    stream = Stopped(plain.corpus, RECIPE, 5)
    stream.stop_at = 30
    with pytest.raises(KeyboardInterrupt):
        build_examples(stream, out, PLAN)
    (work_dir,) = out.glob(".build-*")
    finished = {path: path.stat().st_mtime_ns for path in work_dir.iterdir()}
    assert sorted(path.name for path in finished if path.suffix == ".jsonl") == [
        f"0000{number}.jsonl" for number in range(3)
    ]
    assert {name: data for name, data in before.items() if (out / name).read_bytes() != data} == {}
    drawn: list[int] = []
    stream.stop_at = 10**9
    again = Stopped.draw

    def noted(self, index, *, cuts=None):  # type: ignore[no-untyped-def]
        drawn.append(index)
        return again(self, index, cuts=cuts)

    Stopped.draw = noted  # type: ignore[method-assign]
    try:
        build_examples(stream, out, PLAN)
    finally:
        Stopped.draw = again  # type: ignore[method-assign]
    assert drawn == list(range(24, 50)), "what was whole is not made again"
    build_examples(plain, tmp_path / "straight", PLAN)
    assert contents(out) == contents(tmp_path / "straight")


def test_a_build_leaves_the_unfinished_work_of_another_one_and_says_so(
    tmp_path: Path, make_stream: MakeStream, caplog: pytest.LogCaptureFixture
) -> None:
    plain, out = make_stream(), tmp_path / "out"
    stream = Stopped(plain.corpus, RECIPE, 5)
    stream.stop_at = 30
    with pytest.raises(KeyboardInterrupt):
        build_examples(stream, out, PLAN)
    (work_dir,) = out.glob(".build-*")
    (out / ".skipped.jsonl.joined").touch()  # as where it was killed at the very end
    build_examples(plain, out, replace(PLAN, count=3))
    names = sorted(path.name for path in out.iterdir())
    assert names == [work_dir.name, "examples.jsonl", "manifest.json"]
    (said,) = caplog.messages
    assert said.startswith(f"{work_dir} holds what another build had done")
    done: list[int] = []
    build_examples(plain, out, PLAN, on_done=done.append)
    assert done[:3] == [8, 8, 8], "shards that were whole are not made again"
    assert sorted(path.name for path in out.iterdir()) == ["examples.jsonl", "manifest.json"]
    assert len(caplog.messages) == 1


STUCK_BUILD = """
import os, sys, threading
from pathlib import Path
from seqsynth import Corpus, ImageItem, SequenceDataset, SequenceRecipe
from seqsynth.build import build_examples
from seqsynth.build_plan import BuildPlan, PictureFormat

folder, out, pids = map(Path, sys.argv[1:4])

class Stuck(SequenceDataset):
    def draw(self, index, *, cuts=None):
        (pids / str(os.getpid())).touch()
        if index >= 16 and index % 4 == 2:
            threading.Event().wait()
        return super().draw(index, cuts=cuts)

if __name__ == "__main__":
    items = [
        ImageItem(id=f"i{k}", caption=f"colour {k}", path=str(folder / f"{k}.png"), label="x")
        for k in range(40)
    ]
    recipe = SequenceRecipe(tasks={"iig": 1, "alr": 1}, min_images=4, max_images=6, num_examples=60)
    corpus = Corpus(
        train_images=items, heldout_images=(), train_clips=(), heldout_clips=(), root=str(folder)
    )
    stream = Stuck(corpus, recipe, 5)
    pictures = PictureFormat(size=8, container=sys.argv[5])
    plan = BuildPlan(count=40, shard_size=4, pictures=pictures)
    build_examples(stream, out, plan, num_workers=int(sys.argv[4]))
"""


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


def wait_until(condition: Callable[[], bool], failure: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, failure
        time.sleep(0.005)


CONTAINERS_AND_WORKERS = [("tar", 1), ("parquet", 2)]


@pytest.mark.parametrize(("container", "num_workers"), CONTAINERS_AND_WORKERS)
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, make_stream: MakeStream, container: Container, num_workers: int
) -> None:
    stream = make_stream()
    out, pids, script = tmp_path / "out", tmp_path / "pids", tmp_path / "stuck_build.py"
    script.write_text(STUCK_BUILD)
    pids.mkdir()
    places = (stream.corpus.root, str(out), str(pids), str(num_workers), container)
    process = subprocess.Popen([sys.executable, str(script), *places])
    try:
        # Four shards of four are whole; the next one stops in its middle, as does each worker.
        wait_until(
            lambda: process.poll() is not None or len(list(out.glob(".build-*/*.done.json"))) == 4,
            "the build does not come on",
        )
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL, "the build ended before it was killed"
    # Anew each time: a worker may only have begun when the build was killed.
    wait_until(
        lambda: not any(is_running(int(path.name)) for path in pids.iterdir()),
        "workers outlive the build",
    )
    assert list(pids.iterdir())
    assert not (out / "examples.jsonl").exists()
    (work_dir,) = out.glob(".build-*")
    kept = list(work_dir.glob("*.done.json"))
    assert len(kept) == 4

    done: list[int] = []
    pictures = PictureFormat(size=8, container=container)
    plan = BuildPlan(count=40, shard_size=4, pictures=pictures)
    build_examples(stream, out, plan, on_done=done.append)
    assert done[: len(kept)] == [4] * len(kept), "whole shards count as done at once"
    build_examples(stream, tmp_path / "straight", plan)
    assert contents(out) == contents(tmp_path / "straight")
    # Texts and files of pictures; beside tars their indices and what else Energon wants.
    assert len(contents(out)) == 2 + 10 + (10 + 3 if container == "tar" else 0)


def test_unreadable_pictures_are_exchanged_and_written_down(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    stream = make_stream(3, 4)
    bad = {str(Path(stream.corpus.root, f"{number}.png")) for number in (3, 4)}
    plan = replace(PLAN, pictures=PictureFormat(size=8), max_skipped=0.9)
    report = build_examples(stream, tmp_path, plan)
    lines = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    mended = [line["index"] for line in lines]
    assert mended == sorted(set(mended))
    assert len(mended) > 5
    for index, example in enumerate(
        read_examples(tmp_path / "examples.jsonl", media_root=stream.corpus.root)
    ):
        assert example == (stream.mended(index, bad) if index in mended else stream[index])
        load_frames(example.frames, 4)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (report.num_replaced, report.num_exchanged) == (0, sum(report.reasons.values()))
    assert report.num_exchanged == sum(len(line["exchanged"]) for line in lines)
    assert manifest["result"]["num_exchanged"] == report.num_exchanged
    assert 0.9 * 50 > report.exchanged_examples > report.num_exchanged / 6


def test_a_build_with_too_many_unreadable_pictures_stops_and_says_why(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    plan = replace(PLAN, pictures=PictureFormat(size=8), max_skipped=0.1)
    with pytest.raises(TooManySkippedError, match=r"exchanged \(.*at most 10\.0% are allowed"):
        build_examples(make_stream(*range(8)), tmp_path, plan)
    assert not (tmp_path / "examples.jsonl").exists()


def test_a_mixture_is_built_like_a_recipe(tmp_path: Path, make_stream: MakeStream) -> None:
    corpus = make_stream().corpus
    videos = [
        AnnotatedVideo(
            id=f"v{k}",
            path=f"{corpus.root}/{k}.mp4",
            duration_seconds=9.0,
            num_frames=90,
            caption=f"video {k}",
        )
        for k in range(3)
    ]
    recipe = MixtureRecipe(
        parts={
            "made": Part(count=20, tasks={"iig": 1, "iic": 1}),
            "real": Part(count=10, sources=("shown",)),
        },
        sequences=RECIPE,
    )
    stream = MixtureDataset(replace(corpus, videos={"shown": videos}), recipe, 1)
    build_examples(stream, tmp_path, BuildPlan(count=30, shard_size=7))
    examples = list(read_examples(tmp_path / "examples.jsonl", media_root=corpus.root))
    assert examples == list(stream)
    assert (
        json.loads((tmp_path / "manifest.json").read_text())["recipe"]["parts"]["real"]["count"]
        == 10
    )


def test_videos_without_a_text_are_replaced_and_written_down(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    corpus = make_stream().corpus
    videos = [
        AnnotatedVideo(
            id=f"v{k}",
            path=f"/{k}.mp4",
            duration_seconds=9.0,
            num_frames=90,
            caption=f"video {k}" if k % 10 else "",
        )
        for k in range(40)
    ]
    recipe = MixtureRecipe(parts={"real": Part(count=40, sources=("shown",))})
    stream = MixtureDataset(replace(corpus, videos={"shown": videos}), recipe, 1)
    plan = BuildPlan(count=40, shard_size=9, max_skipped=0.2)
    report = build_examples(stream, tmp_path, plan)
    reason = "neither turns nor events nor a caption"
    assert report.num_replaced == 4
    assert report.cuts == {f"replaced: {reason}": 4}
    lines = [json.loads(line) for line in (tmp_path / "skipped.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in lines] == [reason] * 4
    examples = list(read_examples(tmp_path / "examples.jsonl"))
    assert [examples[line["index"]].id for line in lines] == [line["replaced_by"] for line in lines]
    with pytest.raises(TooManySkippedError, match=r"at most 5\.0% are allowed"):
        build_examples(stream, tmp_path / "strict", replace(plan, max_skipped=0.05))


def test_two_bad_examples_in_one_of_many_shards_do_not_stop_a_build(
    tmp_path: Path, make_stream: MakeStream
) -> None:
    videos = [
        AnnotatedVideo(
            id=f"v{k}",
            path=f"{k}.mp4",
            duration_seconds=9.0,
            num_frames=90,
            caption="" if k < 4 else f"video {k}",
        )
        for k in range(100)
    ]
    recipe = MixtureRecipe(parts={"real": Part(count=100, sources=("shown",))}, sequences=RECIPE)
    stream = MixtureDataset(replace(make_stream().corpus, videos={"shown": videos}), recipe, 0)
    plan = BuildPlan(count=100, shard_size=50, max_skipped=0.05)
    assert build_examples(stream, tmp_path, plan).num_replaced == 4
    lines = (tmp_path / "skipped.jsonl").read_text().splitlines()
    second = json.loads(lines[1])["index"]
    assert 0.05 * (second + 1) < 2, "two are more than a twentieth of what was read by then"
    with pytest.raises(TooManySkippedError, match=r"at most 3\.0% are allowed"):
        build_examples(stream, tmp_path / "strict", replace(plan, max_skipped=0.03))


def test_cuts_of_the_text_budget_are_counted(tmp_path: Path, make_stream: MakeStream) -> None:
    corpus = make_stream().corpus
    stream = SequenceDataset(corpus, replace(RECIPE, tasks={"iig": 1}, max_text_tokens=60), 5)
    report = build_examples(stream, tmp_path, PLAN)
    assert report.cuts["fewer targets"] > 5


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: BuildPlan(count=0), "count must be at least 1"),
        (lambda: BuildPlan(count=1, shard_size=0), "shard_size must be at least 1"),
        (lambda: BuildPlan(count=1, start=-1), "start must not be negative"),
        (lambda: BuildPlan(count=1, max_skipped=1.5), r"max_skipped must be in \[0, 1\], got 1\.5"),
        (lambda: PictureFormat(size=0), "size must be at least 1 pixel"),
        (lambda: PictureFormat(size=9, geometry="strech"), "did you mean stretch"),  # type: ignore[arg-type]
        (lambda: PictureFormat(size=9, quality=100), "quality must be in"),
        (lambda: PictureFormat(size=9, container="zip"), "unknown container 'zip'"),  # type: ignore[arg-type]
    ],
)
def test_plans_are_checked(make: Callable[[], object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make()

"""Frames that are decoded ahead: the same ones, in order, in bounds, and an end without a hang."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqsynth import (
    Corpus,
    FrameRef,
    ImageItem,
    MediaError,
    SequenceDataset,
    SequenceRecipe,
    SkipLog,
    load_frames,
    read_frames,
)
from seqsynth.loader import LoaderError, LoaderSettings, prefetch_examples, prefetch_frames
from seqsynth.testing import write_zoo

THREADS = LoaderSettings(size=16, num_workers=3)
PROCESSES = replace(THREADS, num_workers=2, workers="processes")


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> list[FrameRef]:
    folder = tmp_path_factory.mktemp("media")
    videos = write_zoo(folder, ["cfr.mp4", "mpeg4.mp4"])
    refs = [FrameRef(str(path), number) for path in videos.values() for number in (3, 40, 77)]
    for number in range(20):
        path = folder / f"{number}.png"
        Image.new("RGB", (20, 12), (12 * number, 255 - 12 * number, 80)).save(path)
        refs.append(FrameRef(str(path), 0))
    return refs


def made_up_plans(media: list[FrameRef], count: int) -> list[list[FrameRef]]:
    rng = np.random.default_rng(0)
    return [[media[k] for k in rng.integers(len(media), size=7)] for _ in range(count)]


@pytest.mark.parametrize("settings", [THREADS, PROCESSES], ids=["threads", "processes"])
def test_frames_come_in_order_and_are_those_of_one_after_the_other(
    media: list[FrameRef], settings: LoaderSettings
) -> None:
    plans = [*made_up_plans(media, 9), [], media]
    shown = list(prefetch_frames(plans, settings))
    assert len(shown) == len(plans)
    for plan, frames in zip(plans, shown, strict=True):
        assert (frames == load_frames(plan, 16)).all()
    assert active_children() == []


def test_plans_are_taken_no_earlier_than_there_is_room(media: list[FrameRef]) -> None:
    taken = 0

    def counted() -> Iterator[Sequence[FrameRef]]:
        nonlocal taken
        for plan in made_up_plans(media, 12):
            taken += 1
            yield plan

    one_plan = 7 * 16 * 16 * 3
    frames = prefetch_frames(counted(), replace(THREADS, max_bytes=3 * one_plan))
    assert taken == 0
    for number in range(1, 7):
        next(frames)
        # Three plans have room, and one more was looked at to see that it has none.
        assert taken <= number + 3
    frames.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("frames")]


def test_a_plan_larger_than_all_the_room_is_decoded_alone(media: list[FrameRef]) -> None:
    plans = made_up_plans(media, 3)
    assert len(list(prefetch_frames(plans, replace(THREADS, max_bytes=1)))) == 3


def test_a_file_that_cannot_be_read_waits_for_its_turn(media: list[FrameRef]) -> None:
    gone = [FrameRef("/gone.mp4", 4)]
    frames = prefetch_frames([media[:2], gone, media[:2]], THREADS)
    next(frames)
    with pytest.raises(MediaError, match=r"gone\.mp4: frame 4 cannot be read"):
        next(frames)


def test_examples_are_replaced_as_when_read_one_by_one(tmp_path: Path) -> None:
    items = []
    for number in range(12):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (9, 9), (20 * number, 0, 0)).save(path)
        items.append(
            ImageItem(id=f"i{number}", caption=f"card {number}", path=str(path), label="card")
        )
    (tmp_path / "5.png").write_bytes(b"damaged")
    corpus = Corpus(
        train_images=items, heldout_images=(), train_clips=(), heldout_clips=(), root=str(tmp_path)
    )
    recipe = SequenceRecipe(tasks={"iig": 1}, min_images=3, max_images=3, num_examples=100)
    stream = SequenceDataset(corpus, recipe, seed=0)
    log, expected_log = SkipLog(None, max_share=1.0), SkipLog(None, max_share=1.0)
    shown = list(prefetch_examples(stream, range(30), THREADS, log=log))
    for index, (example, frames) in enumerate(shown):
        expected, pixels = read_frames(
            stream, index, lambda refs: load_frames(refs, 16), log=expected_log
        )
        assert example == expected
        assert (frames == pixels).all()
    assert log.summary() == expected_log.summary()
    assert log.num_exchanged > 0


def test_a_killed_worker_is_an_error_and_no_hang(media: list[FrameRef]) -> None:
    settings = replace(PROCESSES, num_workers=1, max_bytes=10_000)
    frames = prefetch_frames(made_up_plans(media, 50), settings)
    next(frames)
    (worker,) = active_children()
    os.kill(worker.pid or 0, signal.SIGKILL)
    with pytest.raises(LoaderError, match="a worker process was killed, perhaps because memory"):
        list(frames)
    assert active_children() == []


def running_in_group(group: int) -> bool:
    """Whether a process of a group runs; one that nobody has waited for yet does not."""
    processes = Path("/proc")
    if not (processes / "self/stat").exists():
        with suppress(ProcessLookupError):
            os.killpg(group, 0)
            return True
        return False
    for path in processes.glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            state, _, its_group = path.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in ("Z", "X"):
                return True
    return False


@contextmanager
def endless_loader(video: str, folder: Path, workers: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has given its first frames; nothing of its group is left afterwards."""
    script = folder / "endless.py"
    script.write_text(
        "import sys\n"
        "from seqsynth import FrameRef\n"
        "from seqsynth.loader import LoaderSettings, prefetch_frames\n"
        "def plans():\n"
        "    while True:\n"
        "        yield [FrameRef(sys.argv[1], k) for k in range(0, 90, 30)]\n"
        "if __name__ == '__main__':\n"
        f"    settings = LoaderSettings(size=16, num_workers=2, workers={workers!r})\n"
        "    for frames in prefetch_frames(plans(), settings):\n"
        "        print(len(frames), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), video],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "3\n"
        yield process
        end = time.monotonic() + 120
        while running_in_group(process.pid):  # Python's own helper ends a moment later
            assert time.monotonic() < end, "a process of the loader is still there"
            time.sleep(0.02)
    finally:
        with suppress(ProcessLookupError):  # they would go on for ever
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_ctrl_c_ends_all_of_it(media: list[FrameRef], tmp_path: Path, workers: str) -> None:
    with endless_loader(media[0].path, tmp_path, workers) as process:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: every process gets it
        _, complaints = process.communicate(timeout=120)
        assert process.returncode not in (0, None)
        assert "KeyboardInterrupt" in complaints or "LoaderError" in complaints


def test_workers_end_with_a_parent_that_is_killed(media: list[FrameRef], tmp_path: Path) -> None:
    with endless_loader(media[0].path, tmp_path, "processes") as process:
        process.kill()
        process.communicate(timeout=120)  # pipes close when the last process that has them ends


def test_an_error_of_the_plans_ends_the_workers(media: list[FrameRef]) -> None:
    def plans() -> Iterator[Sequence[FrameRef]]:
        yield from made_up_plans(media, 3)
        raise KeyError("made up")

    with pytest.raises(KeyError, match="made up"):
        list(prefetch_frames(plans(), replace(THREADS, max_bytes=10_000)))
    assert not [t for t in threading.enumerate() if t.name.startswith("frames")]


@pytest.mark.gpu
def test_frames_lie_in_pinned_memory(media: list[FrameRef]) -> None:
    torch = pytest.importorskip("torch")
    plans = made_up_plans(media, 4)
    for plan, frames in zip(
        plans, prefetch_frames(plans, replace(THREADS, pinned=True)), strict=True
    ):
        assert torch.from_numpy(frames).is_pinned()
        assert (frames == load_frames(plan, 16)).all()


def test_pinned_memory_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seqsynth.loader._can_pin", lambda: False)
    with pytest.raises(ValueError, match="pinned memory needs torch and a CUDA device; leave"):
        LoaderSettings(size=4, pinned=True)


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        LoaderSettings(size=0)
    with pytest.raises(ValueError, match="num_workers must be at least 1, got 0"):
        LoaderSettings(size=4, num_workers=0)
    with pytest.raises(ValueError, match="unknown kind of workers 'thread'; did you mean threads"):
        LoaderSettings(size=4, workers="thread")
    with pytest.raises(ValueError, match="unknown backend 'decord'"):
        LoaderSettings(size=4, backend="decord")

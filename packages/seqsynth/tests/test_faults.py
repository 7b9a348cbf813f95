"""When a disk, a registry or a process fails: a clear word, and nothing half-written."""

import contextlib
import ctypes
import errno
import gc
import os
import random
import resource
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest
from PIL import Image

from seqsynth import FrameRef, MediaError, frame_times, load_frames, registry_clients
from seqsynth.benchmark_packages import FETCH_SETS
from seqsynth.cache import exclusive
from seqsynth.caption import backends
from seqsynth.caption.backends import Answer, BackendKind, BackendOptions, Question
from seqsynth.caption.records import SCHEMA
from seqsynth.caption.settings import CaptionSettings
from seqsynth.caption.shards import read_shard
from seqsynth.cli import main
from seqsynth.fetch import FetchError, default_dir, fetch_default
from seqsynth.frame_parquet import read_frame_parquet
from seqsynth.frame_tar import read_frame_tar
from seqsynth.frames.pyav_videos import video_fault
from seqsynth.manifest import Manifest
from seqsynth.one_writer import one_writer
from seqsynth.testing import write_zoo

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")

RECIPE = 'base = "paper"\nmin_images = 2\nmax_images = 3\n[tasks]\niig = 1\n'
COMMANDS = ("index", "build", "build tar", "build parquet", "cache", "caption", "export")
DATA_OVERRIDE, DATA_SEARCH = 1 << 1, 1 << 2  # what lets root write anywhere


class Teller:
    """A backend that answers without a model."""

    revision = "r1"

    def __init__(self, settings: CaptionSettings, options: BackendOptions) -> None:
        pass

    def answer(self, questions: list[Question]) -> list[Answer]:
        return [Answer(f"Something moves. {question.text}", "stop") for question in questions]

    def close(self) -> None:
        pass


@pytest.fixture
def words(
    media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, Path], list[str]]:
    """The arguments of a command that writes into a folder."""
    monkeypatch.setitem(backends.BACKENDS, "teller", BackendKind(Teller, "none", 2, True))
    for number in range(8):
        (media / f"{number}.txt").write_text(f"colour {number}")
    clips = media / "act"
    clips.mkdir()
    for path in media.glob("*.webp"):
        path.rename(clips / path.name)
    write_zoo(clips, ["cfr.mp4"])
    stills, moving = tmp_path / "stills.arrow", tmp_path / "moving.arrow"
    assert main(["index", "image_folder", str(media), "--out", str(stills)]) == 0
    assert main(["index", "clip_folder", str(media), "--out", str(moving)]) == 0
    recipe, built = tmp_path / "recipe.toml", tmp_path / "built"
    recipe.write_text(RECIPE)
    build = ["build", str(recipe), "--manifest", str(stills), "--count", "9", "--shard-size", "2"]
    assert main([*build, "--out", str(built)]) == 0

    def of(name: str, out: Path) -> list[str]:
        command, _, container = name.partition(" ")
        if command == "index":
            return ["index", "image_folder", str(media), "--out", str(out / "m.arrow")]
        if command == "build":
            frames = ["--frames", "32", "--container", container] if container else []
            return [*build, *frames, "--out", str(out)]
        if command == "cache":
            return ["cache", str(moving), "--out", str(out), "--fps", "2"]
        if command == "caption":
            caption = ["caption", str(moving), "--model", "m", "--backend", "teller"]
            return [*caption, "--num-frames", "2", "--shard-size", "2", "--out", str(out)]
        return ["export", "ms-swift", str(built / "examples.jsonl"), "--out", str(out)]

    return of


def in_child(words: list[str], before: Callable[[], None] = lambda: None) -> tuple[int, str]:
    """Exit status of a command in a forked process, negative for a signal, and what it said."""
    heard, spoken = os.pipe()  # a file would be cut off where the disk is small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads, where there are some
        child = os.fork()
    if not child:
        status = 99
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(240)  # a child that hangs ends before the test's own limit
        # Hypothesis times the collector, pytest formats what is passed over: no command has that.
        gc.callbacks.clear()
        sys.unraisablehook = sys.__unraisablehook__
        try:
            sys.stdout = sys.stderr = os.fdopen(spoken, "w", encoding="utf-8")
            before()
            status = main(words)
        finally:
            sys.setprofile(None)
            sys.stderr.flush()
            os._exit(status)
    os.close(spoken)
    with os.fdopen(heard, encoding="utf-8") as listener:
        said = listener.read()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too; of captions not when they were written."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in paths
        if path.name != "caption.json"
    }


def small_disk() -> None:
    """No file can grow beyond a few bytes; the system says EFBIG where a full disk says ENOSPC."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))


def no_privileges() -> None:
    """Takes from root what lets it write into folders that nobody may write into."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    sets = (ctypes.c_uint32 * 6)()
    library = ctypes.CDLL(None, use_errno=True)
    assert library.capget(header, sets) == 0
    sets[0] &= ~(DATA_OVERRIDE | DATA_SEARCH)
    assert library.capset(header, sets) == 0


@contextlib.contextmanager
def no_more_files() -> Iterator[None]:
    """Nothing can be opened, as in a process that has too many files open."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.parametrize(
    "read",
    [
        Manifest.open,
        lambda path: read_shard(path, SCHEMA),
        lambda path: next(read_frame_tar(path)),
        lambda path: next(read_frame_parquet(path)),
    ],
)
def test_too_many_open_files_are_no_damage(read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("not what it should be")
    with pytest.raises(ValueError, match=r"damaged|no .* file of examples"):
        read(path)
    with no_more_files(), pytest.raises(OSError, match="Too many open files") as failure:
        read(path)
    assert failure.value.errno == errno.EMFILE
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "cfr.mp4"])
def test_too_many_open_files_are_no_damage_of_pictures_and_videos(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if path.suffix == ".mp4":
        write_zoo(tmp_path, [name])
    else:
        Image.new("RGB", (20, 20)).save(path)
    reads: list[Callable[[], object]] = [lambda: load_frames([FrameRef(str(path), 0)], 8)]
    if path.suffix == ".mp4":
        reads.append(lambda: frame_times(path))
    for read in reads:
        read()  # imports what it needs
        with no_more_files(), pytest.raises(OSError, match="Too many open files") as failure:
            read()
        assert failure.value.errno == errno.EMFILE


def test_a_video_that_asks_for_too_much_memory_is_damaged() -> None:
    fault = video_fault("a.mp4", 3, av.error.MemoryError(errno.ENOMEM, "Cannot allocate memory"))
    assert str(fault).startswith("a.mp4: frame 3 cannot be read: the file is damaged")
    assert isinstance(fault, MediaError)
    short = MemoryError()
    assert video_fault("a.mp4", 3, short) is short


def test_a_cache_whose_disk_has_no_locks_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    reason = r"No locks available: name a folder .* \$SEQ2TIME_CACHE: '.*fetch\.lock'"
    with pytest.raises(OSError, match=reason), exclusive(tmp_path / "fetch.lock", lambda: None):
        pass


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(name: str, words: Callable[[str, Path], list[str]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, said = in_child(words(name, out), small_disk)
    assert status == 1, said
    assert said.splitlines()[-1].startswith(f"seqsynth: {out}")
    assert "File too large; make room, then run the same command again to go on" in said
    left = {path.partition("/")[0] for path in contents(out)}
    whole = {"settings.txt", "frames"}  # pictures are small: each is there as it is to be
    assert not {name for name in left if not name.startswith(".build-")} - whole
    assert not list(out.rglob("*.partial"))
    assert main(words(name, out)) == 0
    assert main(words(name, tmp_path / "straight")) == 0
    assert contents(out).keys() == contents(tmp_path / "straight").keys()


@pytest.mark.skipif(sys.platform != "linux", reason="takes capabilities away as Linux has them")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written(
    name: str, words: Callable[[str, Path], list[str]], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(mode=0o555)
    status, said = in_child(words(name, out), no_privileges)
    assert status == 2
    (line,) = [line for line in said.splitlines() if "Permission denied" in line]
    assert line.startswith(f"seqsynth: {out}")
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("option", ["--json", "--html", "--absent"])
def test_a_report_of_coverage_on_a_full_disk(media: Path, tmp_path: Path, option: str) -> None:
    report = tmp_path / "out" / "report"
    report.parent.mkdir()
    report.write_text("old")
    command = ["coverage", "image_folder", str(media), option, str(report)]
    status, said = in_child(command, small_disk)
    assert (status, "make room" in said) == (1, True)
    assert contents(report.parent) == {"report": b"old"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_writer(
    name: str,
    words: Callable[[str, Path], list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    lock = ".m.arrow.lock" if name == "index" else ".lock"
    with one_writer(out / lock, "at it"):
        capsys.readouterr()
        assert main(words(name, out)) == 2
        assert f"(process {os.getpid()} on" in capsys.readouterr().err
        assert list(contents(out)) == [lock]
    assert main(words(name, out)) == 0


def ends_at(number: int, how: signal.Signals) -> Callable[[], None]:
    """Sends the process a signal at its n-th call of a Python function."""

    def begin() -> None:
        left = [number]

        def count(frame: Any, event: str, arg: Any) -> None:
            if event == "call":
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), how)

        def at_the_latest(status: int) -> None:
            os.kill(os.getpid(), signal.SIGKILL)

        if how == signal.SIGKILL:  # threads that wait make a few calls more or fewer each time
            os._exit = at_the_latest  # type: ignore[assignment]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.setprofile(count)

    return begin


def calls_of(words: list[str], tmp_path: Path) -> int:
    """How many calls of Python functions a command makes."""
    numbers = tmp_path / "calls"

    def counted() -> None:
        total = [0]

        def count(frame: Any, event: str, arg: Any) -> None:
            total[0] += event == "call"

        end = os._exit

        def written(status: int) -> None:
            numbers.write_text(str(total[0]))
            end(status)

        os._exit = written  # type: ignore[assignment]
        sys.setprofile(count)

    assert in_child(words, counted)[0] == 0
    return int(numbers.read_text())


def killed_anywhere(
    name: str, words: Callable[[str, Path], list[str]], tmp_path: Path, num_moments: int
) -> None:
    """Ends a command at random moments; the same command then comes to what it always does."""
    out = tmp_path / "out"
    num_calls = calls_of(words(name, out), tmp_path)
    straight = contents(out)
    rng = random.Random(name)
    for how in (signal.SIGKILL, signal.SIGINT):
        for _ in range(num_moments):
            moment = 1 + int(rng.random() * (num_calls - 1))  # as far on everywhere
            shutil.rmtree(out, ignore_errors=True)
            status, said = in_child(words(name, out), ends_at(moment, how))
            if how == signal.SIGKILL:
                assert status == -signal.SIGKILL
            else:
                assert status in (130, 99, 0), said  # before `main` and after, nobody catches it
            status, said = in_child(words(name, out))
            assert status == 0, f"{how.name} at call {moment} of {num_calls}: {said}"
            assert contents(out) == straight, f"{how.name} at call {moment} of {num_calls}"


@pytest.mark.parametrize("name", ["index", "build tar", "cache", "caption"])
def test_ended_at_some_moments(
    name: str, words: Callable[[str, Path], list[str]], tmp_path: Path
) -> None:
    killed_anywhere(name, words, tmp_path, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "export"])
def test_ended_at_many_moments(
    name: str, words: Callable[[str, Path], list[str]], tmp_path: Path
) -> None:
    killed_anywhere(name, words, tmp_path, 20)


WAYS = {
    "refuses": "no route to the index",
    "hangs": "has brought nothing for 0.5 s",
    "another file": "is not the pinned",
    "cut": "is not the pinned",
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FETCH_SETS)
def test_a_registry_that_fails(
    name: str, way: str, registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = [
        registry.publish(
            replace(package, wanted=lambda path: True, inner=""), {package.part: b"x" * 99}
        )
        for package in FETCH_SETS[name]
    ]
    bad = next(package for package in packages if package.is_needed)
    archive = registry.folder / bad.filename
    good = archive.read_bytes()
    mark = archive.with_name(f"{archive.name}.{'slow' if way == 'hangs' else 'fail'}")
    if way in ("refuses", "hangs"):
        mark.write_text("ERROR: no route to the index")
        monkeypatch.setattr(registry_clients, "STALL_SECONDS", 0.5 if way == "hangs" else 300)
    else:
        archive.write_bytes(good[:-9] if way == "cut" else b"another")
    cache = tmp_path / "cache"
    with pytest.raises(FetchError) as failure:
        fetch_default(cache, packages=packages, clients=registry.clients)
    said = str(failure.value)
    assert said.startswith(f"cannot fetch {bad.requirement}: ")
    assert WAYS[way] in said
    assert "run the same command again" in said
    assert f"lay {bad.filename} into {cache / 'downloads'}" in said
    assert not (default_dir(cache) / bad.part).exists()
    assert list((cache / "downloads").iterdir()) == []
    mark.unlink(missing_ok=True)
    archive.write_bytes(good)
    monkeypatch.setattr(registry_clients, "STALL_SECONDS", 300)
    report = fetch_default(cache, packages=packages, clients=registry.clients)
    assert bad.part in report.fetched
    assert report.missing == ()


def test_a_part_that_does_not_fit_on_the_disk(registry: Any, tmp_path: Path) -> None:
    (film,) = FETCH_SETS["film"]
    film = registry.publish(replace(film, wanted=lambda path: True, inner=""), {"a": b"x" * 4000})
    cache = tmp_path / "cache"
    (cache / "downloads").mkdir(parents=True)
    shutil.copy(registry.folder / film.filename, cache / "downloads")

    def fetch_small() -> None:
        small_disk()
        try:
            fetch_default(cache, packages=[film], clients=registry.clients)
        except OSError as error:
            sys.stderr.write(f"{error.strerror}\n")
        sys.stderr.flush()
        os._exit(7)

    status, said = in_child([], fetch_small)
    assert (status, said) == (7, "File too large\n")
    assert list(default_dir(cache).iterdir()) == []
    assert fetch_default(cache, packages=[film], clients=registry.clients).fetched == ("film",)

"""A frame cache: videos written anew as JPEG frames at a few a second, beside a manifest of them.

Decoding a frame of such a video costs a tenth of decoding H.264, because no frame needs another. It
takes several times the room, so the size is estimated first. The cache is a corpus of its own:
frame k is the k-th frame that was kept, and plans made of its manifest show exactly what is in it.
"""

from __future__ import annotations

import io
import math
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seqsynth.example_files import replacing, writing_alone
from seqsynth.frames import MediaError, frame_times
from seqsynth.frames.geometry import upright_picture
from seqsynth.frames.pyav_videos import decode_frames
from seqsynth.frames.video_index import is_video
from seqsynth.manifest import Manifest, path_below_root
from seqsynth.manifest_rows import rows_of
from seqsynth.manifest_schema import ManifestRow
from seqsynth.manifest_writer import writing_manifest

MANIFEST_NAME = "cache.arrow"
SETTINGS_NAME = "settings.txt"
LOCK_NAME = ".lock"

_FORMAT = "seqsynth cache, format 1"  # raise it where older files would show other frames
_TICKS_PER_SECOND = 90_000
_SAMPLED_VIDEOS = 8
_SAMPLED_FRAMES = 3
_STAMP_NAME = "comment"  # among the few that QuickTime files have
_UNFINISHED = ".mov.partial"  # ends the name of a video while it is written
_NUM_LOCKS = 1024  # far more than workers: two videos seldom share one


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheSettings:
    """What is kept of each video.

    Attributes:
        fps: frames a second; of a slower video, all.
        short_edge: pixels; larger pictures are made smaller, in their aspect ratio.
        quality: of the JPEGs, 1 to 95.
    """

    fps: float = 8.0
    short_edge: int = 256
    quality: int = 90

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"fps must be positive, got {self.fps}")
        if self.short_edge < 1:
            raise ValueError(f"short_edge must be at least 1 pixel, got {self.short_edge}")
        if not 1 <= self.quality <= 95:
            raise ValueError(f"quality must be in [1, 95], got {self.quality}")


@dataclass(frozen=True, slots=True)
class CacheEstimate:
    """What a cache will take.

    Attributes:
        num_videos, num_frames: in it.
        num_bytes: of all files, from frames of some videos.
        written_bytes: of those that an earlier start has written; they need no room again.
        free_bytes: where it is written.
    """

    num_videos: int
    num_frames: int
    num_bytes: int
    written_bytes: int
    free_bytes: int


def estimate_cache(
    manifest: Manifest, out_dir: str | Path, settings: CacheSettings
) -> CacheEstimate:
    """How large a cache of the manifest's videos will be.

    Raises:
        ValueError: the manifest has no videos, leads out of its root, or none of the videos looked
            at can be read.
    """
    rows = [row for row in rows_of(manifest) if _is_cached(row)]
    if not rows:
        raise ValueError(f"{manifest.path} lists no clips or videos, so there is nothing to cache")
    num_frames = sum(_expected_frames(row, settings) for row in rows)
    sizes: list[int] = []
    for row in rows[:: max(1, len(rows) // _SAMPLED_VIDEOS)][:_SAMPLED_VIDEOS]:
        path = str(manifest.root / row.path)
        try:
            numbers = _kept_frames(frame_times(path), settings.fps)
            some = sorted({numbers[len(numbers) * k // _SAMPLED_FRAMES] for k in range(3)})
            sizes += map(len, _jpegs(path, some, settings))
        except MediaError:
            continue
    if not sizes:
        raise ValueError(f"none of the videos looked at below {manifest.root} can be read")
    wanted = Path(out_dir).absolute()
    existing = next(folder for folder in (wanted, *wanted.parents) if folder.exists())
    num_bytes = round(num_frames * sum(sizes) / len(sizes))
    targets = {wanted / _cached_path(manifest, row) for row in rows}
    written_bytes = sum(target.stat().st_size for target in targets if target.is_file())
    free_bytes = shutil.disk_usage(existing).free
    return CacheEstimate(len(rows), num_frames, num_bytes, written_bytes, free_bytes)


def write_cache(
    manifest: Manifest,
    out_dir: str | Path,
    settings: CacheSettings,
    *,
    num_workers: int = 1,
    command: str,
    on_done: Callable[[int], None] | None = None,
) -> tuple[int, list[str]]:
    """Writes `out_dir/cache.arrow` and the videos that it lists.

    Videos that are there already, from a start that was interrupted, are left alone, as long as
    the files that they were made of have kept their size and time of change.

    Args:
        manifest: its clips and videos are cached; its pictures and animations are not.
        out_dir: is created when absent.
        settings: what is kept; a folder holds a cache of one kind.
        num_workers: videos at a time.
        command: what is being run, for whoever finds the manifest.
        on_done: is told how many more videos are done.

    Returns:
        How many videos are in the cache, and for each that cannot be read, the reason.

    Raises:
        HeldError: another process writes there.
        ValueError: the folder holds another cache.
    """
    out_dir = Path(out_dir)
    lock_path = out_dir / LOCK_NAME
    lock = writing_alone(lock_path, f"caching into {out_dir}", out_dir / MANIFEST_NAME)
    with lock as is_alone:
        _check_settings(out_dir, manifest.root, settings)
        for left in out_dir.rglob(f"*{_UNFINISHED}") if is_alone else ():
            left.unlink()  # of a process that was killed
        return _write_videos(manifest, out_dir, settings, num_workers, command, on_done)


def _write_videos(
    manifest: Manifest,
    out_dir: Path,
    settings: CacheSettings,
    num_workers: int,
    command: str,
    on_done: Callable[[int], None] | None,
) -> tuple[int, list[str]]:
    rows = (row for row in rows_of(manifest) if _is_cached(row))
    failures: list[str] = []
    num_videos = 0
    # Several rows may be about one video: the first writes it, the others wait for that.
    locks = [threading.Lock() for _ in range(_NUM_LOCKS)]

    def cached(row: ManifestRow) -> ManifestRow | MediaError:
        try:
            with locks[hash(row.path) % _NUM_LOCKS]:
                return _cache_video(manifest, out_dir, row, settings)
        except MediaError as error:
            return error

    with (
        writing_manifest(out_dir / MANIFEST_NAME, root=out_dir, command=command) as writer,
        ThreadPoolExecutor(num_workers) as pool,
    ):
        for result in _in_order(pool, cached, rows, ahead=4 * num_workers):
            if isinstance(result, MediaError):
                failures.append(str(result))
            else:
                writer.add(result)
                num_videos += 1
            if on_done is not None:
                on_done(1)
    return num_videos, failures


def _in_order(
    pool: ThreadPoolExecutor,
    make: Callable[[ManifestRow], ManifestRow | MediaError],
    rows: Iterator[ManifestRow],
    ahead: int,
) -> Iterator[ManifestRow | MediaError]:
    waiting = []
    try:
        for row in rows:
            waiting.append(pool.submit(make, row))
            if len(waiting) > ahead:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _check_settings(out_dir: Path, root: Path, settings: CacheSettings) -> None:
    """A folder holds frames of one kind and of one corpus: others would be taken for them."""
    note = out_dir / SETTINGS_NAME
    kind = f"{settings.fps:g} frames/s, {settings.short_edge} px, quality {settings.quality}"
    wanted = f"{kind}, of videos in {root.resolve()}"
    if not note.exists():
        with replacing(note) as handle:
            handle.write(f"{_FORMAT}\n{wanted}\n")
        return
    written_as, _, known = note.read_text("utf-8").partition("\n")
    if written_as != _FORMAT:
        raise ValueError(
            f"{note} begins with {written_as[:80]!r}, not with {_FORMAT!r}: another version of "
            "seqsynth wrote it; choose another folder, or delete this one and cache again"
        )
    if known.strip() != wanted:
        raise ValueError(
            f"{out_dir} holds a cache of {known.strip()}, not of {wanted}; choose another "
            f"folder, or correct {note.name} if the videos have only been moved"
        )


def _is_cached(row: ManifestRow) -> bool:
    return row.kind != "image" and row.shard_offset is None and is_video(row.path)


def _cached_path(manifest: Manifest, row: ManifestRow) -> PurePosixPath:
    """Where a row's video lies in the cache."""
    below_root = path_below_root(manifest.path, row.id, row.path)
    return below_root.with_name(f"{below_root.name}.mov")


def _expected_frames(row: ManifestRow, settings: CacheSettings) -> int:
    by_time = max(1, math.ceil((row.duration_seconds or 0.0) * settings.fps))
    return min(by_time, row.num_frames) if row.num_frames else by_time


def _kept_frames(times: NDArray[np.float64], fps: float) -> list[int]:
    """The frames on screen at 0, 1 / fps, 2 / fps, ...; none twice."""
    instants = np.arange(int(times[-1] * fps + 1e-6) + 1) / fps
    numbers = np.searchsorted(times, instants + 1e-6, side="right") - 1
    return [int(number) for number in np.unique(numbers)]


def _cache_video(
    manifest: Manifest, out_dir: Path, row: ManifestRow, settings: CacheSettings
) -> ManifestRow:
    relative = _cached_path(manifest, row)
    source, target = str(manifest.root / row.path), out_dir / relative
    stamp = _stamp(source)  # first: a file that is replaced from here on is another one next time
    times = frame_times(source)
    numbers = _kept_frames(times, settings.fps)
    ticks = [round(float(times[number]) * _TICKS_PER_SECOND) for number in numbers]
    if _noted_stamp(target) != stamp:
        _write_video(target, ticks, _jpegs(source, numbers, settings), stamp)
    seconds = row.duration_seconds or float(times[-1])
    end = max(round(seconds * _TICKS_PER_SECOND), ticks[-1] + 1)
    return replace(
        row, path=relative.as_posix(), num_frames=len(numbers), codec="mjpeg", pts_index=ticks,
        pts_end=end,
    )  # fmt: skip


def _stamp(source: str) -> str:
    """Tells a file from another one that takes its place."""
    try:
        found = Path(source).stat()
    except OSError:
        return ""  # whoever reads it says why it cannot be read
    return f"of {found.st_size} bytes, changed at {found.st_mtime_ns} ns"


def _noted_stamp(target: Path) -> str | None:
    """The stamp of what a cached video was made of; None where there is no whole one."""
    import av

    if not target.exists():
        return None
    try:
        with av.open(str(target.absolute())) as container:
            return container.metadata.get(_STAMP_NAME)
    except (av.FFmpegError, OSError, ValueError):
        return None


def _jpegs(path: str, numbers: Sequence[int], settings: CacheSettings) -> list[bytes]:
    from av.video.reformatter import VideoReformatter

    reformatter = VideoReformatter()
    return decode_frames(
        path, numbers, lambda frame: _encoded(upright_picture(frame, reformatter), settings)
    )


def _encoded(picture: Image.Image, settings: CacheSettings) -> bytes:
    scale = settings.short_edge / min(picture.size)
    if scale < 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=settings.quality)
    return content.getvalue()


def _write_video(target: Path, ticks: Sequence[int], jpegs: Sequence[bytes], stamp: str) -> None:
    """A QuickTime file of JPEG frames, under its name when it is whole."""
    import av

    with Image.open(io.BytesIO(jpegs[0])) as first:
        size = first.size
    target.parent.mkdir(parents=True, exist_ok=True)
    # Without the name of the video, which may be as long as a name can be.
    unfinished = target.with_name(f".{uuid.uuid4().hex}{_UNFINISHED}")
    step = Fraction(1, _TICKS_PER_SECOND)
    try:
        with av.open(str(unfinished.absolute()), "w", format="mov") as container:
            container.metadata[_STAMP_NAME] = stamp
            stream: Any = container.add_stream("mjpeg", rate=_TICKS_PER_SECOND)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p"
            stream.time_base = step
            for tick, jpeg in zip(ticks, jpegs, strict=True):
                packet = av.Packet(jpeg)
                packet.stream = stream
                packet.pts = packet.dts = tick
                packet.time_base = step
                packet.is_keyframe = True
                container.mux(packet)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)  # where the disk is full

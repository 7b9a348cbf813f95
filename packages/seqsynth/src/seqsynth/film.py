"""A film in natural order: its annotated events, windows of it, and the benchmark of its end.

What is asked about a window are the events of which at least half lies within it, cut to it. The
first part of the film is for training, the second for testing; film and characters are the same.
"""

import hashlib
import math
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path

import timetokens as tt
from seqsynth.benchmark import DENSE_CAPTIONS, GROUNDING, write_benchmark
from seqsynth.benchmark_packages import FILM
from seqsynth.dataset import example_rng
from seqsynth.fetch import default_dir, fetched_files
from seqsynth.records import AnnotatedVideo, Example
from seqsynth.tasks import TaskSettings
from seqsynth.video_tasks import VideoSettings, video_example

FILM_TRAIN_SECONDS = (0.0, 300.0)
FILM_TEST_SECONDS = (300.0, 500.0)
"""Credits fill the rest of the film."""

FILM_NAME = "film"
FILM_ATTRIBUTION = (
    "Big Buck Bunny, (c) copyright 2008, Blender Foundation / www.bigbuckbunny.org, CC-BY 3.0"
)

_MIN_SHARE = 0.5
_NAMES = {"tvg": GROUNDING, "dvc": DENSE_CAPTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmSpec:
    """Which windows of a film are asked about, and how.

    Attributes:
        part: start and end in seconds of what windows may show.
        window_seconds: lengths; of each as many windows as cover the part, at even distances.
        num_frames: shown of each window, at even distances.
        num_turns: events of a window that are asked for, some at random; 0: all.
        codec, templates: see `TaskSettings`.
        seed: decides wording and order of the questions.
    """

    part: tuple[float, float] = FILM_TEST_SECONDS
    window_seconds: tuple[float, ...] = (60.0, 80.0, 100.0)
    num_frames: int = 96
    num_turns: int = 0
    codec: str = "rpt"
    templates: str = "paper"
    seed: int = 0

    def __post_init__(self) -> None:
        start, end = self.part
        if not 0 <= start < end:
            raise ValueError(f"part must be a start before an end, got {self.part}")
        if not self.window_seconds:
            raise ValueError("window_seconds must name at least one length")
        if self.num_turns < 0:
            raise ValueError(f"num_turns must not be negative, got {self.num_turns}")
        for seconds in self.window_seconds:
            if not 0 < seconds <= end - start:
                raise ValueError(
                    f"a window of {seconds} seconds does not fit the part {start} - {end}"
                )


def film_video(cache_dir: str | Path | None = None) -> AnnotatedVideo:
    """The fetched film with all its events; who shows it to others shows `FILM_ATTRIBUTION`.

    Raises:
        FileNotFoundError: not fetched yet, or damaged (says what to run).
    """
    (path,) = fetched_files(FILM, "film", cache_dir)
    text = resources.files("seqsynth").joinpath("film_events.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return AnnotatedVideo(
        id=f"{FILM.part}:{path.stem}",
        path=str(path),
        duration_seconds=table["num_frames"] / table["frames_per_second"],
        num_frames=table["num_frames"],
        events=tuple(tt.Event(float(s), float(e), caption) for s, e, caption in table["events"]),
    )


def film_windows(video: AnnotatedVideo, spec: FilmSpec) -> list[tuple[AnnotatedVideo, int]]:
    """Windows as videos of their own, each with the number of its first frame in the film.

    Args:
        video: frames must follow each other at even times.
        spec: part and lengths.

    Raises:
        ValueError: the part ends after the film.
    """
    start, end = spec.part
    if not video.num_frames or end > video.duration_seconds:
        raise ValueError(
            f"{video.id} has {video.duration_seconds} seconds and {video.num_frames} frames, "
            f"too few for the part {start} - {end}"
        )
    rate = video.num_frames / video.duration_seconds
    windows = []
    for seconds in spec.window_seconds:
        count = math.ceil((end - start) / seconds)
        num_frames = round(seconds * rate)
        for number in range(count):
            late = (end - start - seconds) * number / max(count - 1, 1)
            first = round((start + late) * rate)
            windows.append((_window(video, first, num_frames, rate), first))
    return windows


def film_examples(video: AnnotatedVideo, spec: FilmSpec) -> tuple[Example, ...]:
    """Every window twice: its events asked for one by one, and captioned together.

    With `spec.part = FILM_TRAIN_SECONDS` these are examples to train on.
    """
    return tuple(_examples(video, spec))


def build_film_benchmark(
    video: AnnotatedVideo,
    out_dir: str | Path,
    spec: FilmSpec,
    *,
    media_root: str | Path | None = None,
) -> dict[str, int]:
    """Writes the benchmark `film_grounding` and `film_dense_captions`; returns their queries.

    The same arguments give the same bytes. Files and fields are those of
    `build_default_benchmark`; a window is what there is a sequence, an event what is a clip.

    Args:
        video: what `film_video` gives.
        out_dir: created when absent.
        spec: windows and wording.
        media_root: paths below it are written relative to it; default the cache's folder.

    Raises:
        ValueError: windows do not fit the film, or one holds fewer than two events.
    """
    examples = film_examples(video, spec)
    num_events = [len(example.targets[0]) for example in examples if example.task == "dvc"]
    known = repr((video.id, video.num_frames, video.duration_seconds, video.events))
    return write_benchmark(
        examples,
        out_dir,
        media_root=default_dir() if media_root is None else media_root,
        source_hash=hashlib.sha256(known.encode()).hexdigest(),
        spec=asdict(spec) | {"min_clips": min(num_events), "max_clips": max(num_events)},
    )


def _window(
    video: AnnotatedVideo, first_frame: int, num_frames: int, rate: float
) -> AnnotatedVideo:
    start, end = first_frame / rate, (first_frame + num_frames) / rate
    events = []
    for event in video.events:
        shown_start, shown_end = max(event.start_seconds, start), min(event.end_seconds, end)
        if shown_end - shown_start >= _MIN_SHARE * (event.end_seconds - event.start_seconds):
            events.append(tt.Event(shown_start - start, shown_end - start, event.caption))
    return replace(
        video, num_frames=num_frames, duration_seconds=num_frames / rate, events=tuple(events)
    )


def _examples(video: AnnotatedVideo, spec: FilmSpec) -> Iterator[Example]:
    for number, (window, first_frame) in enumerate(film_windows(video, spec)):
        num_events = len(window.events)
        if num_events < 2:
            raise ValueError(
                f"the window from frame {first_frame} on holds {num_events} events; two are needed"
            )
        num_turns = min(spec.num_turns or num_events, num_events)
        settings = TaskSettings(codec=spec.codec, templates=spec.templates, num_turns=num_turns)
        rng = example_rng(spec.seed, number)
        for task, name in _NAMES.items():
            example = video_example(
                window,
                rng,
                settings,
                shown=VideoSettings(
                    num_frames=spec.num_frames, sampling="uniform", event_tasks={task: 1.0}
                ),
                seed=spec.seed,
                index=number,
                example_id=f"{FILM_NAME}_{name}-{number:03d}",
            )
            frames = (
                replace(frame, frame_index=first_frame + frame.frame_index)
                for frame in example.frames
            )
            yield replace(example, frames=tuple(frames))

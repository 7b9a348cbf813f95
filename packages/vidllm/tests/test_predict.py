"""Predictions on disk: seconds, exactness, resuming, and what chance says."""

import errno
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import timetokens as tt
from seqsynth import Corpus, Example, FrameRef, Target, Turn, build_default_benchmark
from seqsynth.one_writer import HeldError
from vidllm import predict as predict_module
from vidllm import prediction_files
from vidllm.adapters import ADAPTERS
from vidllm.assembly import Assembly
from vidllm.benchmarks import (
    Query,
    content_hash,
    num_clips_of,
    queries_of,
    read_benchmark,
    templates_of,
)
from vidllm.chance import chance_events
from vidllm.config import TrainConfig
from vidllm.features import FeatureStore
from vidllm.predict import events_of, is_complete, predict, write_events
from vidllm.prediction_files import PredictionSettings, read_predictions
from vidllm.reading import reader
from vidllm.report.timelines import read_rows

from .small_benchmark import SMALL_BENCHMARK

Predict = Callable[..., dict[str, int]]
SETTINGS = PredictionSettings(
    system="trained", weights="some weights", benchmark_sha256="0" * 64, templates="brief"
)


@pytest.fixture(scope="session")
def benchmark_dir(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("benchmark")
    spec = replace(
        SMALL_BENCHMARK,
        num_image_sequences=3,
        queries_per_sequence=4,
        num_clip_sequences=3,
        templates="brief",
    )
    build_default_benchmark(corpus, directory, spec)
    return directory


@pytest.fixture(scope="session")
def queries(benchmark_dir: Path, corpus: Corpus) -> list[Query]:
    return read_benchmark(benchmark_dir, corpus.root)


@pytest.fixture
def answer(assembly: Assembly, features: FeatureStore, queries: list[Query]) -> Predict:
    """Predicts with the trial model; by default all queries, under SETTINGS."""
    return partial(
        _predicted, queries=queries, assembly=assembly, features=features, settings=SETTINGS
    )


def _predicted(path: Path, *, queries: list[Query], **more: Any) -> dict[str, int]:
    return predict(queries, path, **more)


def query_of(task: str, num_frames: int = 4, duration_seconds: float = 20.0) -> Query:
    example = Example(
        id="bench@4-000",
        task=task,
        codec="rpt",
        frames=tuple(FrameRef("a.png", k) for k in range(num_frames)),
        frame_codes=("",) * num_frames,
        turns=(Turn("Where?", "unused"),),
        targets=((Target(0.0, 1.0, "a cat"),),),
        duration_seconds=float(num_frames) if task == "iig" else duration_seconds,
    )
    return next(queries_of(example))


@given(length=st.integers(1, 5000), data=st.data())
def test_every_item_comes_back_as_its_own_second(length: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(1, length))
    query = query_of("iig", num_frames=length)
    events, malformed = events_of(query, f"The image index is {tt.encode(number, length)}.")
    assert events == [[number - 1.0, float(number), ""]]
    assert malformed == 0


@pytest.mark.parametrize(
    ("task", "answer", "events", "malformed"),
    [
        ("iig", "<2><5><0><0>", [[0.0, 1.0, ""]], 0),
        ("iig", "no idea", [], 1),
        ("iig", "", [], 1),
        ("tvg", "<2><5><0><0> - <5><0><0><0>", [[5.0, 10.0, ""]], 0),
        ("tvg", "<5><0><0><0> - <2><5><0><0>", [[5.0, 10.0, ""]], 0),
        ("tvg", "somewhere", [], 1),
        (
            "dvc",
            "<0><0><0><0> - <5><0><0><0>, a cat. <5><0><0><0> - <9><9><9><9>, a dog.",
            [[0.0, 10.0, "a cat."], [10.0, 19.998, "a dog."]],
            0,
        ),
        ("dvc", "a cat", [], 1),
    ],
)
def test_answers_become_seconds(
    task: str, answer: str, events: list[object], malformed: int
) -> None:
    found, pieces = events_of(query_of(task), answer)
    assert found == events
    assert pieces == malformed


def test_predictions_have_one_row_a_query(
    answer: Predict, queries: list[Query], tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    counts = answer(path)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == [query.id for query in queries]
    assert counts == {"queries": len(queries), "answered": len(queries), "malformed": 0}
    assert set(rows[0]) == {"id", "task", "benchmark", "system", "events", "text", "malformed"}
    assert {row["system"] for row in rows} == {"trained"}
    assert all(row["events"] for row in rows)  # constrained: every answer can be read
    assert Counter(row["benchmark"] for row in rows)["index_grounding@8"] == 12
    for row, query in zip(rows, queries, strict=True):
        for start, end, _ in row["events"]:
            assert 0 <= start <= end <= query.example.duration_seconds


def test_a_finished_file_is_not_made_again(
    answer: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predictions.jsonl"
    answer(path)
    before = path.read_bytes()
    monkeypatch.setattr(predict_module, "answers", None)
    assert answer(path)["answered"] == 0
    assert path.read_bytes() == before


def test_an_interrupted_prediction_goes_on(
    answer: Predict, queries: list[Query], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "predictions.jsonl"
    answer(whole)

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(path, progress=interrupt)
    assert not path.exists()
    (part,) = tmp_path.glob("predictions.jsonl.part-*")
    with part.open("ab") as handle:
        handle.write('{"id": "torn lé'.encode()[:-1])  # as a killed process leaves it
    counts = answer(path)
    assert 0 < counts["answered"] < len(queries)
    assert path.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_no_answer_is_lost_where_a_process_has_the_number_of_a_dead_one(
    answer: Predict, queries: list[Query], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in containers, whose processes have the same numbers each time, when the disk is full."""
    path = tmp_path / "predictions.jsonl"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    def full(part: Path, rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(part))

    with pytest.raises(KeyboardInterrupt):
        answer(path, progress=interrupt)
    (part,) = tmp_path.glob("predictions.jsonl.part-*")
    begun = part.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(prediction_files, "append_rows", full)
        with pytest.raises(OSError, match="No space"):
            answer(path)
    assert part.read_bytes() == begun
    assert 0 < answer(path)["answered"] < len(queries)
    assert not list(tmp_path.glob("*.part-*"))


def test_what_was_answered_is_on_the_disk_before_older_parts_go(
    answer: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "predictions.jsonl"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(path, progress=interrupt)
    (old,) = tmp_path.glob("predictions.jsonl.part-*")
    begun = old.read_bytes()
    flushed = []

    def power_cut(descriptor: int) -> None:
        assert old.exists()
        flushed.append(os.pread(descriptor, 1 << 20, 0))
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", power_cut)
    with pytest.raises(OSError, match="Input/output error"):
        answer(path)
    assert flushed == [begun]
    assert old.read_bytes() == begun


def test_machines_of_one_name_do_not_write_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction_files, "own_mark", lambda: "localhost-7")
    assert prediction_files.own_part(Path("a")) != prediction_files.own_part(Path("a"))


def test_two_commands_do_not_write_one_file(
    answer: Predict, queries: list[Query], tmp_path: Path
) -> None:
    pytest.importorskip("fcntl", reason="no file locks on this system")
    path = tmp_path / "predictions.jsonl"

    def again(done: int, total: int) -> None:
        with pytest.raises(HeldError, match=rf"writing {path} \(process {os.getpid()} on "):
            answer(path, settings=replace(SETTINGS, weights="others"))
        answer(tmp_path / "elsewhere.jsonl", queries=queries[:1])

    answer(path, progress=again)
    assert len(read_predictions(path)) == len(queries)
    assert sorted(found.name for found in tmp_path.glob("pred*")) == [
        "predictions.jsonl",
        "predictions.jsonl.made_with.json",
    ]
    assert not list(tmp_path.glob(".*"))


def test_without_locks_two_commands_leave_each_other_alone(
    answer: Predict, queries: list[Query], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ends with its own answers, whatever the other wrote and cleared meanwhile."""
    monkeypatch.setattr(prediction_files, "one_writer", lambda *_: nullcontext(False))
    path = tmp_path / "predictions.jsonl"
    dead = tmp_path / f"predictions.jsonl.part-0-{socket.gethostname()}-4194305"
    elsewhere = tmp_path / "predictions.jsonl.part-0-node-9-7"
    for part in (dead, elsewhere):
        part.write_text("{}\n")

    def systems() -> set[str]:
        rows = read_predictions(path)
        assert len(rows) == len(queries)
        return {row["system"] for row in rows.values()}

    def other(done: int, total: int) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(prediction_files, "own_mark", lambda: "node-8-7")
            answer(path, settings=replace(SETTINGS, system="other"))
        assert systems() == {"other"}

    answer(path, progress=other)
    assert systems() == {"trained"}
    assert list(tmp_path.glob("*.part-*")) == [elsewhere]  # it may be alive, there


def test_what_is_no_prediction_is_not_overwritten(
    answer: Predict, queries: list[Query], tmp_path: Path
) -> None:
    path = tmp_path / "references.jsonl"
    path.write_text('{"id": "a"}\n')
    nothing: list[list[tuple[float, float, str]]] = [[] for _ in queries]
    for write in (answer, partial(write_events, queries, nothing, settings=SETTINGS)):
        with pytest.raises(ValueError, match=r"references\.jsonl is there and is no prediction"):
            write(path)
    assert path.read_text() == '{"id": "a"}\n'
    assert [found.name for found in tmp_path.iterdir()] == ["references.jsonl"]
    path.write_text("")  # as mktemp makes it
    assert answer(path)["answered"] == len(queries)


def test_a_kill_before_the_last_part_was_cleared_leaves_nothing_in_the_end(
    answer: Predict, queries: list[Query], tmp_path: Path
) -> None:
    path = tmp_path / "predictions.jsonl"
    answer(path)
    before = path.read_bytes()
    (tmp_path / "predictions.jsonl.part-0-node-7-4194305").write_text('{"made_with": {}}\n')
    assert not is_complete(queries, path, settings=SETTINGS)
    assert answer(path)["answered"] == 0
    assert path.read_bytes() == before
    assert is_complete(queries, path, settings=SETTINGS)


def test_line_breaks_that_json_leaves_alone_do_not_end_a_row(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    rows = [{"id": str(k), "text": "one\u2028two\x85three"} for k in range(3)]
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8")
    assert list(read_predictions(path).values()) == rows
    assert list(read_rows(path).values()) == rows


def test_other_settings_start_over(answer: Predict, queries: list[Query], tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    answer(path)
    for change in ({"weights": "others"}, {"benchmark_sha256": "1" * 64}, {"constrained": False}):
        settings = replace(SETTINGS, **change)
        assert answer(path, settings=settings)["answered"] == len(queries)


def test_questions_about_the_same_frames_share_them(
    assembly: Assembly, queries: list[Query]
) -> None:
    groups = predict_module.group_by_prefix(assembly, queries, SETTINGS)
    # 3 image sequences, and 3 clip sequences that are both grounded and described.
    assert len(groups) == 6
    assert sum(len(questions) for _, questions in groups) == len(queries)


def test_a_benchmark_is_read_as_it_was_written(
    benchmark_dir: Path, queries: list[Query], tmp_path: Path
) -> None:
    references = [
        json.loads(line) for line in (benchmark_dir / "references.jsonl").read_text().splitlines()
    ]
    assert [query.id for query in queries] == [row["id"] for row in references]
    assert [query.prompt for query in queries] == [row["query"] for row in references]
    assert [query.benchmark for query in queries] == [row["benchmark"] for row in references]
    assert templates_of(benchmark_dir) == "brief"
    assert templates_of(tmp_path) is None
    manifest = json.loads((benchmark_dir / "benchmark.json").read_text())
    (tmp_path / "benchmark.json").write_text(json.dumps(manifest | {"format_version": 2}))
    with pytest.raises(ValueError, match=r"has format 2, this version reads 1: build"):
        templates_of(tmp_path)
    assert len(content_hash(benchmark_dir)) == 64


def test_files_of_examples_and_of_references_are_datasets_too(
    benchmark_dir: Path, queries: list[Query], corpus: Corpus, tmp_path: Path
) -> None:
    assert read_benchmark(benchmark_dir / "examples.jsonl", corpus.root) == queries
    lines = (benchmark_dir / "references.jsonl").read_text().splitlines()
    shutil.copy(benchmark_dir / "examples.jsonl", tmp_path)
    some = tmp_path / "some.jsonl"
    some.write_text("\n".join(lines[2:5]) + "\n")
    assert read_benchmark(some, corpus.root) == queries[2:5]
    hashes = {content_hash(path) for path in (some, benchmark_dir)}
    assert len(hashes) == 2
    assert content_hash(benchmark_dir) == content_hash(benchmark_dir / "examples.jsonl")
    some.write_text('{"id": "another"}\n')
    with pytest.raises(ValueError, match=r"examples\.jsonl has no question 'another'"):
        read_benchmark(some, corpus.root)
    some.write_text("{}\n")
    with pytest.raises(ValueError, match=r"some\.jsonl:1: no example, no reference"):
        read_benchmark(some, corpus.root)


def test_processes_share_the_questions_and_any_number_goes_on(
    answer: Predict, queries: list[Query], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, path = tmp_path / "whole.jsonl", tmp_path / "predictions.jsonl"
    answer(whole)
    # The second of two processes, as it stands when the first one was killed.
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    waits = iter([None, None, RuntimeError("the first one is gone")])

    def wait() -> None:
        if (lost := next(waits)) is not None:
            raise lost

    monkeypatch.setattr(predict_module, "wait_for_all", wait)
    with pytest.raises(RuntimeError, match="is gone"):
        answer(path)
    (part,) = tmp_path.glob("predictions.jsonl.part-*")
    begun = read_predictions(part)
    assert 0 < len(begun) < len(queries)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(predict_module, "wait_for_all", lambda: None)
    counts = answer(path)
    assert counts["answered"] == len(queries) - len(begun)
    assert sorted(path.read_text().splitlines()) == sorted(whole.read_text().splitlines())
    assert not list(tmp_path.glob("*.part*"))


def test_frames_can_be_read_as_they_are_asked_for(
    config: TrainConfig, assembly: Assembly, features: FeatureStore, queries: list[Query]
) -> None:
    source = reader(ADAPTERS[config.model.adapter], config.model, None)
    prefixes = [assembly.prompter.prefix(query.example) for query in queries]
    stills = [prefix for prefix in prefixes if prefix.frames[0].path.endswith(".png")]
    torch.testing.assert_close(
        source.inputs(stills)["features"], features.inputs(stills)["features"]
    )


def test_a_folder_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no benchmark: it has no examples\.jsonl"):
        read_benchmark(tmp_path, tmp_path)
    (tmp_path / "examples.jsonl").write_text("")
    (tmp_path / "none.jsonl").write_text("")
    for dataset in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(ValueError, match=rf"{dataset} has no questions"):
            read_benchmark(dataset, tmp_path)


def test_chance_is_seeded_and_plausible(
    queries: list[Query], corpus: Corpus, tmp_path: Path
) -> None:
    drawn = chance_events(queries, corpus, seed=0)
    assert drawn == chance_events(queries, corpus, seed=0)
    assert drawn != chance_events(queries, corpus, seed=1)
    train_captions = {clip.caption for clip in corpus.train_clips}
    for query, events in zip(queries, drawn, strict=True):
        duration = query.example.duration_seconds
        assert all(0 <= start < end <= duration + 1e-9 for start, end, _ in events)
        if query.example.task == "iig":
            ((start, end, _),) = events
            assert end - start == 1
            assert start == int(start)
        elif query.example.task == "tvg":
            assert len(events) == 1
        else:
            assert {caption for _, _, caption in events} <= train_captions
    path = tmp_path / "chance.jsonl"
    write_events(queries, drawn, path, settings=replace(SETTINGS, system="chance"))
    assert list(read_predictions(path)) == [query.id for query in queries]


def test_chance_draws_as_many_clips_as_the_benchmark_has(
    queries: list[Query], corpus: Corpus, benchmark_dir: Path, tmp_path: Path
) -> None:
    assert num_clips_of(benchmark_dir) == (2, 4)
    assert num_clips_of(tmp_path) is None
    described = [query for query in queries if query.example.task == "dvc"] * 30
    for num_clips in ((2, 4), (2, 2), (3, 5)):
        drawn = chance_events(described, corpus, seed=0, num_clips=num_clips)
        assert {len(events) for events in drawn} == set(range(num_clips[0], num_clips[1] + 1))


def test_chance_hits_one_in_the_length(corpus: Corpus) -> None:
    query = query_of("iig", num_frames=10)
    drawn = chance_events([query] * 5000, corpus, seed=0)
    counts = Counter(start for ((start, _, _),) in drawn)
    assert set(counts) == set(range(10))
    assert all(400 < count < 600 for count in counts.values())

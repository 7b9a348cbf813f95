import json
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import timetokens as tt
from seqsynth import BenchmarkSpec, Corpus, build_default_benchmark, read_examples

SPEC = BenchmarkSpec(
    image_lengths=(8, 20), num_image_sequences=5, queries_per_sequence=4, num_clip_sequences=6
)
NAMES = ("examples.jsonl", "references.jsonl", "benchmark.json")


def read_references(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "references.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_every_query_has_its_reference_in_seconds(tmp_path: Path, corpus: Corpus) -> None:
    counts = build_default_benchmark(corpus, tmp_path, SPEC)
    manifest = json.loads((tmp_path / "benchmark.json").read_text())
    assert (manifest["format_version"], manifest["num_queries"]) == (1, counts)
    examples = {e.id: e for e in read_examples(tmp_path / "examples.jsonl", media_root="/media")}
    references = read_references(tmp_path)
    assert len({reference["id"] for reference in references}) == len(references)
    assert Counter(reference["benchmark"] for reference in references) == counts
    assert counts["index_grounding@8"] == counts["index_grounding@20"] == 20
    assert counts["clip_dense_captions"] == 6
    assert sum(len(example.turns) for example in examples.values()) == len(references)
    for reference in references:
        example = examples[reference["example"]]
        turn = example.turns[reference["turn"]]
        assert reference["query"] == turn.prompt
        assert reference["task"] == example.task
        assert reference["duration_seconds"] == example.duration_seconds
        seconds = example.duration_seconds
        if example.task == "iig":
            (number,) = tt.parse_items(turn.answer, length=len(example.frames)).items
            ((start, end, caption),) = reference["events"]
            assert (start, end) == (number - 1, number)
            assert caption in turn.prompt
        else:
            read = tt.parse_spans(turn.answer, duration_seconds=seconds).spans
            for span, (start, end, _) in zip(read, reference["events"], strict=True):
                assert span.start_seconds == pytest.approx(start, abs=seconds / 5000)
                assert span.end_seconds == pytest.approx(end, abs=seconds / 5000)


def test_only_held_out_items_are_shown_and_no_question_comes_twice(
    tmp_path: Path, corpus: Corpus
) -> None:
    build_default_benchmark(corpus, tmp_path, SPEC)
    for example in read_examples(tmp_path / "examples.jsonl", media_root="/media"):
        stems = {Path(frame.path).stem.rpartition("-")[0] for frame in example.frames}
        assert stems <= {"unseen", "jump"}
        asked = [targets[0].caption for targets in example.targets]
        assert len(set(asked)) == len(asked)


def test_grounding_and_dense_captions_share_their_sequences(tmp_path: Path, corpus: Corpus) -> None:
    build_default_benchmark(corpus, tmp_path, SPEC)
    frames = defaultdict(list)
    captions = defaultdict(list)
    for example in read_examples(tmp_path / "examples.jsonl"):
        benchmark, _, number = example.id.rpartition("-")
        if benchmark.startswith("clip"):
            frames[number].append(example.frames)
            captions[number].append(sorted(t.caption for turn in example.targets for t in turn))
    assert len(frames) == 6
    assert all(first == second for first, second in frames.values())
    assert all(first == second for first, second in captions.values()), "every clip is asked for"


def test_the_same_arguments_give_the_same_bytes_wherever_the_media_lie(
    tmp_path: Path, corpus: Corpus
) -> None:
    names = ("train_images", "heldout_images", "train_clips", "heldout_clips")
    sides = {
        name: tuple(
            replace(item, path=item.path.replace("/media", "/else"))
            for item in getattr(corpus, name)
        )
        for name in names
    }
    moved = replace(corpus, **sides, root="/else")
    build_default_benchmark(corpus, tmp_path / "a", SPEC)
    build_default_benchmark(moved, tmp_path / "b", SPEC)
    build_default_benchmark(corpus, tmp_path / "c", replace(SPEC, seed=1))
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / NAMES[0]).read_bytes() != (tmp_path / "c" / NAMES[0]).read_bytes()


def test_sequences_of_different_lengths_are_different_draws(tmp_path: Path, corpus: Corpus) -> None:
    build_default_benchmark(corpus, tmp_path, replace(SPEC, num_clip_sequences=0))
    examples = list(read_examples(tmp_path / "examples.jsonl"))
    short = [example.frames for example in examples if len(example.frames) == 8]
    long = [example.frames[:8] for example in examples if len(example.frames) == 20]
    assert not set(short) & set(long)


def test_without_clips_there_is_no_benchmark_of_clips(tmp_path: Path, corpus: Corpus) -> None:
    counts = build_default_benchmark(replace(corpus, heldout_clips=()), tmp_path, SPEC)
    assert set(counts) == {"index_grounding@8", "index_grounding@20"}


def test_sizes_that_cannot_be_are_refused(tmp_path: Path, corpus: Corpus) -> None:
    with pytest.raises(ValueError, match="3 images cannot have 4 different queries"):
        replace(SPEC, image_lengths=(3,))
    with pytest.raises(ValueError, match="num_clip_sequences must not be negative, got -1"):
        replace(SPEC, num_clip_sequences=-1)
    with pytest.raises(ValueError, match="of 111 images needs as many distinct captions"):
        build_default_benchmark(corpus, tmp_path, replace(SPEC, image_lengths=(111,)))
    with pytest.raises(ValueError, match="seed must be in"):
        build_default_benchmark(corpus, tmp_path, replace(SPEC, seed=2**64))
    assert list(tmp_path.iterdir()) == []

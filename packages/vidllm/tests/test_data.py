"""The examples of a run: pure functions of the index, grown and mixed as the stages say."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import timetokens as tt
from seqsynth import Corpus
from vidllm.assembly import Assembly
from vidllm.batching import TASKS, Collator, pad_left, pad_right, positions, sight
from vidllm.config import TrainConfig
from vidllm.data import TrainingData
from vidllm.features import FeatureStore
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.stage_config import StageConfig


def with_stages(config: TrainConfig, *stages: StageConfig) -> TrainConfig:
    return replace(config, data=replace(config.data, stages=stages))


def decoded(assembly: Assembly, ids: tuple[int, ...]) -> str:
    tokenizer: Any = assembly.tokenizer
    return str(tokenizer.decode([id_ for id_ in ids if id_ != VISUAL_TOKEN]))


def test_an_example_does_not_depend_on_who_asks(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    one, other = (TrainingData(config, corpus, assembly.prompter) for _ in range(2))
    order = list(range(len(one)))
    assert len(one) == 16 * 4
    assert [one[i] for i in order] == [other[i] for i in reversed(order)][::-1]
    changed = TrainingData(replace(config, seed=1), corpus, assembly.prompter)
    assert [one[i] for i in order] != [changed[i] for i in order]


def test_indices_beyond_the_run_are_refused(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    data = TrainingData(config, corpus, assembly.prompter)
    with pytest.raises(IndexError, match="example 64 of 64"):
        data[64]


def test_workers_do_not_change_the_batches(
    config: TrainConfig, corpus: Corpus, assembly: Assembly, features: FeatureStore
) -> None:
    data = TrainingData(config, corpus, assembly.prompter)
    collator = Collator(features, 2)
    batches = [
        list(DataLoader(data, batch_size=4, collate_fn=collator, num_workers=workers))
        for workers in (0, 2)
    ]
    for one, other in zip(*batches, strict=True):
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_batch_has_one_kind_and_one_length(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    data = TrainingData(config, corpus, assembly.prompter)
    for step in range(config.num_steps):
        batch = [data[step * 4 + place] for place in range(4)]
        kinds = {
            {"caption": "captions", "dvc": "clips", "tvg": "clips"}.get(e.task, "images")
            for e in batch
        }
        assert kinds == {data.plan(step).kind}
        if kinds == {"images"}:
            assert {len(example.frames) for example in batch} == {data.plan(step).num_images}


def test_shares_decide_the_kinds(config: TrainConfig, corpus: Corpus, assembly: Assembly) -> None:
    stage = StageConfig(
        name="mixed",
        num_steps=400,
        caption_weight=0.5,
        image_weight=0.25,
        clip_weight=0.25,
        max_images=8,
    )
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    kinds = [data.plan(step).kind for step in range(400)]
    assert 160 < kinds.count("captions") < 240
    assert 65 < kinds.count("images") < 135


def test_sequences_grow_within_the_curriculum(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stage = StageConfig(name="grow", num_steps=200, min_images=4, max_images=20)
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    lengths = [data.plan(step).num_images for step in range(200)]
    assert max(lengths[:12]) <= 6
    assert max(lengths[120:]) > 16
    assert min(lengths[120:]) < 8
    assert min(lengths) >= 4
    assert max(lengths) <= 20


def test_each_batch_has_one_of_the_wordings(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stage = StageConfig(
        name="worded", num_steps=60, max_images=6, templates=("pairs", "brief", "paper")
    )
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    plans = [data.plan(step) for step in range(60)]
    wordings = [plan.templates for plan in plans]
    assert all(wordings.count(name) > 10 for name in stage.templates)
    asked = {
        decoded(assembly, data[step * 4].input_ids).startswith(" is")
        and " is<" in decoded(assembly, data[step * 4].input_ids).split("\n")[-2]
        for step in range(60)
        if wordings[step] == "pairs" and data[step * 4].task == "iig"
    }
    assert asked == {True}
    unworded = replace(stage, templates=())
    data = TrainingData(with_stages(config, unworded), corpus, assembly.prompter)
    assert {data.plan(step).templates for step in range(60)} == {"paper"}


def test_stills_can_be_held_as_clips(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stage = StageConfig(
        name="held", num_steps=80, image_weight=0.0, clip_weight=1.0, still_clip_fraction=0.5
    )
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    stills = {image.path for image in corpus.train_images}
    shown = [{frame.path for frame in data[step * 4].frames} for step in range(80)]
    assert [paths <= stills for paths in shown] == [data.plan(s).held_stills for s in range(80)]
    assert 25 < sum(paths <= stills for paths in shown) < 55
    held = next(i * 4 for i, paths in enumerate(shown) if paths <= stills)
    paths = [frame.path for frame in data[held].frames]
    assert len(paths) == stage.num_clip_frames
    # Each still stays until the next one takes over.
    changes = sum(one != other for one, other in itertools.pairwise(paths))
    assert changes == len(set(paths)) - 1 >= 1


def test_text_items_take_the_place_of_pictures(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stage = StageConfig(name="text", num_steps=20, min_images=6, max_images=6, text_fraction=1.0)
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    num_pictures = [len(data[i].frames) for i in range(80)]
    assert all(data[i].input_ids.count(VISUAL_TOKEN) == num_pictures[i] for i in range(80))
    assert 0.35 < sum(num_pictures) / (80 * 6) < 0.65


def test_the_control_is_never_told_where_anything_is(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    plain = TrainingData(config, corpus, assembly.prompter)
    control_config = replace(config, data=replace(config.data, without_places=True))
    control = TrainingData(control_config, corpus, assembly.prompter)
    codes = set(assembly.prompter.code_token_ids)
    captions = {image.caption for image in corpus.train_images}
    for index in range(len(control)):
        encoded = control[index]
        assert not codes.intersection(encoded.input_ids)
        assert encoded.task == "caption"
        lines = decoded(assembly, encoded.input_ids).strip().split("\n")
        assert {line.strip().removeprefix("is ").removesuffix(".") for line in lines} <= captions
        # The same pictures; of a clip one frame.
        seen = {frame.path for frame in plain[index].frames}
        assert {frame.path for frame in encoded.frames} == seen


def test_codes_in_the_prompt_are_those_of_the_frames(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stage = StageConfig(name="only", num_steps=1, min_images=5, max_images=5, templates=("brief",))
    data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
    text = decoded(assembly, data[0].input_ids)
    for number in range(1, 6):
        assert f" is{tt.encode(number, 5)}\n" in text


def test_a_stage_that_the_corpus_cannot_serve_fails_at_once(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    stages = (
        StageConfig(name="fine", num_steps=9, max_images=4),
        StageConfig(name="long", num_steps=1, max_images=500),
    )
    with pytest.raises(ValueError, match="500"):
        TrainingData(with_stages(config, *stages), corpus, assembly.prompter)
    captions = StageConfig(name="captions", num_steps=1, caption_weight=1.0, image_weight=0.0)
    bare = replace(corpus, train_images=())
    with pytest.raises(ValueError, match="'captions' has a caption_weight, and the corpus no pict"):
        TrainingData(with_stages(config, captions), bare, assembly.prompter)


def test_the_streams_of_clips_are_open_from_the_start(
    config: TrainConfig, corpus: Corpus, assembly: Assembly
) -> None:
    def opened(still_clip_fraction: float, corpus: Corpus) -> dict[str, str]:
        stage = StageConfig(
            name="clips",
            num_steps=8,
            image_weight=0.0,
            clip_weight=1.0,
            still_clip_fraction=still_clip_fraction,
        )
        data = TrainingData(with_stages(config, stage), corpus, assembly.prompter)
        before = data.fingerprints
        for index in range(len(data)):
            data[index]
        assert data.fingerprints == before
        return before

    both = opened(0.5, corpus)
    assert set(both) == {"clips/clips/0/paper/False", "clips/clips/0/paper/True"}
    assert len(set(both.values())) == 2  # stills held as clips are another stream
    stills_alone = replace(corpus, train_clips=())
    assert set(opened(1.0, stills_alone)) == {"clips/clips/0/paper/True"}
    few_stills = replace(corpus, train_images=corpus.train_images[:3])
    with pytest.raises(ValueError, match="sequences of up to 5 clips"):
        opened(0.1, few_stills)


def test_collator_pads_on_the_right_and_counts(
    config: TrainConfig, corpus: Corpus, assembly: Assembly, features: FeatureStore
) -> None:
    data = TrainingData(config, corpus, assembly.prompter)
    examples = [data[0], data[30], data[63]]
    batch = Collator(features, 7)(examples)
    width = max(len(example.input_ids) for example in examples)
    assert batch["input_ids"].shape == batch["labels"].shape == (3, width)
    for row, example in enumerate(examples):
        size = len(example.input_ids)
        assert batch["input_ids"][row].tolist() == [*example.input_ids, *[7] * (width - size)]
        assert batch["labels"][row, size:].tolist() == [IGNORED] * (width - size)
        assert batch["num_tokens"][row] == size
        assert TASKS[int(batch["tasks"][row])] == example.task
    assert len(batch["features"]) == sum(len(example.frames) for example in examples)


def test_padding() -> None:
    assert pad_right([[1], [2, 3]], 0).tolist() == [[1, 0], [2, 3]]
    ids, mask = pad_left([[1], [2, 3]], 0)
    assert ids.tolist() == [[0, 1], [2, 3]]
    assert mask.tolist() == [[0, 1], [1, 1]]


def test_turns_apart_see_the_sequence_and_themselves() -> None:
    turns = (0, 0, 1, 1, 2)
    assert positions(turns) == [0, 1, 2, 3, 2]
    assert sight(torch.tensor([turns]))[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]

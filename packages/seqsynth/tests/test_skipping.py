import errno
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from seqsynth import (
    ClipItem,
    Corpus,
    FrameRef,
    ImageItem,
    MediaError,
    SequenceDataset,
    SequenceRecipe,
)
from seqsynth.skipping import SkipLog, TooManySkippedError, read_frames

IMAGES = tuple(
    ImageItem(id=f"i{k}", caption=f"picture {k}", path=f"/m/i{k}.png", label="x")
    for k in range(200)
)
CLIPS = tuple(
    ClipItem(
        id=f"c{k}",
        label=f"act {k}",
        caption=f"someone does {k}",
        path=f"/m/c{k}.mp4",
        num_frames=40,
        duration_seconds=2.0,
    )
    for k in range(60)
)
CORPUS = Corpus(
    train_images=IMAGES, heldout_images=(), train_clips=CLIPS, heldout_clips=(), root="/m"
)
RECIPE = SequenceRecipe(
    tasks={"iig": 1}, min_images=4, max_images=4, max_clips=4, num_frames=8, num_examples=300
)


def loader_without(*bad: int) -> "Loader":
    return Loader({f"/m/i{k}.png" for k in bad})


class Loader:
    """Pictures of one colour each, but for the bad ones."""

    def __init__(self, bad: set[str]) -> None:
        self.bad = bad

    def __call__(self, refs: Sequence[FrameRef]) -> NDArray[np.uint8]:
        for ref in refs:
            if ref.path in self.bad:
                raise MediaError(f"{ref.path}: frame 0 cannot be read: broken at byte {len(refs)}")
        return np.zeros((len(refs), 2, 2, 3), dtype=np.uint8)


def test_bad_examples_give_way_to_stated_ones_and_are_written_down(tmp_path: Path) -> None:
    dataset = SequenceDataset(CORPUS, replace(RECIPE, tasks={"dvc": 1, "tvg": 1}), 0)
    log = SkipLog(tmp_path / "sub" / "skipped.jsonl", max_share=0.5)
    load = Loader({"/m/c3.mp4", "/m/c50.mp4"})
    read = [read_frames(dataset, index, load, log=log) for index in range(300)]
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert lines
    failed = {line["index"] for line in lines}
    for index, (example, frames) in enumerate(read):
        assert not {frame.path for frame in example.frames} & load.bad
        assert frames.shape == (8, 2, 2, 3)
        assert (example == dataset[index]) == (index not in failed)
    for line in lines:
        shown = dataset[line["index"]]
        if line["attempt"] == 0:
            assert line["id"] == shown.id
        stand_in = dataset.replacement(line["index"], line["attempt"] + 1)
        assert line["replaced_by"] == stand_in.id
        assert "cannot be read" in line["reason"]
    assert log.num_read == 300
    assert log.num_replaced == len(failed)
    assert log.summary() == (
        f"{len(failed)} of 300 examples replaced ({len(lines)} x broken at byte N, see {log.path})"
    )


def test_of_an_image_sequence_the_bad_images_alone_give_way(tmp_path: Path) -> None:
    dataset = SequenceDataset(CORPUS, replace(RECIPE, tasks={"iig": 1, "iic": 1, "alr": 1}), 0)
    log = SkipLog(tmp_path / "skipped.jsonl", max_share=0.5)
    load = loader_without(*range(0, 200, 20))
    read = [read_frames(dataset, index, load, log=log)[0] for index in range(300)]
    lines = {line["index"]: line for line in map(json.loads, log.path.read_text().splitlines())}
    num_exchanged = 0
    for index, example in enumerate(read):
        planned = dataset[index]
        bad = [ref.path in load.bad for ref in planned.frames]
        pairs = zip(planned.frames, example.frames, strict=True)
        assert [old != new for old, new in pairs] == bad
        assert len({ref.path for ref in example.frames}) == 4
        assert example == (dataset.mended(index, load.bad) if any(bad) else planned)
        places = [[(target.start, target.end) for target in turn] for turn in planned.targets]
        assert [[(t.start, t.end) for t in turn] for turn in example.targets] == places
        assert (index in lines) == any(bad) == (example.id != planned.id)
        if any(bad):
            line = lines[index]
            assert (line["id"], line["replaced_by"]) == (planned.id, example.id)
            assert line["exchanged"] == [
                [place + 1, planned.frames[place].path, example.frames[place].path]
                for place in range(4)
                if bad[place]
            ]
            assert line["reason"].count("cannot be read") == sum(bad)
        num_exchanged += sum(bad)
    assert (log.num_read, log.num_replaced, log.num_exchanged) == (300, 0, num_exchanged)
    assert log.exchanged_examples == num_exchanged / 4 > 10
    assert f"0 of 300 examples replaced and {num_exchanged} images of others exch" in log.summary()


@settings(max_examples=50)
@given(index=st.integers(0, 299), bad=st.sets(st.integers(0, 199), max_size=120), data=st.data())
def test_a_mended_example_depends_on_which_files_are_bad_not_on_what_was_known_when(
    index: int, bad: set[int], data: st.DataObject
) -> None:
    dataset = SequenceDataset(CORPUS, replace(RECIPE, max_images=12), 0)
    paths = {f"/m/i{number}.png" for number in bad}
    whole = dataset.mended(index, paths)
    assert whole is not None
    assert not {ref.path for ref in whole.frames} & paths
    known = set(data.draw(st.permutations(sorted(paths)))[: len(paths) // 2])
    while True:
        mended = dataset.mended(index, known) if known else dataset[index]
        assert mended is not None
        found = {ref.path for ref in mended.frames} & paths
        if not found:
            break
        known |= set(data.draw(st.lists(st.sampled_from(sorted(found)), min_size=1)))
    assert mended.frames == whole.frames
    assert mended.turns == whole.turns


def test_an_example_without_a_text_whose_stand_in_has_bad_media_counts_once() -> None:
    dataset = SequenceDataset(CORPUS, replace(RECIPE, tasks={"dvc": 1}), 0)
    log = SkipLog(None, max_share=1)
    for index in range(2):
        log.add_skipped(
            index, "", attempt=0, replaced_by=dataset[index].id, reason="its text is too long"
        )
        bad = {ref.path for ref in dataset[index].frames}
        read_frames(dataset, index, Loader(bad), log=log)
    assert (log.num_read, log.num_replaced) == (2, 2)
    assert log.reasons["its text is too long"] == 2
    assert sum(log.reasons.values()) >= 4


def test_the_same_run_replaces_the_same_examples() -> None:
    dataset = SequenceDataset(CORPUS, RECIPE, 0)
    runs = [
        [
            read_frames(dataset, k, loader_without(3, 50), log=SkipLog(None, max_share=1))[0]
            for k in order
        ]
        for order in (range(60), reversed(range(60)))
    ]
    assert runs[0] == runs[1][::-1]


def test_a_run_stops_when_too_large_a_share_is_bad(tmp_path: Path) -> None:
    dataset = SequenceDataset(CORPUS, RECIPE, 0)
    log = SkipLog(tmp_path / "skipped.jsonl", max_share=0.1)
    load = loader_without(*range(30))
    with pytest.raises(TooManySkippedError, match=r"exchanged .* at most 10\.0% are all"):
        _ = [read_frames(dataset, index, load, log=log) for index in range(300)]
    assert log.exchanged_examples > 0.1 * (log.num_read + 1)
    assert log.num_read < 299


def test_a_file_in_a_thousand_costs_no_sequence() -> None:
    """Of 96 images one is bad in every eleventh sequence, but one image in a thousand is."""
    images = tuple(
        ImageItem(id=f"i{k}", caption=f"picture {k}", path=f"/m/i{k}.png", label="x")
        for k in range(2000)
    )
    recipe = replace(RECIPE, min_images=96, max_images=96)
    dataset = SequenceDataset(
        Corpus(train_images=images, heldout_images=(), train_clips=(), heldout_clips=(), root="/m"),
        recipe,
        0,
    )
    log = SkipLog(None, max_share=0.01)
    for index in range(100):
        read_frames(dataset, index, loader_without(7, 1007), log=log)
    assert log.num_replaced == 0
    assert 3 <= log.num_exchanged <= 25


def test_one_bad_file_at_the_start_does_not_stop_a_run() -> None:
    dataset = SequenceDataset(CORPUS, RECIPE, 0)
    (first, *_) = (int(frame.path[4:-4]) for frame in dataset[0].frames)
    log = SkipLog(None, max_share=0.05)
    read_frames(dataset, 0, loader_without(first), log=log)
    assert (log.num_read, log.num_exchanged, log.exchanged_examples) == (1, 1, 0.25)
    strict = SkipLog(None, max_share=0)
    with pytest.raises(TooManySkippedError, match=r"at most 0\.0% are allowed"):
        read_frames(dataset, 0, loader_without(first), log=strict)


def test_a_corpus_without_a_good_file_ends(tmp_path: Path) -> None:
    dataset = SequenceDataset(CORPUS, replace(RECIPE, num_examples=1), 0)
    with pytest.raises(TooManySkippedError, match="example 0 and 100 replacements cannot be read"):
        read_frames(dataset, 0, loader_without(*range(200)), log=SkipLog(None, max_share=1))


def test_two_processes_share_a_log(tmp_path: Path) -> None:
    logs = [SkipLog(tmp_path / "skipped.jsonl", max_share=1) for _ in range(2)]
    reason = "a long reason " * 100
    child = os.fork()
    log = logs[child == 0]
    for index in range(200):
        log.add_read()
        log.add_skipped(index, f"of {child == 0}", attempt=1, replaced_by="next", reason=reason)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    lines = (tmp_path / "skipped.jsonl").read_text().splitlines()
    assert sorted((json.loads(line)["id"], json.loads(line)["index"]) for line in lines) == sorted(
        (f"of {is_child}", index) for is_child in (True, False) for index in range(200)
    )


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="max_share must be in"):
        SkipLog(None, max_share=2)


def test_names_that_are_not_utf8_are_written_down_too(tmp_path: Path) -> None:
    path = tmp_path / "skipped.jsonl"
    log = SkipLog(str(path), max_share=1)
    log.add_skipped(0, "a", attempt=0, replaced_by="b", reason="/m/\udcff.png: no such file")
    assert json.loads(path.read_text("utf-8"))["reason"] == "/m/\udcff.png: no such file"


@pytest.mark.parametrize("takes_a_part", [False, True])
def test_a_full_disk_is_named_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, takes_a_part: bool
) -> None:
    def full(descriptor: int, content: bytes) -> int:
        if takes_a_part:
            return len(content) - 1
        raise OSError(errno.ENOSPC, "No space left on device")

    log = SkipLog(tmp_path / "skipped.jsonl", max_share=1)
    monkeypatch.setattr("seqsynth.skipping.os.write", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*skipped\.jsonl'"):
        log.add_skipped(0, "a", attempt=0, replaced_by="b", reason="damaged")

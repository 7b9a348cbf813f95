import numpy as np
import pytest

import timetokens as tt
from seqsynth import Corpus, Example, SequenceDataset, SequenceRecipe, Turn
from seqsynth.contact_sheet import describe, draw_sheet, frame_colours
from seqsynth.records import FrameRef, Target


def example_of(corpus: Corpus, task: str, **sizes: int) -> Example:
    return SequenceDataset(corpus, SequenceRecipe(tasks={task: 1}, **sizes), 0)[0]


def test_the_text_has_every_turn_and_target(corpus: Corpus) -> None:
    example = example_of(corpus, "alr", min_images=6, max_images=6, num_turns=3)
    text = describe(example)
    for turn, targets in zip(example.turns, example.targets, strict=True):
        assert turn.prompt in text
        assert turn.answer in text
        assert targets[0].caption in text
    assert "6 frames, 6 seconds, codec rpt" in text


def test_frames_of_a_target_get_its_colour_and_others_none(corpus: Corpus) -> None:
    example = example_of(corpus, "dvc", num_frames=24, max_clips=3)
    frames = np.zeros((24, 32, 32, 3), dtype=np.uint8)
    colours = {tuple(c) for row in np.asarray(draw_sheet(example, frames)) for c in row.tolist()}
    first_three = {(0xDD, 0x33, 0x33), (0x22, 0x77, 0xCC), (0x22, 0x88, 0x33)}
    assert len(first_three & colours) == len(example.targets[0])
    grounding = example_of(corpus, "iig", min_images=24, max_images=24, max_targets=1)
    colours = {tuple(c) for row in np.asarray(draw_sheet(grounding, frames)) for c in row.tolist()}
    assert len(first_three & colours) == 1


def test_long_texts_make_the_sheet_longer_not_wider(corpus: Corpus) -> None:
    example = example_of(corpus, "iig", min_images=6, max_images=6)
    frames = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    long = Example(
        **{
            name: getattr(example, name)
            for name in example.__slots__
            if name not in ("turns", "targets")
        },
        turns=(Turn("word " * 300, "answer"),),
        targets=example.targets[:1],
    )
    short_sheet, long_sheet = draw_sheet(example, frames), draw_sheet(long, frames)
    assert long_sheet.width == short_sheet.width
    assert long_sheet.height > short_sheet.height + 100


@pytest.mark.parametrize("codec", ["rpt", "seconds"])
def test_frames_of_a_real_video_are_coloured_by_their_time(codec: str) -> None:
    """Half of the frames lie in the first tenth of the video."""
    numbers = [*range(0, 100, 10), *range(100, 1000, 90)]
    position = [tt.TimePosition(number / 10, 100.0) for number in numbers]
    example = Example(
        id="v",
        task="video",
        codec=codec,
        frames=tuple(FrameRef("/v.mp4", number) for number in numbers),
        frame_codes=tuple(tt.CODECS[codec].format_point(place) for place in position),
        turns=(Turn("q", "a"),),
        targets=((Target(0.05, 0.1, "x"), Target(0.1, 0.6, "y")),),
        duration_seconds=100.0,
    )
    first, second = (
        [numbers[k] for k, colour in enumerate(frame_colours(example)) if colour == chosen]
        for chosen in ("#d33", "#27c")
    )
    assert first == [50, 60, 70, 80, 90]
    assert second == [100, 190, 280, 370, 460, 550]

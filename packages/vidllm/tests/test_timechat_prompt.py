"""Wording, labels, frame choice and crops, against recorded ones of the original."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from seqsynth import Turn, uniform_frames
from vidllm.adapters.random import byte_tokenizer
from vidllm.prompt_script import IGNORED
from vidllm.timechat import Differences, compat
from vidllm.timechat.frames import PIXEL_MEAN, PIXEL_STD, crop_box, cropped, normalised
from vidllm.timechat.prompt import (
    QUESTION_SYSTEM,
    add_image_token,
    attention_mask,
    encode_dialogue,
    encode_question,
    frame_sentences,
    frame_text,
    frame_text_tokenizer,
    sequence_sentence,
)

ORIGINAL = compat("timechat")
SENTENCE = sequence_sentence(["0.0", "1.5"])


@pytest.mark.parametrize("differences", [Differences(), ORIGINAL])
def test_dialogues_and_labels_equal_the_original(
    timechat_notes: dict[str, Any],
    llama_tokenizer: PreTrainedTokenizerBase,
    differences: Differences,
) -> None:
    for recorded, num_tokens in zip(
        timechat_notes["text"]["conversations"], (6, 6, 3), strict=True
    ):
        sentence = sequence_sentence([str(seconds) for seconds in recorded["stamps"]])
        assert sentence == recorded["msg"]
        turns = [Turn(qa["q"], qa["a"]) for qa in recorded["qa"]]
        ids, labels = encode_dialogue(
            llama_tokenizer, sentence, turns, num_video_tokens=num_tokens, differences=differences
        )
        assert ids == recorded["input_ids"]
        assert labels == recorded["labels"]


def test_time_texts_equal_the_original(
    timechat_notes: dict[str, Any], llama_tokenizer: PreTrainedTokenizerBase
) -> None:
    places = list(timechat_notes["text"]["stamp_ids"])
    ids, mask = frame_text(llama_tokenizer, frame_sentences(places))
    for place, row, shown in zip(places, ids, mask, strict=True):
        assert row[shown.bool()].tolist() == timechat_notes["text"]["stamp_ids"][place]
    assert not ids[mask == 0].any()


def test_time_texts_keep_to_one_tokenizer(llama_tokenizer: PreTrainedTokenizerBase) -> None:
    own = byte_tokenizer()
    for is_training in (True, False):
        assert frame_text_tokenizer(own, llama_tokenizer, is_training=is_training) is own
        theirs = frame_text_tokenizer(
            own, llama_tokenizer, is_training=is_training, differences=ORIGINAL
        )
        assert theirs is (llama_tokenizer if is_training else own)


def test_messages_of_sampled_frames_equal_the_original(timechat_notes: dict[str, Any]) -> None:
    cases = [case for case in timechat_notes["sampling"] if case["mode"] == "uniform"]
    assert len(cases) == 26
    for case in cases:
        frames = uniform_frames(case["vlen"], case["n_frms"]).tolist()
        assert frames == case["indices"]
        assert sequence_sentence([str(round(k / case["fps"], 1)) for k in frames]) == case["msg"]


def test_bright_edges_stay_bright() -> None:
    frames = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
    frames[:, :, 8:] = 255
    ours = cropped(frames, random.Random(0), 40)
    theirs = cropped(frames, random.Random(0), 40, differences=ORIGINAL)
    assert ours.shape == (2, 40, 40, 3)
    assert ours.dtype == torch.uint8
    differing = ours != theirs
    assert set(ours[differing].tolist()) == {0, 255}  # clamped where the original wraps
    assert int((ours.int() - theirs.int()).abs()[differing].min()) > 100
    assert torch.equal(ours[0], ours[1])  # one box for all frames


def test_crop_boxes_lie_in_the_picture() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        height, width = rng.randint(3, 400), rng.randint(3, 400)
        top, left, box_height, box_width = crop_box(height, width, rng)
        assert 0 <= top <= top + box_height <= height
        assert 0 <= left <= left + box_width <= width
        assert box_height * box_width >= 0.4 * min(height * width, 0.75 * min(height, width) ** 2)


def test_pixels_are_normalised_by_channel() -> None:
    frames = torch.tensor([[[[0, 128, 255]]]], dtype=torch.uint8)
    found = normalised(frames).flatten().tolist()
    assert found == pytest.approx([-1.79226, 0.16890, 2.14589], abs=1e-4)


def test_pixels_are_normalised_to_the_bits_of_torch() -> None:
    frames = torch.arange(256, dtype=torch.uint8).repeat_interleave(3).reshape(1, 16, 16, 3)
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (PIXEL_MEAN, PIXEL_STD))
    assert torch.equal(
        normalised(frames), (frames.permute(0, 3, 1, 2).float() / 255.0 - mean) / std
    )


def test_labels_break_off_in_the_original_alone(llama_tokenizer: PreTrainedTokenizerBase) -> None:
    turns = [Turn("Where?", "here [/INST] there"), Turn("What?", "a cat")]
    _, ours = encode_dialogue(llama_tokenizer, SENTENCE, turns, num_video_tokens=2)
    _, theirs = encode_dialogue(
        llama_tokenizer, SENTENCE, turns, num_video_tokens=2, differences=ORIGINAL
    )
    assert set(theirs) == {IGNORED}
    learned = llama_tokenizer.decode([label for label in ours if label != IGNORED])
    assert "here [/INST] there" in learned
    assert "a cat" in learned
    assert "What" not in learned


def test_only_answers_are_learned_and_the_rest_can_be_cut(
    llama_tokenizer: PreTrainedTokenizerBase,
) -> None:
    turns = [Turn("When?", "then"), Turn("Where?", "there")]
    ids, labels = encode_dialogue(llama_tokenizer, SENTENCE, turns, num_video_tokens=2)
    learned = [label for label in labels if label != IGNORED]
    assert learned.count(llama_tokenizer.eos_token_id) == 2
    last_of_first = labels.index(llama_tokenizer.eos_token_id)
    cut, cut_labels = encode_dialogue(
        llama_tokenizer, SENTENCE, turns, num_video_tokens=2, max_tokens=last_of_first + 1
    )
    assert (cut, cut_labels) == (ids[: last_of_first + 1], labels[: last_of_first + 1])
    with pytest.raises(ValueError, match="no answer is left to learn"):
        encode_dialogue(llama_tokenizer, SENTENCE, turns, num_video_tokens=2, max_tokens=10)
    with pytest.raises(ValueError, match="</s> stands in the text"):
        encode_dialogue(llama_tokenizer, SENTENCE, [Turn("When?", "now</s>")], num_video_tokens=2)


def test_questions_are_asked_as_they_were_trained(llama_tokenizer: PreTrainedTokenizerBase) -> None:
    ids, labels = encode_dialogue(
        llama_tokenizer, SENTENCE, [Turn("When?", "then")], num_video_tokens=2
    )
    first_learned = next(place for place, label in enumerate(labels) if label != IGNORED)
    assert (
        encode_question(llama_tokenizer, SENTENCE, "When?", num_video_tokens=2)
        == ids[:first_learned]
    )
    for name in ("asked_with_other_system", "message_followed_by_two_spaces"):
        one = replace(Differences(), **{name: True})
        other = encode_question(
            llama_tokenizer, SENTENCE, "When?", num_video_tokens=2, differences=one
        )
        assert other != ids[:first_learned]
        assert other.count(llama_tokenizer.convert_tokens_to_ids("<ImageHere>")) == 2
    text = llama_tokenizer.decode(
        encode_question(llama_tokenizer, SENTENCE, "?", num_video_tokens=2, differences=ORIGINAL)
    )
    assert QUESTION_SYSTEM[:20] in text


def test_unknown_tokens_are_seen() -> None:
    ids = torch.tensor([[1, 0, 5, 0], [1, 2, 3, 4]])
    assert attention_mask(ids, [3, 4]).tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert attention_mask(ids, [3, 4], differences=ORIGINAL).tolist() == [
        [1, 0, 1, 0],
        [1, 1, 1, 1],
    ]


def test_placeholder_is_added_once(llama_tokenizer: PreTrainedTokenizerBase) -> None:
    before = len(llama_tokenizer)
    assert add_image_token(llama_tokenizer) == 420
    with pytest.raises(ValueError, match="call add_image_token first"):
        encode_question(byte_tokenizer(), SENTENCE, "?", num_video_tokens=2, differences=ORIGINAL)
    assert len(llama_tokenizer) == before

"""The adapter's script against the original's dialogues: same ids, same labels."""

import dataclasses
from collections.abc import Sequence
from dataclasses import replace

import pytest
from transformers import PreTrainedTokenizerBase

from seqsynth import Example, Turn
from vidllm.adapters.timechat import script_of
from vidllm.config import PromptConfig, Turns
from vidllm.prompt_script import VISUAL_TOKEN
from vidllm.prompting import Prompter
from vidllm.timechat.config import Differences, tiny_timechat
from vidllm.timechat.prompt import (
    add_image_token,
    encode_dialogue,
    encode_question,
    sequence_sentence,
)


def in_seconds(example: Example) -> Example:
    turns = (
        Turn("When is a cat\nseen?", "0.0 - 3.0, a cat.  3.0 - 4.5, it ends. "),
        Turn("?", "-"),
    )
    return replace(example, codec="seconds", frame_codes=("0.0", "1.5", "3.0"), turns=turns)


def llama_prompter(
    tokenizer: PreTrainedTokenizerBase, *, turns: Turns = "dialogue", **differences: bool
) -> Prompter:
    """Of the adapter on LLaMA's tokenizer, places in seconds."""
    sizes = replace(tiny_timechat(), differences=Differences(**differences))
    prompt = PromptConfig(layout="block", template="chat", turns=turns)
    return Prompter(tokenizer, prompt, script_of(sizes, tokenizer, "seconds"))


def as_text(ids: Sequence[int], image_id: int) -> list[int]:
    return [image_id if id_ == VISUAL_TOKEN else id_ for id_ in ids]


def test_training_examples_have_the_ids_and_labels_of_the_original(
    llama_tokenizer: PreTrainedTokenizerBase, example: Example
) -> None:
    shown = in_seconds(example)
    image_id = add_image_token(llama_tokenizer)
    sentence = sequence_sentence(shown.frame_codes)
    encoded = llama_prompter(llama_tokenizer).encode(shown)
    ids, labels = encode_dialogue(llama_tokenizer, sentence, shown.turns, num_video_tokens=4)
    assert as_text(encoded.input_ids, image_id) == ids
    assert list(encoded.labels) == labels
    asked = encode_question(llama_tokenizer, sentence, shown.turns[0].prompt, num_video_tokens=4)
    assert as_text(encoded.input_ids, image_id)[: len(asked)] == asked
    apart = llama_prompter(llama_tokenizer, turns="apart").encode(shown)
    for number, turn in enumerate(shown.turns, start=1):
        seen = [
            id_ for id_, own in zip(apart.input_ids, apart.turns, strict=True) if own in (0, number)
        ]
        assert (
            as_text(seen, image_id)
            == encode_dialogue(llama_tokenizer, sentence, [turn], num_video_tokens=4)[0]
        )


@pytest.mark.parametrize("switch", ["", *(f.name for f in dataclasses.fields(Differences))])
def test_prompts_have_the_ids_of_the_original(
    llama_tokenizer: PreTrainedTokenizerBase, example: Example, switch: str
) -> None:
    shown = in_seconds(example)
    image_id = add_image_token(llama_tokenizer)
    sentence = sequence_sentence(shown.frame_codes)
    switched = {switch: True} if switch else {}
    prompter = llama_prompter(llama_tokenizer, **switched)
    prefix = prompter.prefix(shown).input_ids
    for prompt in ("When is a cat seen?", " Is  'x' at 12.5 - 13 s? ", "[INST] é"):
        ids = as_text([*prefix, *prompter.question(prompt)], image_id)
        assert ids == encode_question(
            llama_tokenizer,
            sentence,
            prompt,
            num_video_tokens=4,
            differences=Differences(**switched),
        )
    answer, [end_id] = prompter.answer_ids("1.5 - 3.0, a cat."), prompter.end_ids
    whole = [*prefix, *prompter.question("When?"), *answer, *prompter.closing_ids, end_id]
    if switch not in ("asked_with_other_system", "message_followed_by_two_spaces"):
        turn = Turn("When?", "1.5 - 3.0, a cat.")
        assert (
            as_text(whole, image_id)
            == encode_dialogue(llama_tokenizer, sentence, [turn], num_video_tokens=4)[0]
        )


def test_the_chats_own_tokens_in_a_text_are_text(
    llama_tokenizer: PreTrainedTokenizerBase, example: Example
) -> None:
    turns = (Turn("Is <s> or <ImageHere> there?", "no </s> is"),)
    shown = replace(in_seconds(example), turns=turns)
    add_image_token(llama_tokenizer)
    ids = llama_prompter(llama_tokenizer).encode(shown).input_ids
    end_id = llama_tokenizer.eos_token_id
    assert ids.count(end_id) == 1
    assert ids[-1] == end_id
    assert ids.count(VISUAL_TOKEN) == 4
    assert ids.count(llama_tokenizer.bos_token_id) == 1

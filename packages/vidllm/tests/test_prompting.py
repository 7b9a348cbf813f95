"""Token ids and labels: what is shown, what is learned."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from seqsynth import Corpus, Example, FrameRef
from vidllm.assembly import Assembly
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN, Script
from vidllm.prompting import Encoded, Prompter


def shown(prompter: Prompter, ids: tuple[int, ...]) -> str:
    """The text of ids, with <image> for each run of visual tokens."""
    tokenizer: Any = prompter.tokenizer
    parts: list[str] = []
    run: list[int] = []
    for id_ in (*ids, VISUAL_TOKEN):
        if id_ != VISUAL_TOKEN:
            run.append(id_)
            continue
        parts.append(tokenizer.decode(run, skip_special_tokens=False))
        run = []
    return "<image>".join(parts)


def learned(prompter: Prompter, encoded: Encoded) -> str:
    tokenizer: Any = prompter.tokenizer
    return str(tokenizer.decode([label for label in encoded.labels if label != IGNORED]))


PLAIN_TURNS = "Where is a cat?<6><6><6><7>\nWhere is a dog? The index is<3><3><3><3>.\n"


def test_interleaved_puts_each_code_after_its_picture(assembly: Assembly, example: Example) -> None:
    prompter = assembly.prompter
    encoded = prompter.encode(example)
    assert shown(prompter, encoded.input_ids) == (
        "<image> is<3><3><3><3>\n<image> is<6><6><6><7>\n<image> is<9><9><9><9>\n" + PLAIN_TURNS
    )
    assert encoded.frames == example.frames
    assert encoded.task == "iig"


def test_labels_are_the_answers_and_their_ends_alone(assembly: Assembly, example: Example) -> None:
    prompter = assembly.prompter
    encoded = prompter.encode(example)
    assert learned(prompter, encoded) == "<6><6><6><7>\n The index is<3><3><3><3>.\n"
    for id_, label in zip(encoded.input_ids, encoded.labels, strict=True):
        assert label in (IGNORED, id_)


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("code_first", "<3><3><3><3>:<image>\n<6><6><6><7>:<image>\n<9><9><9><9>:<image>\n"),
        (
            "block",
            "<image><image><image>\nThe video contains 3 frames sampled at "
            "<3><3><3><3>, <6><6><6><7>, <9><9><9><9>.\n",
        ),
    ],
)
def test_other_layouts(
    assembly_with: Callable[..., Assembly], example: Example, layout: str, text: str
) -> None:
    prompter = assembly_with(layout=layout).prompter
    assert shown(prompter, prompter.encode(example).input_ids) == text + PLAIN_TURNS


def test_chat_wraps_turns_in_chatml(
    assembly_with: Callable[..., Assembly], example: Example
) -> None:
    prompter = assembly_with(template="chat", turns="dialogue").prompter
    encoded = prompter.encode(example)
    assert set(encoded.turns) == {0}
    text = shown(prompter, encoded.input_ids)
    assert text.startswith("<|im_start|>user\n<image> is")
    assert text.endswith(
        "Where is a cat?<|im_end|>\n<|im_start|>assistant\n<6><6><6><7><|im_end|>\n"
        "<|im_start|>user\nWhere is a dog?<|im_end|>\n<|im_start|>assistant\n"
        "The index is<3><3><3><3>.<|im_end|>\n"
    )
    assert learned(prompter, encoded) == (
        "<6><6><6><7><|im_end|>The index is<3><3><3><3>.<|im_end|>"
    )


@pytest.mark.parametrize("template", ["plain", "chat"])
def test_each_turn_apart_reads_as_if_it_were_the_first(
    assembly_with: Callable[..., Assembly], example: Example, template: str
) -> None:
    prompter = assembly_with(template=template).prompter
    encoded = prompter.encode(example)
    for number, turn in enumerate(example.turns, start=1):
        alone = prompter.encode(replace(example, turns=(turn,), targets=()))
        seen = [own in (0, number) for own in encoded.turns]
        assert tuple(itertools.compress(encoded.input_ids, seen)) == alone.input_ids
        labels = tuple(itertools.compress(encoded.labels, seen))
        assert labels == alone.labels


def test_codes_alone_can_be_supervised(
    assembly_with: Callable[..., Assembly], example: Example
) -> None:
    prompter = assembly_with(supervise="codes").prompter
    assert learned(prompter, prompter.encode(example)) == "<6><6><6><7><3><3><3><3>"


def test_a_frame_can_be_shown_as_text(assembly: Assembly, example: Example) -> None:
    prompter = assembly.prompter
    encoded = prompter.encode(example, captions=[None, "a cat", None])
    assert shown(prompter, encoded.input_ids).startswith(
        "<image> is<3><3><3><3>\n a cat is<6><6><6><7>\n<image> is<9><9><9><9>\n"
    )
    assert encoded.frames == (example.frames[0], example.frames[2])


def test_every_frame_has_its_number_of_visual_tokens(assembly: Assembly, example: Example) -> None:
    prompter = Prompter(
        assembly.tokenizer,
        assembly.prompter.config,
        Script(picture=(VISUAL_TOKEN,) * 3),
        code_token_ids=[259],
    )
    assert prompter.encode(example).input_ids.count(VISUAL_TOKEN) == 9


@pytest.mark.parametrize("template", ["plain", "chat"])
@pytest.mark.parametrize("layout", ["interleaved", "code_first", "block"])
def test_a_question_asked_alone_reads_as_in_training(
    assembly_with: Callable[..., Assembly], example: Example, layout: str, template: str
) -> None:
    prompter = assembly_with(layout=layout, template=template).prompter
    trained = prompter.encode(example).input_ids
    asked = prompter.prefix(example).input_ids + prompter.question(example.turns[0].prompt)
    answered = asked + prompter.answer_ids(example.turns[0].answer) + prompter.end_ids
    assert trained[: len(answered)] == answered


def test_captions_follow_their_pictures(assembly: Assembly, corpus: Corpus) -> None:
    prompter = assembly.prompter
    frames = [FrameRef(image.path, 0) for image in corpus.train_images[:2]]
    encoded = prompter.encode_captions([(frames[0], "a cat"), (frames[1], "two\ndogs")])
    assert shown(prompter, encoded.input_ids) == "<image> is a cat.\n<image> is two dogs.\n"
    assert learned(prompter, encoded) == " a cat.\n two dogs.\n"
    assert encoded.task == "caption"


def test_codes_written_as_text_are_words_of_their_own(assembly: Assembly, example: Example) -> None:
    prompter = Prompter(assembly.tokenizer, assembly.prompter.config, Script())
    text = shown(prompter, prompter.encode(example).input_ids)
    assert text.startswith("<image> is <3><3><3><3>\n")

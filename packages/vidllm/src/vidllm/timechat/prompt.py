"""TimeChat's wording: what a frame, a sequence and a dialogue are in text, and which tokens learn.

The chat form is LLaMA-2's. The system text of training is a single space; the original asks with
another one, and with an extra space after the frames' times (`Differences`).

Shape suffixes: F frames, S tokens of the time text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from seqsynth import Turn
from vidllm.prompt_script import IGNORED, VISUAL_TOKEN
from vidllm.timechat.config import Differences

IMAGE_TOKEN = "<ImageHere>"
TRAINING_SYSTEM = " "
QUESTION_SYSTEM = (
    "You are able to understand the visual content that the user provides. "
    "Follow the instructions carefully and explain your answers in detail."
)
OPENING, CLOSING = "[INST]", "[/INST]"
BEGIN, END = "<s>", "</s>"
CHAT_TOKENS = (BEGIN, END, IMAGE_TOKEN)
MAX_FRAME_TEXT_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Wording:
    """How places are spoken of.

    Attributes:
        frame: of one frame, to the frame Q-Former.
        sequence: of all frames, to the language model; {count} and {places}.
    """

    frame: str
    sequence: str


WORDINGS = {
    "seconds": Wording(
        "This frame is sampled at {place} second.",
        "The video contains {count} frames sampled at {places} seconds. ",
    ),
    "frames": Wording(
        "This frame is sampled at {place}.",
        "The video contains {count} frames sampled at {places}. ",
    ),
    "images": Wording(
        "This image is indexed at {place}.",
        "The video contains {count} images indexed at {places}. ",
    ),
}
"""seconds: the original's; frames and images: the same where places are codes or numbers."""


def frame_sentences(places: Sequence[str], wording: str = "seconds") -> list[str]:
    """What the frame Q-Former reads with each frame."""
    return [WORDINGS[wording].frame.format(place=place) for place in places]


def sequence_sentence(places: Sequence[str], wording: str = "seconds") -> str:
    """What the language model reads of all frames, a space at its end.

    Example:
        >>> sequence_sentence(["0.0", "1.5"])
        'The video contains 2 frames sampled at 0.0, 1.5 seconds. '
    """
    return WORDINGS[wording].sequence.format(count=len(places), places=", ".join(places))


def frame_text(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """(F, S) ids, filled up with 0, and (F, S) mask of the sentences that a frame Q-Former reads.

    Args:
        tokenizer: BERT's, with whose table the Q-Former was trained; the original takes LLaMA's in
            training (`frame_text_in_llm_tokens`).
        sentences: one a frame.
    """
    call: Any = tokenizer
    ids = call(list(sentences), truncation=True, max_length=MAX_FRAME_TEXT_TOKENS).input_ids
    longest = max(1, *(len(row) for row in ids))  # a frame may have no text at all
    filled = [[*row, *[0] * (longest - len(row))] for row in ids]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in ids]
    return torch.tensor(filled), torch.tensor(mask)


def frame_text_tokenizer(
    own: PreTrainedTokenizerBase,
    of_llm: PreTrainedTokenizerBase,
    *,
    is_training: bool,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> PreTrainedTokenizerBase:
    """The tokenizer of the frames' sentences.

    Args:
        own: the frame Q-Former's.
        of_llm: the language model's.
        is_training: the original trains with one and asks with the other.
        differences: `frame_text_in_llm_tokens`.
    """
    return of_llm if is_training and differences.frame_text_in_llm_tokens else own


def image_token_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the video tokens' placeholder.

    Raises:
        ValueError: the tokenizer does not have it.
    """
    found = tokenizer.get_added_vocab().get(IMAGE_TOKEN)
    if found is None:
        raise ValueError(f"the tokenizer has no {IMAGE_TOKEN}: call add_image_token first")
    return int(found)


def add_image_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """The id of the video tokens' placeholder, after adding it where it is missing.

    Call it before time tokens are added, so that it is 32000 with LLaMA-2 as in the original.
    """
    tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
    return image_token_id(tokenizer)


def encode_dialogue(
    tokenizer: PreTrainedTokenizerBase,
    sentence: str,
    turns: Sequence[Turn],
    *,
    num_video_tokens: int,
    max_tokens: int | None = 2048,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> tuple[list[int], list[int]]:
    """Token ids and labels of a training dialogue.

    Learned is what follows each "[/INST]" up to the end of the turn, the space included.

    Args:
        tokenizer: LLaMA's, a fast one, with the placeholder added.
        sentence: see `sequence_sentence`.
        turns: the questions and answers.
        num_video_tokens: of the video.
        max_tokens: what comes later is cut off; None: nothing is.
        differences: `labels_break_off`.

    Raises:
        ValueError: a turn that holds one of the chat's own tokens; a question so long that no
            answer is left.
    """
    pieces: list[tuple[str, bool]] = []
    video = f"<Video>{IMAGE_TOKEN * num_video_tokens}</Video> {sentence}"
    breaks_off = False
    for number, turn in enumerate(turns):
        if not differences.labels_break_off:
            _refuse_chat_tokens(turn)
        breaks_off |= differences.labels_break_off and f"{CLOSING} " in turn.prompt + turn.answer
        opening = f"{BEGIN}{OPENING} "
        if number == 0:  # the tokenizer puts the first <s>
            opening = f"{OPENING} <<SYS>>\n{TRAINING_SYSTEM}\n<</SYS>>\n\n{video}"
        pieces.append((f"{opening}{turn.prompt} {CLOSING}", False))
        pieces.append((f" {turn.answer} {END}", not breaks_off))
    call: Any = tokenizer
    encoded = call("".join(text for text, _ in pieces), return_offsets_mapping=True)
    ids: list[int] = list(encoded.input_ids)
    labels = [
        id_ if end > start and _is_learned(pieces, start) else IGNORED
        for id_, (start, end) in zip(ids, encoded.offset_mapping, strict=True)
    ]
    ids, labels = ids[:max_tokens], labels[:max_tokens]
    if not breaks_off and all(label == IGNORED for label in labels):
        raise ValueError(
            f"the first question ends after max_tokens ({max_tokens}): no answer is left to learn"
        )
    return ids, labels


def encode_question(
    tokenizer: PreTrainedTokenizerBase,
    sentence: str,
    question: str,
    *,
    num_video_tokens: int,
    system: str | None = None,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> list[int]:
    """Token ids of a question about a video, up to where the answer begins.

    Args:
        tokenizer: LLaMA's, with the placeholder added.
        sentence: see `sequence_sentence`.
        question: what is asked.
        num_video_tokens: of the video.
        system: in place of the system text that the switches give.
        differences: `asked_with_other_system`, `message_followed_by_two_spaces`.
    """
    if system is None:
        system = QUESTION_SYSTEM if differences.asked_with_other_system else TRAINING_SYSTEM
    space = " " if differences.message_followed_by_two_spaces else ""
    text = f"{sentence}{space}{question} {CLOSING}"
    apart = differences.asked_with_other_system
    return _encode_with_video(
        tokenizer, text, num_video_tokens=num_video_tokens, system=system, apart=apart
    )


def encode_opening(
    tokenizer: PreTrainedTokenizerBase,
    sentence: str,
    *,
    num_video_tokens: int,
    is_asked: bool = False,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> list[int]:
    """Token ids of all that stands before the first question and the space in front of it.

    What `encode_dialogue` and `encode_question` return begins with these: no token of LLaMA's
    reaches over the space between two words.

    Args:
        tokenizer: LLaMA's, with the placeholder added.
        sentence: see `sequence_sentence`.
        num_video_tokens: of the video.
        is_asked: as `encode_question` begins; else as `encode_dialogue`.
        differences: `asked_with_other_system`.
    """
    apart = is_asked and differences.asked_with_other_system
    system = QUESTION_SYSTEM if apart else TRAINING_SYSTEM
    text = sentence.rstrip(" ")
    return _encode_with_video(
        tokenizer, text, num_video_tokens=num_video_tokens, system=system, apart=apart
    )


def _encode_with_video(
    tokenizer: PreTrainedTokenizerBase,
    text: str,
    *,
    num_video_tokens: int,
    system: str,
    apart: bool,
) -> list[int]:
    """Ids of system text, video and a text; `apart`: what is on either side on its own."""
    before = f"{OPENING} <<SYS>>\n{system}\n<</SYS>>\n\n<Video>"
    after = f"</Video> {text}".rstrip(" ")
    call: Any = tokenizer
    if not apart:
        return list(call(f"{before}{IMAGE_TOKEN * num_video_tokens}{after}").input_ids)
    video = [image_token_id(tokenizer)] * num_video_tokens
    return [*call(before).input_ids, *video, *call(after, add_special_tokens=False).input_ids]


class Dialogues:
    """These dialogues as `vidllm.prompt_script.Script` takes them.

    Args:
        tokenizer: LLaMA's, with the placeholder added; time tokens may follow.
        num_video_tokens: of a video, by its number of frames.
        sentence_of: what the language model reads of all frames, by the text of their places.
        differences: as in `encode_dialogue` and `encode_question`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        num_video_tokens: Callable[[int], int],
        sentence_of: Callable[[Sequence[str]], str],
        *,
        differences: Differences = Differences(),  # noqa: B008 frozen
    ):
        self.tokenizer = tokenizer
        self.num_video_tokens, self.sentence_of = num_video_tokens, sentence_of
        self.differences = differences
        self._image_id = image_token_id(tokenizer)
        # Of questions after no sentence and no video: what follows it is the same after any.
        self._trained_opening = len(encode_opening(tokenizer, "", num_video_tokens=0))
        asked = encode_opening(
            tokenizer, "", num_video_tokens=0, is_asked=True, differences=differences
        )
        self._asked_opening = len(asked)
        space, self.end_id = self.turns([Turn("?", ".")])[0][-2:]
        self.closing: tuple[int, ...] = (space,)

    def opening(self, codes: Sequence[str], *, is_asked: bool) -> tuple[int, ...]:
        """All before the first question, VISUAL_TOKEN for each video token."""
        ids = encode_opening(
            self.tokenizer,
            self.sentence_of(codes),
            num_video_tokens=self.num_video_tokens(len(codes)),
            is_asked=is_asked,
            differences=self.differences,
        )
        return tuple(VISUAL_TOKEN if id_ == self._image_id else id_ for id_ in ids)

    def turns(self, turns: Sequence[Turn]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids and labels of what follows: questions with their answers."""
        plain = [Turn(without_chat_tokens(t.prompt), without_chat_tokens(t.answer)) for t in turns]
        ids, labels = encode_dialogue(
            self.tokenizer,
            "",
            plain,
            num_video_tokens=0,
            max_tokens=None,
            differences=self.differences,
        )
        return tuple(ids[self._trained_opening :]), tuple(labels[self._trained_opening :])

    def question(self, prompt: str) -> tuple[int, ...]:
        """Ids of the first question, up to where its answer begins."""
        plain = without_chat_tokens(prompt)
        ids = encode_question(
            self.tokenizer, "", plain, num_video_tokens=0, differences=self.differences
        )
        return tuple(ids[self._asked_opening :])


def without_chat_tokens(text: str) -> str:
    """The text with a space in each of the chat's own tokens, which would be read as such.

    Example:
        >>> without_chat_tokens("a tag </s> on a wall")
        'a tag < /s> on a wall'
    """
    for token in CHAT_TOKENS:
        text = text.replace(token, f"< {token[1:]}")
    return text


def attention_mask(
    input_ids: Tensor,
    lengths: Sequence[int],
    *,
    differences: Differences = Differences(),  # noqa: B008 frozen
) -> Tensor:
    """1 where a token is seen: all of each row's own, in the original only those that are not 0.

    Args:
        input_ids: (B, T), padded on the right; the original pads with 0, which is also the unknown
            token.
        lengths: tokens of each row.
        differences: `unknown_is_padding`.
    """
    if differences.unknown_is_padding:
        return (input_ids != 0).long()
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    return (places < torch.tensor(lengths, device=input_ids.device)[:, None]).long()


def _is_learned(pieces: Sequence[tuple[str, bool]], start: int) -> bool:
    end = 0
    for text, learned in pieces:
        end += len(text)
        if start < end:
            return learned
    return False


def _refuse_chat_tokens(turn: Turn) -> None:
    for text in (turn.prompt, turn.answer):
        for token in CHAT_TOKENS:
            if token in text:
                raise ValueError(
                    f"{token} stands in the text {text[:60]!r}, where it would be read as the "
                    "chat's own: take it out"
                )

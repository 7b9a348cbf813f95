"""From an `Example` to token ids and labels. The prompt layout is decided here and nowhere else.

One placeholder id stands for each visual token; labels are IGNORED outside of what is learned.
Layouts, for frames with codes:

- interleaved  `<image> is CODE` a line: the picture first and its code after it, so that finding
  a place is the induction that language models do anyway (docs/experiments.md).
- code_first   `CODE: <image>` a line, the order of today's VLMs.
- block        all pictures, then one sentence with all codes: TimeChat's and the paper's.

The plain template writes `question answer` a line; chat writes the turns of the base. Those, how
many visual tokens a frame has and what stands around them: `vidllm.prompt_script`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

import timetokens as tt
from seqsynth import Example, FrameRef, Turn
from seqsynth.video_tasks import CAPTION
from vidllm.config import PromptConfig
from vidllm.prompt_script import IGNORED, Script
from vidllm.stage_config import Supervised

WHERE_TASKS = ("iig", "tvg")
"""Tasks whose answers say where, and nothing else."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as the model takes it.

    Attributes:
        task: for the per-task loss.
        input_ids: VISUAL_TOKEN where a visual token goes.
        labels: as long as input_ids.
        turns: as long as input_ids: 0 in the sequence, k in the k-th question and its answer;
            a turn does not see the others. All 0 in a dialogue, where all see what came before.
        frames: what the visual tokens show, in their order.
        codes: as long as frames: the text of each one's place, "" where it has none.
    """

    task: str
    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    turns: tuple[int, ...]
    frames: tuple[FrameRef, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """The part of a prompt that all questions about one sequence share."""

    input_ids: tuple[int, ...]
    frames: tuple[FrameRef, ...]
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of tokens; `learned` says whether they carry loss."""

    ids: Sequence[int]
    learned: bool = False


class Prompter:
    """Turns examples into token ids under one configuration.

    Args:
        tokenizer: with the codec's tokens added.
        config: layout, template and what is supervised.
        script: how the base writes frames and turns.
        code_token_ids: ids of the codec's own tokens; empty where codes are ordinary text.

    Raises:
        ValueError: a layout that the base cannot serve.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        config: PromptConfig,
        script: Script,
        *,
        code_token_ids: Sequence[int] = (),
    ):
        if script.together is not None and config.layout != "block":
            raise ValueError(
                f"prompt.layout is {config.layout!r}: this base mixes the frames of a sequence, so "
                "no text can stand between them; choose block"
            )
        self.tokenizer = tokenizer
        self.config = config
        self.script = script
        self.code_token_ids = frozenset(code_token_ids)
        self._dialogues = script.dialogues if config.template == "chat" else None
        # Codes of added tokens stand on their own; those of ordinary text need a word break.
        self.code_space = "" if self.code_token_ids else " "
        tokens = [re.escape(token) for token in self._code_tokens()]
        self._spaced_codes = re.compile(f" ({'|'.join(tokens)})") if tokens else None
        self._ids_of: dict[str, tuple[int, ...]] = {}

    def _code_tokens(self) -> list[str]:
        tokenizer: Any = self.tokenizer
        return list(tokenizer.convert_ids_to_tokens(sorted(self.code_token_ids)))

    def encode(
        self,
        example: Example,
        *,
        captions: Sequence[str | None] = (),
        supervise: Supervised | None = None,
    ) -> Encoded:
        """The whole example with its answers labelled.

        Args:
            example: frames, codes, turns.
            captions: for each frame, text to show in place of its picture, or None.
            supervise: in place of the configuration's.
        """
        codes_alone = (supervise or self.config.supervise) == "codes"
        codes_alone = codes_alone and example.task in WHERE_TASKS
        shown, frames, codes = self._sequence(example, captions)
        apart = self.config.turns == "apart"
        if self._dialogues is not None:
            groups: Sequence[Sequence[Turn]] = [[turn] for turn in example.turns]
            groups = groups if apart else [example.turns]
            turns = [self._whole(group, codes_alone=codes_alone) for group in groups]
        else:
            turns = [
                self._turn(turn, first=apart or index == 0, codes_alone=codes_alone)
                for index, turn in enumerate(example.turns)
            ]
        if not apart:
            shown, turns = [*shown, *(piece for turn in turns for piece in turn)], []
        return _joined(example.task, [shown, *turns], frames, codes)

    def encode_captions(self, shown: Sequence[tuple[FrameRef, str]]) -> Encoded:
        """Pictures, each followed by its caption: what aligns the projector."""
        pieces = []
        for _, caption in shown:
            pieces += [_Piece(self._alone()), _Piece(self.ids(" is"))]
            pieces += [_Piece(self.ids(f" {one_line(caption)}.\n"), learned=True)]
        frames = [frame for frame, _ in shown]
        return _joined(CAPTION, [pieces], frames, [""] * len(frames))

    def prefix(self, example: Example) -> Prefix:
        """Everything before the first question."""
        pieces, frames, codes = self._sequence(example, (), is_asked=True)
        ids = tuple(id_ for piece in pieces for id_ in piece.ids)
        return Prefix(ids, tuple(frames), tuple(codes))

    def question(self, prompt: str) -> tuple[int, ...]:
        """What follows the prefix up to where the answer begins."""
        if self._dialogues is not None:
            return self._dialogues.question(self._written(prompt))
        return tuple(id_ for piece in self._question(prompt, first=True) for id_ in piece.ids)

    def answer_ids(self, answer: str) -> tuple[int, ...]:
        """An answer without what ends it."""
        text = self._written(answer)
        if self._dialogues is not None:
            labels = self._dialogues.turns([Turn("", text)])[1]
            learned = [label for label in labels if label != IGNORED]
            return tuple(learned[: -len(self.closing_ids) - 1])
        ids = self.ids(text)
        spaced = self.config.template == "plain" or self.script.chat.spaced_answers
        if spaced and ids[:1] and ids[0] not in self.code_token_ids:
            ids = self.ids(f" {text}")
        return ids

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer."""
        if self._dialogues is not None:
            return (self._dialogues.end_id,)
        return self.ids("\n" if self.config.template == "plain" else self.script.chat.end)

    @property
    def closing_ids(self) -> tuple[int, ...]:
        """What stands between an answer and the tokens that end it."""
        return () if self._dialogues is None else self._dialogues.closing

    def ids(self, text: str) -> tuple[int, ...]:
        """Token ids of a text, without special tokens around it."""
        if text not in self._ids_of:
            encoded = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(self._ids_of) > 100_000:  # captions repeat, whole answers do not
                self._ids_of.clear()
            self._ids_of[text] = tuple(encoded)
        return self._ids_of[text]

    def _sequence(
        self, example: Example, captions: Sequence[str | None], *, is_asked: bool = False
    ) -> tuple[list[_Piece], list[FrameRef], list[str]]:
        """Pieces of the sequence, and the frames with their codes that its pictures show."""
        texts = list(captions) or [None] * len(example.frames)
        seen = [place for place, text in enumerate(texts) if text is None]
        if self.script.together is not None:
            pieces = self._together(example, seen, is_asked=is_asked)
        else:
            pieces = self._one_by_one(example, texts)
        if self.config.template == "chat" and self._dialogues is None:
            pieces = [_Piece(self.ids(self.script.chat.opening)), *pieces]
        frames = [example.frames[place] for place in seen]
        return pieces, frames, [example.frame_codes[place] for place in seen]

    def _one_by_one(self, example: Example, texts: Sequence[str | None]) -> list[_Piece]:
        shown, codes = [], []
        for places in grouped(example.frames, self.script.frames_per_picture):
            text = texts[places[0]]
            shown.append(self.script.picture if text is None else self.ids(f" {one_line(text)}"))
            codes.append(mean_code(example, places))
        return _LAYOUTS[self.config.layout](self, shown, codes)

    def _together(self, example: Example, seen: Sequence[int], *, is_asked: bool) -> list[_Piece]:
        assert self.script.together is not None
        if len(seen) != len(example.frames):
            raise ValueError(
                "this base mixes the frames of a sequence: none can be shown as text; "
                "set the stages' text_fraction to 0"
            )
        if self._dialogues is not None:
            return [_Piece(self._dialogues.opening(example.frame_codes, is_asked=is_asked))]
        sentence = self.script.sentence(example.frame_codes)
        return [_Piece(self.script.together(len(seen))), _Piece(self.ids(sentence))]

    def _alone(self) -> tuple[int, ...]:
        """The ids of one frame by itself."""
        return self.script.together(1) if self.script.together else self.script.picture

    def _written(self, text: str) -> str:
        """Text of a turn on one line, its codes written as those of the pictures are."""
        if self._dialogues is None:  # which keep texts as they are
            text = one_line(text)
        # The space before an added token would be a token of its own, which stands nowhere in
        # `<image> is<0><7>...`: what the model continues there, it would have to learn again.
        return text if self._spaced_codes is None else self._spaced_codes.sub(r"\1", text)

    def _question(self, prompt: str, *, first: bool) -> list[_Piece]:
        if self.config.template == "plain":
            return [_Piece(self.ids(self._written(prompt)))]
        chat = self.script.chat
        opening = "" if first else chat.again
        return [_Piece(self.ids(f"{opening}{self._written(prompt)}{chat.asked}"))]

    def _whole(self, turns: Sequence[Turn], *, codes_alone: bool) -> list[_Piece]:
        """Turns of a base whose text is one piece."""
        assert self._dialogues is not None
        written = [Turn(self._written(turn.prompt), self._written(turn.answer)) for turn in turns]
        ids, labels = self._dialogues.turns(written)
        learned = [label != IGNORED for label in labels]
        if codes_alone and self.code_token_ids.intersection(labels):
            learned = [label in self.code_token_ids for label in labels]
        return [_Piece([id_], is_learned) for id_, is_learned in zip(ids, learned, strict=True)]

    def _turn(self, turn: Turn, *, first: bool, codes_alone: bool) -> list[_Piece]:
        answer = self.answer_ids(turn.answer)
        pieces = self._question(turn.prompt, first=first)
        if codes_alone and self.code_token_ids.intersection(answer):
            pieces += [_Piece([id_], id_ in self.code_token_ids) for id_ in answer]
            pieces.append(_Piece(self.end_ids))
        else:
            pieces += [_Piece(answer, learned=True), _Piece(self.end_ids, learned=True)]
        if self.config.template == "chat":
            pieces.append(_Piece(self.ids(self.script.chat.after)))
        return pieces


def grouped(frames: Sequence[FrameRef], frames_per_picture: int) -> list[tuple[int, ...]]:
    """Places of the frames that share a picture: neighbours of one file, as far as they go.

    Frames of two files never do, so that a picture shows one thing and items stay apart.
    """
    groups: list[tuple[int, ...]] = []
    for place, frame in enumerate(frames):
        last = groups[-1] if groups else ()
        if 0 < len(last) < frames_per_picture and frames[last[0]].path == frame.path:
            groups[-1] = (*last, place)
        else:
            groups.append((place,))
    return groups


def mean_code(example: Example, places: Sequence[int]) -> str:
    """The code of the mean position of some frames; that of a single one is its own."""
    if len(places) == 1:
        return example.frame_codes[places[0]]
    codec, duration = tt.CODECS[example.codec], example.duration_seconds
    seconds = [
        codec.parse_point(example.frame_codes[place], duration_seconds=duration) for place in places
    ]
    return codec.format_point(tt.TimePosition(sum(seconds) / len(seconds), duration))


def one_line(text: str) -> str:
    """The text on one line: a line break would end an answer early."""
    return re.sub(r"\s+", " ", text).strip()


def _interleaved(
    prompter: Prompter, shown: Sequence[Sequence[int]], codes: Sequence[str]
) -> list[_Piece]:
    pieces = []
    for picture, code in zip(shown, codes, strict=True):
        pieces += [_Piece(picture), _Piece(prompter.ids(" is"))]
        pieces += [
            _Piece(prompter.ids(f"{prompter.code_space}{code}")),
            _Piece(prompter.ids("\n")),
        ]
    return pieces


def _code_first(
    prompter: Prompter, shown: Sequence[Sequence[int]], codes: Sequence[str]
) -> list[_Piece]:
    pieces = []
    for picture, code in zip(shown, codes, strict=True):
        pieces += [_Piece(prompter.ids(code)), _Piece(prompter.ids(":"))]
        pieces += [_Piece(picture), _Piece(prompter.ids("\n"))]
    return pieces


def _block(
    prompter: Prompter, shown: Sequence[Sequence[int]], codes: Sequence[str]
) -> list[_Piece]:
    sentence = prompter.script.sentence(codes)
    return [*(_Piece(picture) for picture in shown), _Piece(prompter.ids(sentence))]


_LAYOUTS: dict[str, Callable[[Prompter, Sequence[Sequence[int]], Sequence[str]], list[_Piece]]] = {
    "interleaved": _interleaved,
    "code_first": _code_first,
    "block": _block,
}


def _joined(
    task: str,
    turns: Sequence[Sequence[_Piece]],
    frames: Sequence[FrameRef],
    codes: Sequence[str],
) -> Encoded:
    placed = [(piece, turn) for turn, pieces in enumerate(turns) for piece in pieces]
    return Encoded(
        task,
        input_ids=tuple(id_ for piece, _ in placed for id_ in piece.ids),
        labels=tuple(id_ if piece.learned else IGNORED for piece, _ in placed for id_ in piece.ids),
        turns=tuple(turn for piece, turn in placed for _ in piece.ids),
        frames=tuple(frames),
        codes=tuple(codes),
    )

"""Answers to many questions about the same sequences, by greedy or beam search.

The frames of a sequence are the long part of a prompt and are the same for all its questions: their
keys and values are computed once and handed to every question, which on a CPU is most of the work.

Beams are for answers of a fixed length: a place is four digits, and the likeliest first digit is
not always that of the likeliest place. Answers with captions are written greedily.

Shape suffixes: S sequences, R rows (one a beam), T tokens, D width, K vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from vidllm.adapters.base import FrameSource, SequenceModel
from vidllm.batching import pad_left
from vidllm.constraints import AnswerForm
from vidllm.model.continuation import unwrapped
from vidllm.prompting import Prefix

CPU_CACHE_BYTES = 1440 * 2**20
"""For keys and values of a batch where there is no GPU: 32,768 tokens of SmolLM2-135M."""
GPU_CACHE_SHARE = 1 / 8
"""The same on a GPU, of its memory."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a sequence.

    Attributes:
        key: whatever tells the asker which one it is.
        input_ids: what follows the prefix, the form's lead not among it.
        max_new_tokens: where an answer is cut off.
        form: what the answer may look like; None: anything.
    """

    key: str
    input_ids: tuple[int, ...]
    max_new_tokens: int
    form: AnswerForm | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, lead included; `is_complete` says that the model ended it itself."""

    key: str
    ids: tuple[int, ...]
    is_complete: bool


@torch.inference_mode()
def answers(
    model: SequenceModel,
    source: FrameSource,
    asked: Sequence[tuple[Prefix, Sequence[Question]]],
    *,
    end_id: int,
    num_beams: int = 1,
) -> Iterator[list[Answer]]:
    """Answers in batches, sequences of one prompt length together.

    Args:
        model: in evaluation mode.
        source: gives what the model takes of the sequences' frames.
        asked: each sequence once, with all its questions.
        end_id: the token that ends an answer.
        num_beams: places looked at side by side, for answers that are nothing but places.
    """
    by_length = sorted(asked, key=lambda pair: len(pair[0].input_ids))
    max_tokens = cache_bytes(model.device) // cached_bytes_per_token(model.llm)
    for _, same_length in groupby(by_length, key=lambda pair: len(pair[0].input_ids)):
        for batch in _split(list(same_length), num_beams, max_tokens):
            yield _answer_batch(model, source, batch, end_id, num_beams)


def cached_bytes_per_token(llm: Any) -> int:
    """Keys and values of one token in all layers of a language model, or of a VLM's.

    Layers that look at a window alone keep less of a long text; they are counted in full.
    """
    model = unwrapped(llm)
    config = model.config.get_text_config()
    head_dim = getattr(config, "head_dim", None)
    head_dim = head_dim or config.hidden_size // config.num_attention_heads
    values = 2 * config.num_hidden_layers * config.num_key_value_heads * head_dim
    return int(values * model.get_input_embeddings().weight.element_size())


def cache_bytes(device: torch.device) -> int:
    """What keys and values of a batch may take."""
    if device.type != "cuda":
        return CPU_CACHE_BYTES
    return int(torch.cuda.get_device_properties(device).total_memory * GPU_CACHE_SHARE)


def _split(
    asked: list[tuple[Prefix, Sequence[Question]]], num_beams: int, max_tokens: int
) -> Iterator[list[tuple[Prefix, Sequence[Question]]]]:
    """Batches whose cached tokens stay within the limit, of one sequence at least."""
    batch: list[tuple[Prefix, Sequence[Question]]] = []
    num_tokens = 0
    for prefix, questions in asked:
        longest = max(len(q.input_ids) + q.max_new_tokens for q in questions)
        num_rows = sum(_width(question, num_beams) for question in questions)
        cost = num_rows * (len(prefix.input_ids) + longest)
        if batch and num_tokens + cost > max_tokens:
            yield batch
            batch, num_tokens = [], 0
        batch.append((prefix, questions))
        num_tokens += cost
    if batch:
        yield batch


def _answer_batch(
    model: SequenceModel,
    source: FrameSource,
    batch: list[tuple[Prefix, Sequence[Question]]],
    end_id: int,
    num_beams: int,
) -> list[Answer]:
    device = model.device
    prefixes = [prefix for prefix, _ in batch]
    ids_ST = torch.tensor([prefix.input_ids for prefix in prefixes], device=device)
    inputs = {name: value.to(device) for name, value in source.inputs(prefixes).items()}
    cache, next_positions_S = model.begin(ids_ST, inputs)
    questions = [question for _, group in batch for question in group]
    owner_R = torch.tensor(
        [index for index, (_, group) in enumerate(batch) for _ in group], device=device
    )
    cache.batch_select_indices(owner_R)
    rows = _Rows(model, cache, ids_ST.shape[1], next_positions_S[owner_R], questions)
    written = rows.run(end_id, num_beams)
    return [
        _answer(question, ids, end_id) for question, ids in zip(questions, written, strict=True)
    ]


def _answer(question: Question, written: list[int], end_id: int) -> Answer:
    is_complete = written[-1:] == [end_id]
    lead = question.form.lead if question.form else ()
    return Answer(question.key, (*lead, *written[: len(written) - is_complete]), is_complete)


def _width(question: Question, num_beams: int) -> int:
    """How many beams a question gets."""
    is_fixed = question.form is not None and not question.form.with_captions
    return num_beams if is_fixed else 1


@dataclass(frozen=True, slots=True)
class _Beam:
    """One way to answer a question (by number), as far as it is written."""

    question: int
    written: list[int]
    log_probability: float


class _Rows:
    """The rows of one batch while they are written; finished ones are taken out of the cache."""

    def __init__(
        self,
        model: SequenceModel,
        cache: Any,
        prefix_length: int,
        next_positions_R: Tensor,
        questions: Sequence[Question],
    ):
        device = model.device
        self.model, self.cache = model, cache
        self.questions = questions
        self.beams = [_Beam(number, [], 0.0) for number in range(len(questions))]
        asked = [(*q.input_ids, *(q.form.lead if q.form else ())) for q in questions]
        ids_RT, mask_RT = pad_left(asked, 0)
        self.next_RT = ids_RT.to(device)
        seen_RT = torch.ones(len(questions), prefix_length, dtype=mask_RT.dtype)
        self.mask_RT = torch.cat([seen_RT, mask_RT], dim=1).to(device)
        # Filling at the start has positions before the question's; nothing looks at it.
        positions_RT = next_positions_R[:, None] + mask_RT.to(device).cumsum(1) - 1
        self.positions_RT = positions_RT.clamp(min=0)

    def run(self, end_id: int, num_beams: int) -> list[list[int]]:
        """Writes until every question is answered or its answer is full."""
        finished: dict[int, _Beam] = {}
        while self.beams:
            logits_RK = self._forward()
            grown: dict[int, list[tuple[int, _Beam]]] = defaultdict(list)
            for place, beam in enumerate(self.beams):
                width = _width(self.questions[beam.question], num_beams)
                for token, score in self._next(logits_RK[place], beam, width):
                    longer = _Beam(
                        beam.question, [*beam.written, token], beam.log_probability + score
                    )
                    grown[beam.question].append((place, longer))
            going = []
            for number, found in grown.items():
                question = self.questions[number]
                found.sort(key=lambda pair: -pair[1].log_probability)
                best = found[: _width(question, num_beams)]
                # Beams have answers of one length: they end together, the best first.
                written = best[0][1].written
                if written[-1] == end_id or len(written) >= question.max_new_tokens:
                    finished[number] = best[0][1]
                else:
                    going += best
            self._keep(going)
        return [finished[number].written for number in range(len(self.questions))]

    def _forward(self) -> Tensor:
        return self.model.go_on(
            self.next_RT, mask_RT=self.mask_RT, positions_RT=self.positions_RT, cache=self.cache
        )

    def _next(self, logits_K: Tensor, beam: _Beam, width: int) -> list[tuple[int, float]]:
        """The likeliest next tokens, each with its log probability among those allowed."""
        form = self.questions[beam.question].form
        allowed = form.allowed(beam.written) if form else None
        if form is not None and allowed is None:
            logits_K = logits_K.clone()
            logits_K[torch.tensor(sorted(form.code_ids | {form.end}))] = -torch.inf
        if allowed is None:
            return [(int(logits_K.argmax()), 0.0)]  # one beam: nothing to weigh it against
        ids = torch.tensor(sorted(allowed), device=logits_K.device)
        scores, order = logits_K[ids].float().log_softmax(0).sort(descending=True, stable=True)
        return list(zip(ids[order[:width]].tolist(), scores[:width].tolist(), strict=True))

    def _keep(self, going: list[tuple[int, _Beam]]) -> None:
        """Goes on with these beams, each grown from the row at its place."""
        places = [place for place, _ in going]
        places_R = torch.tensor(places, dtype=torch.long, device=self.next_RT.device)
        if going and places != list(range(len(self.beams))):
            self.cache.batch_select_indices(places_R)
        self.beams = [beam for _, beam in going]
        tokens = [beam.written[-1] for beam in self.beams]
        self.next_RT = torch.tensor(tokens, dtype=torch.long, device=places_R.device)[:, None]
        mask_RT = self.mask_RT[places_R]
        self.mask_RT = torch.cat([mask_RT, torch.ones_like(mask_RT[:, :1])], dim=1)
        self.positions_RT = self.positions_RT[places_R][:, -1:] + 1

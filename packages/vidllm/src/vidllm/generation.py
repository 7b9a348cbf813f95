"""Greedy answers to many questions about the same sequences.

The frames of a sequence are the long part of a prompt and are the same for all its questions: their
keys and values are computed once and handed to every question, which on a CPU is most of the work.

Shape suffixes: S sequences, R rows (one a question), T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from vidllm.batching import pad_left
from vidllm.constraints import AnswerForm
from vidllm.features import FeatureStore
from vidllm.model.video_llm import VideoLLM
from vidllm.prompting import Prefix

# Keys and values of SmolLM2-135M take 46 kB a token: 1.5 GB at this many.
MAX_CACHED_TOKENS = 32_768


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
    model: VideoLLM,
    features: FeatureStore,
    asked: Sequence[tuple[Prefix, Sequence[Question]]],
    end_id: int,
) -> Iterator[list[Answer]]:
    """Answers in batches, sequences of one prompt length together.

    Args:
        model: in evaluation mode.
        features: of the sequences' frames.
        asked: each sequence once, with all its questions.
        end_id: the token that ends an answer.
    """
    by_length = sorted(asked, key=lambda pair: len(pair[0].input_ids))
    for _, same_length in groupby(by_length, key=lambda pair: len(pair[0].input_ids)):
        for batch in _split(list(same_length)):
            yield _answer_batch(model, features, batch, end_id)


def _split(
    asked: list[tuple[Prefix, Sequence[Question]]],
) -> Iterator[list[tuple[Prefix, Sequence[Question]]]]:
    """Batches whose cached tokens stay within the limit, of one sequence at least."""
    batch: list[tuple[Prefix, Sequence[Question]]] = []
    num_tokens = 0
    for prefix, questions in asked:
        longest = max(len(q.input_ids) + q.max_new_tokens for q in questions)
        cost = len(questions) * (len(prefix.input_ids) + longest)
        if batch and num_tokens + cost > MAX_CACHED_TOKENS:
            yield batch
            batch, num_tokens = [], 0
        batch.append((prefix, questions))
        num_tokens += cost
    if batch:
        yield batch


def _answer_batch(
    model: VideoLLM,
    features: FeatureStore,
    batch: list[tuple[Prefix, Sequence[Question]]],
    end_id: int,
) -> list[Answer]:
    device = model.projector.mean.device
    decoder: Any = model.causal_lm.get_decoder()
    ids_ST = torch.tensor([prefix.input_ids for prefix, _ in batch], device=device)
    frames = [frame for prefix, _ in batch for frame in prefix.frames]
    shown = decoder(
        inputs_embeds=model.embed(ids_ST, features.lookup(frames).to(device)), use_cache=True
    )
    cache = shown.past_key_values
    questions = [question for _, group in batch for question in group]
    owner_R = torch.tensor(
        [index for index, (_, group) in enumerate(batch) for _ in group], device=device
    )
    cache.batch_select_indices(owner_R)
    written = _Rows(model, decoder, cache, ids_ST.shape[1], questions, device).run(end_id)
    return [
        _answer(question, ids, end_id) for question, ids in zip(questions, written, strict=True)
    ]


def _answer(question: Question, written: list[int], end_id: int) -> Answer:
    is_complete = written[-1:] == [end_id]
    lead = question.form.lead if question.form else ()
    return Answer(question.key, (*lead, *written[: len(written) - is_complete]), is_complete)


class _Rows:
    """The rows of one batch while they are written; finished ones are taken out of the cache."""

    def __init__(
        self,
        model: VideoLLM,
        decoder: Any,
        cache: Any,
        prefix_length: int,
        questions: Sequence[Question],
        device: torch.device,
    ):
        self.model, self.decoder, self.cache = model, decoder, cache
        self.questions = questions
        self.written: list[list[int]] = [[] for _ in questions]
        self.active = list(range(len(questions)))
        asked = [(*q.input_ids, *(q.form.lead if q.form else ())) for q in questions]
        ids_RT, mask_RT = pad_left(asked, 0)
        self.next_RT = ids_RT.to(device)
        seen_RT = torch.ones(len(questions), prefix_length, dtype=mask_RT.dtype)
        self.mask_RT = torch.cat([seen_RT, mask_RT], dim=1).to(device)
        positions_RT = prefix_length + mask_RT.cumsum(1) - 1
        self.positions_RT = positions_RT.clamp(min=0).to(device)

    def run(self, end_id: int) -> list[list[int]]:
        """Writes until every row has ended or is full."""
        while self.active:
            logits_RK = self._forward()
            chosen = [self._choose(logits_RK[place], row) for place, row in enumerate(self.active)]
            going = []
            for place, (row, token) in enumerate(zip(self.active, chosen, strict=True)):
                self.written[row].append(token)
                full = len(self.written[row]) >= self.questions[row].max_new_tokens
                if token != end_id and not full:
                    going.append(place)
            self._keep(going, chosen)
        return self.written

    def _forward(self) -> Tensor:
        embeds_RTD = self.model.embed(self.next_RT, self.next_RT.new_zeros(0, 1))
        hidden_RTD = self.decoder(
            inputs_embeds=embeds_RTD,
            attention_mask=self.mask_RT,
            position_ids=self.positions_RT,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return self.model.logits(hidden_RTD[:, -1])

    def _choose(self, logits_K: Tensor, row: int) -> int:
        form = self.questions[row].form
        if form is None:
            return int(logits_K.argmax())
        allowed = form.allowed(self.written[row])
        if allowed is None:
            logits_K = logits_K.clone()
            logits_K[torch.tensor(sorted(form.code_ids | {form.end}))] = -torch.inf
            return int(logits_K.argmax())
        ids = torch.tensor(sorted(allowed), device=logits_K.device)
        return int(ids[logits_K[ids].argmax()])

    def _keep(self, going: list[int], chosen: list[int]) -> None:
        """Goes on with the rows at these places, each with the token it chose."""
        places_R = torch.tensor(going, dtype=torch.long, device=self.next_RT.device)
        if len(going) < len(self.active) and going:
            self.cache.batch_select_indices(places_R)
        self.active = [self.active[place] for place in going]
        tokens = [chosen[place] for place in going]
        self.next_RT = torch.tensor(tokens, dtype=torch.long, device=places_R.device)[:, None]
        mask_RT = self.mask_RT[places_R]
        self.mask_RT = torch.cat([mask_RT, torch.ones_like(mask_RT[:, :1])], dim=1)
        self.positions_RT = self.positions_RT[places_R][:, -1:] + 1

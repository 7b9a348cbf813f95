"""Starts the projector so that the language model reads a picture the way it reads its caption.

A caption's meaning is not in its word embeddings but in what the first layers make of them: a
linear map of frozen image features finds 50 % of unseen pictures among 16 by the eighth layer's
states and 30 % by word embeddings (docs/experiments.md, 2026-11-22). So:

1. targets: the mean state of each caption's tokens after `align_layer` layers, over a few contexts;
2. a ridge regression of the features onto the targets, as input embeddings: a start;
3. descent on the projector alone, through those frozen layers, until the state at a picture's
   token, in the layout in which it will be shown, points where its caption's does.

Only the first layers run, no text is generated and no place is asked for: minutes become seconds.

Shape suffixes: N pictures, C features, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

import timetokens as tt
from seqsynth import Example, FrameRef
from vidllm.batching import pad_right
from vidllm.config import AlignConfig
from vidllm.model.video_llm import VideoLLM
from vidllm.prompting import VISUAL_TOKEN, Prompter

# Texts in which a caption is read; the mean over several carries less of any one of them.
CONTEXTS = (
    "A picture of a",
    "Which image matches the description:",
    "a photo: a",
    ".\n",
    "The image shows the",
)
CAPTIONS_A_BATCH = 64
ALIGN_STREAM = 2  # beside the streams of vidllm.data


@dataclass(frozen=True)
class Targets:
    """Where the states of pictures should point.

    Attributes:
        mean_D, spread_D: of the captions' states; a few directions are huge in every state and
            say nothing, so states are compared in units of the spread.
        unit_ND: each caption's direction, length 1.
    """

    mean_D: Tensor  # noqa: N815 a shape suffix
    spread_D: Tensor  # noqa: N815
    unit_ND: Tensor  # noqa: N815

    def directions(self, states_ND: Tensor) -> Tensor:
        """States as unit vectors that can be compared with `unit_ND`."""
        return functional.normalize((states_ND - self.mean_D) / self.spread_D, dim=1)


def align_projector(
    model: VideoLLM,
    prompter: Prompter,
    features_NC: Tensor,
    captions: Sequence[str],
    config: AlignConfig,
    *,
    codec: str,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Fits `model.projector` in place; everything else stays as it is.

    Args:
        model: at its start (LoRA adds nothing yet).
        prompter: writes the layout in which pictures are shown.
        features_NC: of the training pictures, raw; the projector's scale is already fitted.
        captions: one a picture.
        config: how.
        codec: writes the places beside the pictures.
        seed: decides the sequences of the descent.
        progress: called with (steps done, steps).
    """
    projector = model.projector
    with _first_layers(model.causal_lm, config.layer) as decoder:
        states_ND = caption_states(model, prompter, captions)
        mean_D, spread_D = states_ND.mean(0), states_ND.std(0) + 1e-6
        unit_ND = functional.normalize((states_ND - mean_D) / spread_D, dim=1)
        targets = Targets(mean_D, spread_D, unit_ND)
        projector.fit_ridge(
            features_NC, states_ND, config.ridge_strength, spread_D, config.mean_share
        )
        parameters = list(projector.parameters())
        optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        rng = np.random.default_rng([seed, ALIGN_STREAM])
        for step in range(config.num_steps):
            optimizer.param_groups[0]["lr"] = config.learning_rate * (1 - step / config.num_steps)
            count = min(config.batch_pictures, len(captions))
            rows = torch.from_numpy(rng.choice(len(captions), size=count, replace=False))
            input_ids_BT = _shown(prompter, codec, count, config.sequence_length)
            embeds_BTD = model.embed(input_ids_BT, features_NC[rows])
            hidden_BTD = decoder(inputs_embeds=embeds_BTD, use_cache=False).last_hidden_state
            at_pictures_BT = input_ids_BT == VISUAL_TOKEN
            states = hidden_BTD[at_pictures_BT].view(count, -1, hidden_BTD.shape[-1])[:, -1]
            agreement_N = (targets.directions(states) * targets.unit_ND[rows]).sum(1)
            # Asked for by name: LoRA's own gradients in those layers are not wanted.
            gradients = torch.autograd.grad((1 - agreement_N).mean(), parameters)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient
            optimizer.step()
            if progress is not None:
                progress(step + 1, config.num_steps)
    projector.zero_grad(set_to_none=True)


@torch.no_grad()
def caption_states(model: VideoLLM, prompter: Prompter, captions: Sequence[str]) -> Tensor:
    """(N, D): each caption's mean state over its tokens and over CONTEXTS, at the decoder's end."""
    decoder = model.causal_lm.get_decoder()
    total_ND: Tensor | None = None
    for context in CONTEXTS:
        before = prompter.ids(context)
        rows = []
        for first in range(0, len(captions), CAPTIONS_A_BATCH):
            chunk = captions[first : first + CAPTIONS_A_BATCH]
            ids = [(*before, *prompter.ids(f" {caption}")) for caption in chunk]
            hidden_BTD = decoder(input_ids=pad_right(ids, 0), use_cache=False).last_hidden_state
            rows += [
                hidden_TD[len(before) : len(own)].mean(0)
                for hidden_TD, own in zip(hidden_BTD, ids, strict=True)
            ]
        total_ND = torch.stack(rows) if total_ND is None else total_ND + torch.stack(rows)
    assert total_ND is not None
    return total_ND / len(CONTEXTS)


def _shown(prompter: Prompter, codec: str, count: int, length: int) -> Tensor:
    """Token ids of `count` pictures as sequences of `length`, without questions: (B, T)."""
    rows = []
    for first in range(0, count, length):
        size = min(length, count - first)
        places = [tt.ItemPosition(number + 1, size) for number in range(size)]
        example = Example(
            id="align",
            task="iig",
            codec=codec,
            frames=tuple(FrameRef("", number) for number in range(size)),
            frame_codes=tuple(tt.CODECS[codec].format_point(place) for place in places),
            turns=(),
            targets=(),
            duration_seconds=float(size),
        )
        rows.append(prompter.prefix(example).input_ids)
    return pad_right(rows, 0)


@contextmanager
def _first_layers(causal_lm: Any, num_layers: int) -> Iterator[Any]:
    """The decoder cut to its first layers, without the final norm, for as long as it lasts."""
    decoder = causal_lm.get_decoder()
    layers, norm, count = decoder.layers, decoder.norm, decoder.config.num_hidden_layers
    if num_layers > len(layers):
        raise ValueError(f"model.align.layer is {num_layers}, but the base has {len(layers)}")
    decoder.layers, decoder.norm = layers[:num_layers], nn.Identity()
    decoder.config.num_hidden_layers = num_layers
    try:
        yield decoder
    finally:
        decoder.layers, decoder.norm = layers, norm
        decoder.config.num_hidden_layers = count

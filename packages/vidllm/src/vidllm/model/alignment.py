"""Fits the projector so that the language model reads a picture the way it reads its caption.

A caption's meaning is not in its word embeddings but in what the first layers make of them: a
linear map of frozen image features finds half of the unseen pictures among 16 by the states of the
eighth layer, and a third by word embeddings (docs/experiments.md, 2026-11-22). So the projector is
the ridge regression of the features onto those states, in closed form, and its output, made long
enough that the first layers hardly turn it, goes in as an input embedding.

A picture that took part in the fit comes out closer to its caption than a new one ever will. A
language model that trains on such pictures learns to rely on a likeness that it will not find, so
training shows each picture as the fit of the *other* folds predicts it (`FoldOffsets`), as one
cross-fits a nuisance regression: what is learned is to find pictures that are only roughly alike.

Shape suffixes: N pictures, C features, T tokens, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vidllm.batching import pad_right
from vidllm.config import AlignConfig
from vidllm.model.projector import Projector
from vidllm.model.state_cache import kept_states, states_key
from vidllm.model.video_llm import VideoLLM
from vidllm.prompting import Prompter

# Texts in which a caption is read; the mean over several carries less of any one of them.
CONTEXTS = (
    "A picture of a",
    "Which image matches the description:",
    "The image shows the",
)
CAPTIONS_A_BATCH = 64
SPREAD_FLOOR = 1e-6


@dataclass(frozen=True)
class FoldOffsets:
    """What a picture's embedding changes by when its own fold has no part in the fit.

    Attributes:
        change_KCD: for each fold, its map less that of all folds, as input embeddings.
    """

    change_KCD: Tensor  # noqa: N815 a shape suffix

    def of(self, projector: Projector, features_NC: Tensor, captions: Sequence[str]) -> Tensor:
        """(N, D): what is added to every visual token of frames that show these captions.

        Args:
            projector: standardises the features.
            features_NC: of the frames, raw.
            captions: decide the fold, so that all pictures of one thing share it; "" of frames
                that the fit knows nothing of, to which nothing is added.
        """
        num_folds = len(self.change_KCD)
        folds_N = torch.tensor([fold_of(text, num_folds) if text else -1 for text in captions])
        x_NC = projector.standardised(features_NC)
        offsets_ND = x_NC.new_zeros(len(captions), self.change_KCD.shape[-1])
        for fold in range(num_folds):
            rows = folds_N == fold
            offsets_ND[rows] = x_NC[rows] @ self.change_KCD[fold]
        return offsets_ND


def fold_of(caption: str, num_folds: int) -> int:
    """The fold of a caption, the same on every machine."""
    return int.from_bytes(hashlib.sha256(caption.encode()).digest()[:8]) % num_folds


@torch.no_grad()
def align_projector(
    model: VideoLLM,
    prompter: Prompter,
    features_NC: Tensor,
    captions: Sequence[str],
    *,
    config: AlignConfig,
    cache_dir: str | Path | None = None,
) -> FoldOffsets:
    """Fits `model.projector` in place; everything else stays as it is.

    Args:
        model: at its start (LoRA adds nothing yet).
        prompter: gives token ids.
        features_NC: of the training pictures, raw; the projector's scale is already fitted.
        captions: one a picture.
        config: how.
        cache_dir: where the states of captions are kept; None: nowhere.

    Returns:
        How training pictures are to be shown.

    Raises:
        ValueError: the language model has fewer layers than `config.layer`.
    """
    projector = model.projector
    with _first_layers(model.causal_lm, config.layer):
        batches = caption_batches(prompter, captions)
        key = states_key(
            model.causal_lm,
            [batch.ids_BT for batch in batches],
            [(batch.context_length, batch.lengths) for batch in batches],
        )
        states_ND = kept_states(key, cache_dir, lambda: caption_states(model, batches)).double()
    mean_D, spread_D = states_ND.mean(0), states_ND.std(0) + SPREAD_FLOOR
    # A few directions are huge in every state and tell nothing apart: the fit is in units of the
    # spread. Double precision, so that a resumed run on other threads gets the same floats.
    x_NC = projector.standardised(features_NC).double()
    y_ND = (states_ND - mean_D) / spread_D
    gram_CC, moment_CD = x_NC.T @ x_NC, x_NC.T @ y_ND

    def solved(gram_CC: Tensor, moment_CD: Tensor) -> Tensor:
        penalty_CC = config.ridge_strength * torch.eye(len(gram_CC), dtype=gram_CC.dtype)
        map_CD: Tensor = torch.linalg.solve(gram_CC + penalty_CC, moment_CD)
        return map_CD * spread_D * config.gain

    map_CD = solved(gram_CC, moment_CD)
    folds_N = torch.tensor([fold_of(caption, config.num_folds) for caption in captions])
    changes = []
    for fold in range(config.num_folds if config.num_folds > 1 else 0):
        x_MC, y_MD = x_NC[folds_N == fold], y_ND[folds_N == fold]
        changes.append(solved(gram_CC - x_MC.T @ x_MC, moment_CD - x_MC.T @ y_MD) - map_CD)
    projector.set_map(map_CD.float(), (mean_D * config.mean_share).float())
    if not changes:  # one fold: nothing is left out
        changes.append(torch.zeros_like(map_CD))
    return FoldOffsets(torch.stack(changes).float())


@dataclass(frozen=True, slots=True)
class CaptionBatch:
    """Captions read at once in one context.

    Attributes:
        ids_BT: token ids of context and caption, filled up on the right.
        lengths: tokens of each, without filling.
        context_length: tokens of the context.
    """

    ids_BT: Tensor  # noqa: N815 a shape suffix
    lengths: tuple[int, ...]
    context_length: int


def caption_batches(prompter: Prompter, captions: Sequence[str]) -> list[CaptionBatch]:
    """Every caption in each of CONTEXTS, context by context."""
    batches = []
    for context in CONTEXTS:
        before = prompter.ids(context)
        for first in range(0, len(captions), CAPTIONS_A_BATCH):
            chunk = captions[first : first + CAPTIONS_A_BATCH]
            ids = [(*before, *prompter.ids(f" {caption}")) for caption in chunk]
            batches.append(CaptionBatch(pad_right(ids, 0), tuple(map(len, ids)), len(before)))
    return batches


@torch.no_grad()
def caption_states(model: VideoLLM, batches: Sequence[CaptionBatch]) -> Tensor:
    """(N, D): each caption's mean state over its tokens and over CONTEXTS, at the decoder's end."""
    decoder = model.causal_lm.get_decoder()
    rows = []
    for batch in batches:
        hidden_BTD = decoder(input_ids=batch.ids_BT, use_cache=False).last_hidden_state
        rows += [
            hidden_TD[batch.context_length : length].mean(0)
            for hidden_TD, length in zip(hidden_BTD, batch.lengths, strict=True)
        ]
    return torch.stack(rows).reshape(len(CONTEXTS), -1, len(rows[0])).mean(0)


@contextmanager
def _first_layers(causal_lm: Any, num_layers: int) -> Iterator[None]:
    """Cuts the decoder to its first layers, without the final norm, for as long as it lasts."""
    decoder = causal_lm.get_decoder()
    layers, norm, count = decoder.layers, decoder.norm, decoder.config.num_hidden_layers
    if num_layers > len(layers):
        raise ValueError(
            f"model.align.layer is {num_layers}, but the base has {len(layers)} layers"
        )
    decoder.layers, decoder.norm = layers[:num_layers], nn.Identity()
    decoder.config.num_hidden_layers = num_layers
    try:
        yield
    finally:
        decoder.layers, decoder.norm = layers, norm
        decoder.config.num_hidden_layers = count

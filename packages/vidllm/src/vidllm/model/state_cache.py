"""Captions' states, kept: what the alignment reads is the same at every start.

Reading all captions of the embedded default takes a quarter of a minute on two cores, hashing what
decides the outcome half a second. A file is named by the hash of weights, settings and token ids,
so another model, corpus or torch never meets it.

Shape suffixes: N captions, D width.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seqsynth.example_files import is_out_of_reach
from vidllm.scratch import keep_tensors

log = logging.getLogger(__name__)

_NAME = "states"
# Other settings of a decoder: how many rows its embeddings have does not change a caption's state.
_WITHOUT_EFFECT = ("vocab_size", "_name_or_path")
_VERSION = 1  # of how states are computed from ids; another one forgets what is kept


def states_key(causal_lm: Any, batches: Sequence[Tensor], lengths: Sequence[object]) -> str:
    """The hash of all that decides the states of these batches of token ids.

    Args:
        causal_lm: of the decoder, LoRA inside it or not; LoRA's first factors do not count, because
            they add nothing while the second ones are zero, which do.
        batches: token ids, any shapes.
        lengths: what else says which of the ids count.
    """
    decoder = causal_lm.get_decoder()
    settings = {k: v for k, v in decoder.config.to_dict().items() if k not in _WITHOUT_EFFECT}
    attention = getattr(decoder.config, "_attn_implementation", None)
    known = [_VERSION, torch.__version__, attention, settings, list(lengths)]
    digest = hashlib.sha256(json.dumps(known, default=str).encode())
    embedding = causal_lm.get_input_embeddings().weight
    for ids in batches:
        _add(digest, ids)
        _add(digest, embedding[torch.unique(ids)])
    for name, weight in decoder.layers.state_dict().items():
        if "lora_A" not in name:
            digest.update(name.encode())
            _add(digest, weight)
    return digest.hexdigest()[:32]


def kept_states(key: str, cache_dir: str | Path | None, compute: Callable[[], Tensor]) -> Tensor:
    """The states (N, D) of that key, from the folder, else computed and put there.

    Args:
        key: see `states_key`.
        cache_dir: created when absent; None: nothing is kept.
        compute: gives the states.
    """
    if cache_dir is None:
        return compute()
    path = Path(cache_dir) / f"caption-states-{key}.safetensors"
    try:
        return load_file(path)[_NAME]
    except FileNotFoundError:
        pass
    except (OSError, SafetensorError, KeyError) as error:
        if is_out_of_reach(error):
            raise
        log.warning("%s is damaged (%s): reading the captions again", path, error)
    states_ND = compute()
    keep_tensors({_NAME: states_ND}, path)
    return states_ND


def _add(digest: Any, tensor: Tensor) -> None:
    # By bytes: NumPy has no bfloat16.
    flat = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    digest.update(repr((tuple(tensor.shape), tensor.dtype)).encode())
    digest.update(flat.numpy().data)

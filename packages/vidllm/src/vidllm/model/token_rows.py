"""Embedding and output rows where only those of the time tokens learn.

PEFT's `trainable_token_indices` keeps those rows as a small parameter and copies the whole
embedding matrix at every use to put them in: 113 MB twice a step for SmolLM2, and a gradient of
the same size. The functions here give the same numbers from the two parts, without the copies.

Shape suffixes: B rows, T tokens, N positions, R time tokens, D width, K vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def embed_tokens(embedding: nn.Module, ids_BT: Tensor) -> Tensor:
    """What `embedding(ids_BT)` returns: (B, T, D).

    Args:
        embedding: an `nn.Embedding`, or PEFT's wrapper of one.
        ids_BT: token ids, none negative.
    """
    adapter = _token_adapter(embedding)
    if adapter is None:
        embedded: Tensor = embedding(ids_BT)
        return embedded
    rows_RD, ids_R = _trained(adapter, ids_BT.device)
    base_BTD = functional.embedding(ids_BT, adapter.base_layer.weight)
    hits_BTR = ids_BT[..., None] == ids_R
    if not bool(hits_BTR.any()):
        return with_gradients_of([rows_RD], base_BTD)
    ours_BTD = functional.embedding(hits_BTR.int().argmax(-1), rows_RD)
    return torch.where(hits_BTR.any(-1, keepdim=True), ours_BTD.to(base_BTD), base_BTD)


def with_gradients_of(parameters: Iterable[Tensor], embeds_BTD: Tensor) -> Tensor:
    """The embeddings, as if these parameters had a part in them: their gradients are 0, not None.

    Where a batch has no use for a part that learns, DDP would wait for its gradients for ever, and
    processes would disagree on which parameters AdamW steps.
    """
    learned = [parameter for parameter in parameters if parameter.requires_grad]
    if not learned or not torch.is_grad_enabled():
        return embeds_BTD
    nothing = sum(0 * parameter.sum() for parameter in learned)
    return embeds_BTD + torch.as_tensor(nothing).to(embeds_BTD)


def output_logits(head: nn.Module, hidden_ND: Tensor) -> Tensor:
    """What `head(hidden_ND)` returns: (N, K).

    Args:
        head: an `nn.Linear` without bias, or PEFT's wrapper of one.
        hidden_ND: last hidden states.
    """
    adapter = _token_adapter(head)
    if adapter is None or getattr(adapter.base_layer, "bias", None) is not None:
        logits: Tensor = head(hidden_ND)
        return logits
    rows_RD, ids_R = _trained(adapter, hidden_ND.device)
    base_NK = functional.linear(hidden_ND, adapter.base_layer.weight)
    return base_NK.index_copy(1, ids_R, functional.linear(hidden_ND, rows_RD.to(hidden_ND)))


def adapter_groups(llm: nn.Module) -> dict[str, list[nn.Parameter]]:
    """What learns of a PEFT model, by the learning rate it has.

    Returns:
        lora, tokens (their rows), and projector: modules of the base that learn whole.
    """
    groups: dict[str, list[nn.Parameter]] = {"projector": [], "lora": [], "tokens": []}
    for name, parameter in llm.named_parameters():
        if parameter.requires_grad:
            groups[_kind_of(name)].append(parameter)
    return groups


def is_tied(llm: Any) -> bool:
    """Whether input and output embeddings are one matrix; configurations of VLMs may differ."""
    head = llm.get_output_embeddings()
    return head is not None and head.weight is llm.get_input_embeddings().weight


def _kind_of(name: str) -> str:
    if "trainable_tokens_delta" in name:
        return "tokens"
    return "projector" if "modules_to_save" in name else "lora"


def _token_adapter(module: nn.Module) -> Any:
    """PEFT's trainable-token layer inside its wrapper, None where there is none to apply."""
    adapter = getattr(module, "token_adapter", None)
    if adapter is None or adapter.disable_adapters or adapter.merged:
        return None
    return adapter if adapter.active_adapters else None


def _trained(adapter: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    name = adapter.active_adapters[0]
    ids_R = torch.tensor(adapter.token_indices[name], device=device)
    return adapter.trainable_tokens_delta[name], ids_R

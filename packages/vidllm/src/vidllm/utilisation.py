"""How much of a GPU's arithmetic a run uses (MFU, arXiv:2204.02311, appendix B), where it is known.

Only the decoder is counted: two operations a parameter and token forwards, two for the gradient of
what goes in, two more for the gradient of parameters that learn. Attention scores and vision are
left out, and recomputation of checkpointed activations is no use, so the share is a lower bound.
"""

from __future__ import annotations

from typing import Any

# Dense bfloat16 operations a second, from the makers' data sheets; the longest name that fits.
PEAK_OPERATIONS = {
    "A100": 312e12,
    "A800": 312e12,
    "H100": 989e12,
    "H100 PCIe": 756e12,
    "H200": 989e12,
    "H800": 989e12,
    "L4": 121e12,
    "L40S": 362e12,
    "RTX 4090": 165e12,
}


def peak_operations(device_name: str) -> float | None:
    """Operations a second of a GPU by the name that torch gives it; None: not known."""
    words = device_name.replace("-", " ").split()
    known = [
        name
        for name in PEAK_OPERATIONS
        if any(words[at : at + len(name.split())] == name.split() for at in range(len(words)))
    ]
    return PEAK_OPERATIONS[max(known, key=len)] if known else None


def operations_per_token(llm: Any) -> int:
    """Operations that one token of training costs in a decoder.

    Args:
        llm: a transformers model, under PEFT or not; of a VLM its language part counts.
    """
    decoder = llm.get_decoder() if hasattr(llm, "get_decoder") else llm
    tables = {id(p) for p in llm.get_input_embeddings().parameters()}
    counted = [p for p in decoder.parameters() if id(p) not in tables]
    total: int = sum(p.numel() for p in counted)
    learning: int = sum(p.numel() for p in counted if p.requires_grad)
    return 4 * total + 2 * learning


def share_per_rate(llm: Any, *, bf16: bool, num_processes: int) -> float:
    """The share of the peak that one token a second, over all processes, uses; 0: not known.

    Args:
        llm: what is trained.
        bf16: peaks are known of bfloat16 alone.
        num_processes: one GPU each.
    """
    import torch

    if not (bf16 and torch.cuda.is_available()):
        return 0.0
    peak = peak_operations(torch.cuda.get_device_name())
    return operations_per_token(llm) / (peak * num_processes) if peak else 0.0

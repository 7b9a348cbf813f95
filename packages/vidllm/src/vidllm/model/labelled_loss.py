"""The training loss, from the labelled positions alone.

With a vocabulary of fifty thousand and more and a tenth of the tokens labelled, the output layer
would otherwise cost as much as the decoder.

Shape suffixes: B examples, T tokens, D width, L labelled positions, K vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from vidllm.prompt_script import IGNORED


def labelled_loss(
    logits: Callable[[Tensor], Tensor],
    hidden_BTD: Tensor,
    labels_BT: Tensor,
    *,
    num_items_in_batch: Tensor | int | None,
) -> dict[str, Tensor]:
    """Cross entropy of the labels, in the form that the trainer takes.

    Args:
        logits: hidden states (L, D) to scores of the next token (L, K).
        hidden_BTD: last hidden states.
        labels_BT: IGNORED where there is nothing to learn.
        num_items_in_batch: labels of the whole global batch; None: those given here.

    Returns:
        loss: cross entropy summed over the labels, divided by num_items_in_batch.
        example_losses: (B,) its sum over each example's labels, undivided.
        example_labels: (B,) how many labels each example has.
    """
    labelled_BT = labels_BT[:, 1:] != IGNORED
    logits_LK = logits(hidden_BTD[:, :-1][labelled_BT])
    losses_L = functional.cross_entropy(
        logits_LK.float(), labels_BT[:, 1:][labelled_BT], reduction="none"
    )
    rows_L = labelled_BT.nonzero()[:, 0]
    example_losses_B = losses_L.new_zeros(len(labels_BT)).index_add(0, rows_L, losses_L)
    if num_items_in_batch is None:
        num_items_in_batch = labelled_BT.sum().clamp(min=1)
    return {
        "loss": losses_L.sum() / num_items_in_batch,
        "example_losses": example_losses_B.detach(),
        "example_labels": labelled_BT.sum(1),
    }

"""The processes of one run: `torchrun` starts several, everything else is one of one."""

from __future__ import annotations

import os
from typing import Any


def num_processes() -> int:
    """How many processes torchrun started; 1 without it. Imports nothing."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def process_index() -> int:
    """Which of them this is, from 0. Imports nothing."""
    return int(os.environ.get("RANK", "0"))


def is_first() -> bool:
    """Whether this process writes what all share."""
    return process_index() == 0


def own_device() -> str:
    """The GPU of this process among those of its node; the CPU where there is none."""
    import torch

    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def wait_for_all() -> None:
    """Until every process is here."""
    if num_processes() > 1:
        process_state().wait_for_everyone()


def process_state() -> Any:
    """Accelerate's view of the processes, set up for GPUs or, where there is none, for gloo."""
    from accelerate.state import PartialState

    return PartialState(cpu=not has_accelerator())


def has_accelerator() -> bool:
    """Whether torch has a device to train on besides the CPU."""
    import torch

    return torch.accelerator.is_available()


def from_first(values: list[Any]) -> list[Any]:
    """The first process's values, in every process."""
    if num_processes() == 1:
        return values
    from accelerate.utils.operations import broadcast_object_list

    process_state()
    shared: Any = broadcast_object_list
    received: list[Any] = shared(values, from_process=0)
    return received

"""Keeps memory that tensors free inside the process, where the C library would hand it back.

A training step on a CPU frees and takes the same few hundred megabytes again and again. By default
glibc asks the kernel for every large block anew, and the kernel clears each page first: measured on
two virtual cores, that took six sevenths of a LoRA step (docs/experiments.md, 2026-11-22).
"""

from __future__ import annotations

import ctypes
import logging
import sys

log = logging.getLogger(__name__)

# Parameter numbers of mallopt(3) and values beyond any tensor of ours.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER_TRIM_BYTES, _NEVER_MMAP_BYTES = 2**31 - 1, 2**30


def keep_freed_memory() -> bool:
    """Asks glibc to reuse freed blocks; returns whether it could be asked.

    Call once, before the first tensor. The peak of memory stays the same; what has been freed is
    not returned to the system until the process ends. Other C libraries (musl, macOS, Windows) have
    no such switch and are left alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        log.debug("no glibc: memory is left as it is")
        return False
    kept = (
        mallopt(_M_MMAP_THRESHOLD, _NEVER_MMAP_BYTES),
        mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM_BYTES),
    )
    return all(kept)

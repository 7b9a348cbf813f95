import platform
import subprocess
import sys

import pytest

# Freed and taken again: 64 MiB, beyond the size up to which glibc keeps blocks by itself.
PROGRAM = """
import resource, sys
import torch
from vidllm.cpu_memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    torch.ones(16 * 2**20)
for _ in range(4):  # where the heap cannot grow in place, it takes a few to settle
    use()
before = faults()
for _ in range(8):
    use()
print(faults() - before)
"""


def page_faults(mode: str) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=True
    )
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the switch is glibc's")
def test_memory_that_was_freed_is_used_again_without_asking_the_kernel() -> None:
    as_installed, kept = page_faults("as installed"), page_faults("kept")
    assert kept * 2 < as_installed

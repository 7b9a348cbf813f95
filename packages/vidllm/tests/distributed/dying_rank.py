"""A command of vidllm whose second process is killed in one of its forward passes.

torchrun --nproc-per-node 2 dying_rank.py PASS COMMAND ...
"""

import itertools
import os
import signal
import sys
from typing import Any

from vidllm.cli import main
from vidllm.model.video_llm import VideoLLM


def die_in(number: int) -> None:
    """The process ends as the kernel ends one that takes too much memory."""
    forward, passes = VideoLLM.forward, itertools.count(1)

    def counting(self: VideoLLM, **batch: Any) -> Any:
        if next(passes) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, **batch)

    VideoLLM.forward = counting  # type: ignore[method-assign]


if __name__ == "__main__":
    if os.environ["RANK"] == "1":
        die_in(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))

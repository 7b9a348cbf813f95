"""The base models by name."""

from vidllm.adapters.base import (
    Adapter,
    Base,
    Description,
    Eye,
    FrameSource,
    InPassAdapter,
    Language,
    PooledAdapter,
    SequenceModel,
)
from vidllm.adapters.random import RandomAdapter
from vidllm.adapters.timechat import TimeChatAdapter
from vidllm.adapters.tiny import TinyAdapter
from vidllm.adapters.vlm import VlmAdapter
from vidllm.timechat.config import timechat, videollama

ADAPTERS: dict[str, Adapter] = {
    "tiny": TinyAdapter(),
    "random": RandomAdapter(),
    "vlm": VlmAdapter(),
    "timechat": TimeChatAdapter("timechat", timechat),
    "videollama": TimeChatAdapter("videollama", videollama),
}

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Base",
    "Description",
    "Eye",
    "FrameSource",
    "InPassAdapter",
    "Language",
    "PooledAdapter",
    "SequenceModel",
]

"""TimeChat and Video-LLaMA, composed of stock transformers modules."""

from vidllm.timechat.config import (
    Differences,
    LlamaSizes,
    QFormerSizes,
    TimeChatConfig,
    VisionSizes,
    compat,
    timechat,
    tiny_timechat,
    videollama,
)

__all__ = [
    "Differences",
    "LlamaSizes",
    "QFormerSizes",
    "TimeChatConfig",
    "VisionSizes",
    "compat",
    "timechat",
    "tiny_timechat",
    "videollama",
]

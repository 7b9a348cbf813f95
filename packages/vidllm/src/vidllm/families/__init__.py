"""Today's VLMs by the model_type of their configurations."""

from vidllm.families.base import Family, Visual
from vidllm.families.internvl import INTERNVL
from vidllm.families.llava_onevision import LLAVA_ONEVISION
from vidllm.families.qwen_vl import QWEN2_5_VL, QWEN3_VL
from vidllm.families.smolvlm import SMOLVLM

FAMILIES: dict[str, Family] = {
    "qwen3_vl": QWEN3_VL,
    "qwen2_5_vl": QWEN2_5_VL,
    "smolvlm": SMOLVLM,
    "internvl": INTERNVL,
    "llava_onevision": LLAVA_ONEVISION,
}

__all__ = ["FAMILIES", "Family", "Visual"]

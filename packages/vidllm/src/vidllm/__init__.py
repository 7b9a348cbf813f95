"""A video LLM that says where things are: training, prediction, reports.

Heavy parts (torch, transformers) are imported by the modules that need them, not here.
"""

from importlib.metadata import version

from vidllm.config import (
    AlignConfig,
    ComputeConfig,
    DataConfig,
    ModelConfig,
    OptimConfig,
    PromptConfig,
    TrainConfig,
)
from vidllm.recipes import RECIPES
from vidllm.stage_config import StageConfig

__version__ = version("seq2time-vidllm")

__all__ = [
    "RECIPES",
    "AlignConfig",
    "ComputeConfig",
    "DataConfig",
    "ModelConfig",
    "OptimConfig",
    "PromptConfig",
    "StageConfig",
    "TrainConfig",
]

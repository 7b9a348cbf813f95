"""Compiled kernels of seqsynth and vidmetrics.

The interface is private to those packages and changes with every version; they pin one exactly and
import it in one file each (`_native.py`). What every kernel must return is specified by the Python
code it stands in for.
"""

import importlib.util
from importlib.metadata import version

from seqnative._cpu import MeteorAligner, SequencePlanner, pack_normalize

__version__ = version("seq2time-native")
__all__ = [
    "MeteorAligner",
    "SequencePlanner",
    "__version__",
    "cuda_device_count",
    "pack_normalize",
]


def cuda_device_count() -> int:
    """CUDA devices that the CUDA kernels can use; 0 where they were not built."""
    if importlib.util.find_spec("seqnative._cuda") is None:
        return 0
    from seqnative import _cuda

    return _cuda.device_count()

"""Compiled kernels of seqsynth and vidmetrics.

The interface is private to those packages and changes with every version; they pin one exactly and
import it in one file each (`_native.py`). What every kernel must return is specified by the Python
code it stands in for.
"""

import importlib.util
from collections.abc import Sequence
from importlib.metadata import version

from seqnative._cpu import MeteorAligner, SequencePlanner, pack_normalize

__version__ = version("seq2time-native")
__all__ = [
    "MeteorAligner",
    "SequencePlanner",
    "__version__",
    "cuda_device_count",
    "pack_normalize",
    "pack_normalize_on_device",
]


def cuda_device_count() -> int:
    """CUDA devices that the CUDA kernels can use; 0 where they were not built."""
    if importlib.util.find_spec("seqnative._cuda") is None:
        return 0
    from seqnative import _cuda

    return _cuda.device_count()


def pack_normalize_on_device(
    clips: Sequence[object], table: object, out: object, stream: int = 0
) -> None:
    """Like `pack_normalize` on arrays in the memory of one GPU, such as CUDA tensors of torch.

    Starts kernels and returns: what follows on the same stream sees the batch, and `out` and the
    clips must live until then. Whoever made the clips on another stream has to wait for that.

    Args:
        clips: uint8, with `__cuda_array_interface__`; the pixels of a row lie one after another.
        table: on the device too.
        out: float32, or the two bytes of bfloat16.
        stream: address of a CUDA stream (`torch.cuda.current_stream().cuda_stream`); 0 is the
            default one.

    Raises:
        TypeError: an array of another kind, or not in device memory.
        ValueError: shapes that do not go together.
        RuntimeError: CUDA says no, or seqnative was built without its kernels.
    """
    if importlib.util.find_spec("seqnative._cuda") is None:
        raise RuntimeError(
            "seqnative was built without CUDA kernels: build it with SEQNATIVE_CUDA=ON and nvcc"
        )
    from seqnative import _cuda

    _cuda.pack_normalize(list(clips), table, out, stream)

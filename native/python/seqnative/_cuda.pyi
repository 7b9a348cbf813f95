"""
CUDA kernels; built only where CMake found a CUDA compiler.
"""
from __future__ import annotations
import typing
__all__: list[str] = ['device_count', 'pack_normalize']
def device_count() -> int:
    """
    CUDA devices that this process can use; 0 without a driver.
    """
def pack_normalize(clips: list[typing.Any], table: typing.Any, out: typing.Any, stream: int = 0) -> None:
    """
    seqsynth.frame_packing.pack_normalize on arrays in device memory: starts kernels on the stream (its address; 0 is the default one) and returns.
    """

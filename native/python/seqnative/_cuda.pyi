"""
CUDA kernels; built only where CMake found a CUDA compiler.
"""
from __future__ import annotations
__all__: list[str] = ['device_count']
def device_count() -> int:
    """
    CUDA devices that this process can use; 0 without a driver.
    """

"""The CUDA module on a machine that has a device."""

import pytest

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")

pytestmark = pytest.mark.gpu


def test_the_cuda_module_sees_the_device() -> None:
    assert seqnative.cuda_device_count() >= 1

"""Packing on the GPU gives the bits of the specification, at the speed of the memory."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

seqnative = pytest.importorskip("seqnative", reason="seqnative is not built on this machine")
torch = pytest.importorskip("torch", reason="torch is not installed on this machine")

from seqsynth.frame_packing import pack_normalize, pixel_table  # noqa: E402

pytestmark = pytest.mark.gpu

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
MIN_SHARE_OF_COPY_SPEED = 0.5


def on_device(values: np.ndarray) -> "torch.Tensor":
    """float32 as it is, uint16 as the bfloat16 that it holds the bits of."""
    if values.dtype == np.float32:
        return torch.from_numpy(values).cuda()
    return torch.from_numpy(values.view(np.int16)).view(torch.bfloat16).cuda()


def device_table(dtype: str) -> "torch.Tensor":
    return on_device(pixel_table(MEAN, STD, dtype=dtype))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("side", [32, 31])
@pytest.mark.parametrize("shape", ["joined", "padded", "channels before frames"])
def test_bits_are_those_of_the_twin(dtype: str, side: int, shape: str) -> None:
    counts = [5, 1, 70, *[1] * 80]
    rng = np.random.default_rng(0)
    clips = [rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8) for n in counts]
    table = pixel_table(MEAN, STD, dtype=dtype)
    sizes = (sum(counts), 3) if shape == "joined" else (len(counts), 71, 3)
    if shape == "channels before frames":
        sizes = (len(counts), 3, 71)
    expected = np.full((*sizes, side, side), 7, dtype=table.dtype)
    out = on_device(expected)
    swap = shape == "channels before frames"
    pack_normalize(clips, table, expected.swapaxes(1, 2) if swap else expected)
    seqnative.pack_normalize_on_device(
        [torch.from_numpy(clip).cuda() for clip in clips],
        device_table(dtype),
        out.swapaxes(1, 2) if swap else out,
        torch.cuda.current_stream().cuda_stream,
    )
    got = out.view(torch.int16) if dtype == "bfloat16" else out.view(torch.int32)
    assert got.cpu().numpy().tobytes() == expected.tobytes()


def test_crops_and_every_other_frame_are_taken() -> None:
    whole = torch.randint(0, 256, (10, 40, 50, 3), dtype=torch.uint8)
    out = torch.empty((5, 3, 32, 32), device="cuda")
    views = [array[::2, 3:35, 7:39] for array in (whole, whole.cuda())]
    expected = np.empty((5, 3, 32, 32), dtype=np.float32)
    pack_normalize([views[0].numpy()], pixel_table(MEAN, STD), expected)
    seqnative.pack_normalize_on_device([views[1]], device_table("float32"), out)
    assert (out.cpu().numpy() == expected).all()


def test_the_stream_is_used() -> None:
    """The kernel waits for what its stream does before it."""
    stream = torch.cuda.Stream()
    clip = torch.zeros((64, 224, 224, 3), dtype=torch.uint8, device="cuda")
    out = torch.empty((64, 3, 224, 224), device="cuda")
    table = device_table("float32")
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        torch.cuda._sleep(100_000_000)
        clip.fill_(255)
        seqnative.pack_normalize_on_device([clip], table, out, stream.cuda_stream)
    stream.synchronize()
    assert (out[:, 0] == table[0, 255]).all()


def test_packing_is_bound_by_memory(record_property: Callable[[str, object], None]) -> None:
    """In bytes a second, packing is at least half as fast as copying on the same device."""
    path = Path(__file__).parents[2] / "benchmarks" / "pack.py"
    spec = importlib.util.spec_from_file_location("benchmark_pack", path)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    cases = benchmark.on_gpu()
    assert len(cases) == 2
    for name, case in cases.items():
        record_property(name, case["ratio"])
        assert case["ratio"] >= MIN_SHARE_OF_COPY_SPEED, name

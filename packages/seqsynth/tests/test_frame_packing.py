import numpy as np
import pytest

from seqsynth.frame_packing import pack_normalize, pixel_table

MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)


def make_clips(*counts: int, height: int = 4, width: int = 5) -> list[np.ndarray]:
    rng = np.random.default_rng(sum(counts))
    return [rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8) for count in counts]


def usual_chain(frames: np.ndarray) -> np.ndarray:
    scaled = frames.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    mean, std = (np.array(v, dtype=np.float32)[:, None, None] for v in (MEAN, STD))
    return (scaled - mean) / std


def test_frames_are_normalised_as_by_the_usual_chain_bit_for_bit() -> None:
    clips = make_clips(3, 1, 2)
    out = np.empty((6, 3, 4, 5), dtype=np.float32)
    pack_normalize(clips, pixel_table(MEAN, STD), out)
    np.testing.assert_array_equal(out, usual_chain(np.concatenate(clips)))


def test_bits_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed here")
    frames = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    expected = (torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0 - mean) / std
    out = np.empty((1, 3, 16, 16), dtype=np.float32)
    pack_normalize([frames], pixel_table(MEAN, STD), out)
    np.testing.assert_array_equal(out, expected.numpy())
    bits = torch.empty((1, 3, 16, 16), dtype=torch.bfloat16)
    table = pixel_table(MEAN, STD, dtype="bfloat16")
    pack_normalize([frames], table, bits.view(torch.uint16).numpy())
    assert torch.equal(bits, expected.bfloat16())


def test_bfloat16_rounds_to_nearest_and_ties_to_even() -> None:
    one, tie, odd_tie = 0x3F800000, 0x3F808000, 0x3F818000
    exact = np.array([one, tie, odd_tie, tie + 1], dtype=np.uint32).view(np.float32)
    mean = (0.0, 0.0, 0.0)
    rounded = [pixel_table(mean, (1 / float(v),) * 3, dtype="bfloat16")[0, 255] for v in exact]
    assert [hex(bits) for bits in rounded] == ["0x3f80", "0x3f80", "0x3f82", "0x3f81"]


def test_short_clips_are_filled_up_with_zeros() -> None:
    clips = make_clips(1, 3)
    out = np.full((2, 4, 3, 4, 5), 7, dtype=np.float32)
    pack_normalize(clips, pixel_table(MEAN, STD), out)
    np.testing.assert_array_equal(out[0, :1], usual_chain(clips[0]))
    np.testing.assert_array_equal(out[1, :3], usual_chain(clips[1]))
    assert not out[0, 1:].any()
    assert not out[1, 3:].any()


def test_single_frames_views_and_other_layouts_are_taken() -> None:
    (clip,) = make_clips(6, height=8, width=10)
    crop = clip[::-2, 2:6, 1:6]
    mirrored = clip[0, :4, 4::-1]
    channels_first = np.empty((1, 3, 4, 4, 5), dtype=np.float32)
    pack_normalize([crop], pixel_table(MEAN, STD), channels_first.swapaxes(1, 2))
    np.testing.assert_array_equal(channels_first[0, :, :3].swapaxes(0, 1), usual_chain(crop))
    single = np.empty((1, 3, 4, 5), dtype=np.float32)
    pack_normalize([mirrored], pixel_table(MEAN, STD), single)
    np.testing.assert_array_equal(single, usual_chain(mirrored[None]))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((0, 0), (1, 1, 1), r"mean must be 3 numbers, got \(0, 0\)"),
        ((0, 0, 0), (1, 0, 1), r"std\[1\] = 0.0 must be positive and finite"),
        ((0, 0, 0), (1, 1, float("inf")), r"std\[2\] = inf"),
        ((float("nan"), 0, 0), (1, 1, 1), r"mean\[0\] = nan must be finite"),
    ],
)
def test_impossible_numbers_are_named(
    mean: tuple[float, ...], std: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pixel_table(mean, std)


def test_an_unknown_dtype_is_named() -> None:
    with pytest.raises(ValueError, match="unknown dtype 'float64'"):
        pixel_table(MEAN, STD, dtype="float64")  # type: ignore[arg-type]

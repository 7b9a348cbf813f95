"""EfficientNet-Lite against its paper and against the class that the weights were released with."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from vidllm.model.efficientnet_lite import (
    SCALES,
    EfficientNetLite,
    SameConv,
    fold_norms,
    load_efficientnet_lite,
)

GOLDEN = Path(__file__).parent / "golden" / "efficientnet_lite0.npz"


@pytest.mark.parametrize(
    ("name", "millions"),
    [  # the table of the release, classifier included
        ("efficientnet_lite0", 4.7),
        ("efficientnet_lite1", 5.4),
        ("efficientnet_lite2", 6.1),
        ("efficientnet_lite3", 8.2),
        ("efficientnet_lite4", 13.0),
    ],
)
def test_parameter_counts(name: str, millions: float) -> None:
    with torch.device("meta"):
        network = EfficientNetLite(name)
    assert set(SCALES) >= {name}
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (9, 5, 2), (8, 5, 1)])
def test_padding_is_that_of_tensorflow(size: int, kernel: int, stride: int) -> None:
    layer = SameConv(1, 1, kernel, stride)
    x = torch.randn(1, 1, size, size, generator=torch.manual_seed(0))
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + kernel - size, 0)
    before = total // 2  # the odd pixel goes right and below
    padded = functional.pad(x, (before, total - before, before, total - before))
    y = layer(x)
    assert y.shape == (1, 1, outputs, outputs)
    torch.testing.assert_close(y, functional.conv2d(padded, layer.weight, stride=stride))


def test_features_do_not_depend_on_the_batch() -> None:
    network = EfficientNetLite().eval()
    images = torch.randint(
        0, 256, (3, 64, 64, 3), dtype=torch.uint8, generator=torch.manual_seed(0)
    )
    with torch.inference_mode():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert together.shape == (3, 1280)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_folding_the_norms_changes_no_feature() -> None:
    generator = torch.manual_seed(0)
    network = EfficientNetLite().eval()
    for module in network.modules():  # statistics as training leaves them
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor, low in (
                (module.running_var, 0.5),
                (module.weight.data, 0.5),
                (module.running_mean, -0.5),
                (module.bias.data, -0.5),
            ):
                assert tensor is not None
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + low)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8, generator=generator)
    with torch.inference_mode():
        expected = network(images)
        folded = fold_norms(network)(images)
    assert expected.std() > 1e-3
    torch.testing.assert_close(folded, expected, rtol=1e-3, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


def test_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="no eye named 'resnet': choose one of efficientnet_lite0"):
        EfficientNetLite("resnet")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"_conv_stem.weight": torch.zeros(3)}, path)
    with pytest.raises(
        ValueError, match="does not hold the weights of efficientnet_lite0: Missing"
    ):
        load_efficientnet_lite(path)


@pytest.mark.default_data
def test_released_weights_give_the_features_of_the_released_class() -> None:
    from seqsynth import default_models

    try:
        eye_path = default_models().eye_path
    except FileNotFoundError as error:
        if "default_data" in os.environ.get("SEQ2TIME_REQUIRE", "").split(","):
            raise
        pytest.skip(f"the embedded default is not fetched: {error}")
    golden = np.load(GOLDEN)
    network = load_efficientnet_lite(eye_path)
    with torch.inference_mode():
        features = network(torch.from_numpy(golden["images"]))
        folded = fold_norms(network)(torch.from_numpy(golden["images"]))
    np.testing.assert_allclose(features.numpy(), golden["features"], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(folded.numpy(), golden["features"], rtol=1e-3, atol=1e-4)

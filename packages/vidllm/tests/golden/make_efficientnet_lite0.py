"""Makes efficientnet_lite0.npz with the class that the weights were released with.

python make_efficientnet_lite0.py WEIGHTS.pth    # needs efficientnet-lite-pytorch==0.1.0
"""

import sys
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet

images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
images[1] = np.linspace(0, 255, 64, dtype=np.uint8)[:, None, None]
network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=sys.argv[1]).eval()
x = (torch.from_numpy(images).float().permute(0, 3, 1, 2) - 127.0) / 128.0
with torch.inference_mode():
    features = network.extract_features(x).mean((2, 3)).numpy()
np.savez_compressed(
    Path(__file__).with_name("efficientnet_lite0.npz"), images=images, features=features
)

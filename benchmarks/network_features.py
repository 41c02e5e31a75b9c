"""Photos as a frozen network describes them. Apart from `frozen_features`, which needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from orchestrator.progress import progress_bar
from trainables.network.torchvision_ops import timm

MIDDLE = 4  # block whose output describes the middle
BATCH = 32


def describe_photos(content: Sequence[Path], weights: Path) -> dict[str, NDArray[np.float32]]:
    """`last` (n, 1280), of the last layer, and `middle` (n, 224), mean and deviation of 112 channels."""
    network = timm.create_model("tf_efficientnet_lite0", checkpoint_path=str(weights)).eval()
    found = []
    with progress_bar("features") as progress, torch.inference_mode():
        for start in range(0, len(content), BATCH):
            batch = np.stack([_read(path) for path in content[start : start + BATCH]])
            found.append(_describe(network, torch.from_numpy(batch)))
            progress(min(start + BATCH, len(content)), len(content))
    last, middle = (np.concatenate(item) for item in zip(*found, strict=True))
    return {"last": last, "middle": middle}


def _describe(network: torch.nn.Module, batch: torch.Tensor) -> tuple[NDArray[np.float32], ...]:
    maps = network.bn1(network.conv_stem(batch))
    middle = None
    for number, block in enumerate(network.blocks):
        maps = block(maps)
        if number == MIDDLE:
            middle = torch.cat([maps.mean((2, 3)), maps.std((2, 3))], 1)
    assert middle is not None
    last = network.bn2(network.conv_head(maps)).mean((2, 3))
    return last.numpy(), middle.numpy()


def _read(path: Path) -> NDArray[np.float32]:
    """(3, 128, 128), as the network's weights expect it: x / 127.5 - 1."""
    pixels = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    if pixels.shape[:2] != (128, 128):
        pixels = cv2.resize(pixels, (128, 128), interpolation=cv2.INTER_AREA)
    scaled: NDArray[np.float32] = (pixels.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1)
    return scaled

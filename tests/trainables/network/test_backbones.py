"""The backbones that the recipes name train here, from random weights on a handful of images."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.dataset import Dataset
from tests.support.drawn_images import classifier, run, write_dataset

BACKBONES = [
    "resnet18",
    "resnet50",
    *(f"efficientnet_b{size}" for size in range(7)),
    "tf_efficientnet_b4",
    "vgg16",
    "resnext50_32x4d",
    "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224",
]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Twelve images, six of them to train on."""
    return write_dataset(Path(tmp_path_factory.mktemp("few")), rows=12, folds=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_it_takes_a_step(few: Dataset, backbone: str) -> None:
    trained = classifier(
        few, epochs=1, backbone=backbone, image_size=64, batch_size=6, optimizer="sgd", lr=0.01
    )
    network = trained._network
    first, last = next(network.backbone.parameters()), next(network.head.parameters())
    before = first.detach().clone(), last.detach().clone()
    [(metrics, probabilities)] = run(trained, 1)
    assert metrics["loss_train"] > 0 and probabilities.shape == (6, 3)
    assert not first.equal(before[0]) and not last.equal(before[1])
    trained.close()

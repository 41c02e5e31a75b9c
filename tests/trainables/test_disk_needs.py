"""What the image classifier says of its files, against the files that it makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Resources
from trainables.image_classifier import ImageClassifier

pytestmark = pytest.mark.torch

SMALL = {"image_size": 32, "batch_size": 8, "pretrained": False}


def values(**given: Any) -> dict[str, list[Any]]:
    return {name: value if isinstance(value, list) else [value] for name, value in {**SMALL, **given}.items()}


@pytest.mark.parametrize(
    "config",
    [
        {"backbone": "test_resnet", "optimizer": "adamw", "ema_decay": 0.0},
        {"backbone": "test_resnet", "optimizer": "sgd", "momentum": 0.9, "ema_decay": 0.99},
        {"backbone": "test_vit", "optimizer": "adam", "ema_decay": 0.0},
        {"backbone": "test_resnet", "optimizer": "adamw", "ema_decay": 0.0, "weights_dtype": "float16"},
        {"backbone": "test_vit", "optimizer": "adam", "ema_decay": 0.9, "weights_dtype": "bfloat16"},
    ],
)
def test_the_bytes_foretold_are_those_that_an_epoch_leaves(config: dict[str, Any], dataset: Dataset) -> None:
    run = ImageClassifier(dataset, 0, {**SMALL, **config}, 2, 0, Resources())
    run.run_epoch()
    weights, state = len(run.weights()), len(run.state())
    run.close()
    told = ImageClassifier.disk_needs(dataset, values(**config))
    assert told is not None and told.least == told.most
    assert told.most.weights == pytest.approx(weights, rel=0.05)  # a file has a header
    assert told.most.state == pytest.approx(state, rel=0.15)  # and a state names each tensor


def test_least_and_most_are_over_all_that_a_space_can_choose(dataset: Dataset) -> None:
    def told(**given: Any) -> Any:
        return ImageClassifier.disk_needs(dataset, values(**given))

    small = told(backbone="test_resnet", optimizer="sgd", ema_decay=0.0)
    large = told(backbone="test_vit", optimizer="adamw", ema_decay=0.99)
    either = told(backbone=["test_resnet", "test_vit"], optimizer=["sgd", "adamw"], ema_decay=[0.0, 0.99])
    assert either.least.weights == min(small.least.weights, large.least.weights)
    assert either.most.weights == max(small.most.weights, large.most.weights)
    assert either.least.state <= small.least.state and either.most.state >= large.most.state


def test_images_count_until_they_are_decoded(dataset: Dataset, tmp_path: Path) -> None:
    own = replace(dataset, cache_dir=str(tmp_path))
    given = values(backbone="test_resnet", image_size=[32, "24x40"])
    told = ImageClassifier.disk_needs(own, given)
    assert told is not None and told.images == len(own.paths) * 3 * (32 * 32 + 24 * 40)
    ImageClassifier.prepare(own, given)
    after = ImageClassifier.disk_needs(own, given)
    assert after is not None and after.images == 0


def test_a_network_that_cannot_be_made_leaves_the_sizes_unknown_and_the_generator_as_it_was(
    dataset: Dataset,
) -> None:
    import torch

    before = torch.get_rng_state()
    assert ImageClassifier.disk_needs(dataset, values(backbone="test_resnet")) is not None
    assert torch.equal(torch.get_rng_state(), before)

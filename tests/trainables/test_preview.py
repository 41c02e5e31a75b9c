from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, TrainableError
from trainables import seeding
from trainables.images.device_augment import DeviceAugmenter
from trainables.images.device_mixing import mix_tensors
from trainables.images.image_store import open_store
from trainables.parameters import completed
from trainables.preview import Preview, preview


def shown(dataset: Dataset, seed: int = 0, rows: int = 6, **config: object) -> Preview:
    return preview(dataset, completed({"image_size": 32, **config}), 0, rows, 3, seed)


def test_a_preview_shows_training_rows_of_every_class(dataset: Dataset) -> None:
    seen = shown(dataset)
    rows = [dataset.paths.index(path) for path in seen.paths]
    assert set(rows) <= set(dataset.training_rows(0).tolist()) and len(set(rows)) == 6
    assert np.array_equal(seen.labels, dataset.labels[rows])
    assert np.bincount(seen.labels).tolist() == [2, 2, 2]


def test_validation_is_what_the_store_holds_and_training_what_augmentation_makes_of_it(
    dataset: Dataset,
) -> None:
    seen = shown(dataset, preprocess="center_crop(20x30)", image_size="24x32", augment="flip(1)")
    rows = [dataset.paths.index(path) for path in seen.paths]
    assert seen.validation.shape == (6, 24, 32, 3) and seen.training.shape == (6, 3, 24, 32, 3)
    assert np.array_equal(seen.validation, open_store(dataset, "24x32", "center_crop(20x30)")[rows])
    for repeat in range(3):
        assert np.array_equal(seen.training[:, repeat], seen.validation[:, :, ::-1])


def test_variants_differ_and_follow_from_the_seed(dataset: Dataset) -> None:
    first, again, other = shown(dataset), shown(dataset), shown(dataset, seed=1)
    assert np.array_equal(first.training, again.training) and first.paths == again.paths
    assert not np.array_equal(first.training[:, 0], first.training[:, 1])
    assert first.paths != other.paths


def test_rare_classes_are_shown_as_they_are_trained(dataset: Dataset) -> None:
    seen = shown(dataset, augment="none", augment_rare="vflip(1)", rare_share=0.2)
    rare = seen.labels == 2
    assert np.array_equal(seen.training[rare][:, 0], seen.validation[rare][:, ::-1])
    assert np.array_equal(seen.training[~rare][:, 0], seen.validation[~rare])


def test_mixing_is_shown(dataset: Dataset) -> None:
    seen = shown(dataset, augment="none", mix="mixup", mix_probability=1.0, mix_alpha=10.0)
    assert not np.array_equal(seen.training[:, 0], seen.validation)


@pytest.mark.parametrize("mix", ["none", "cutmix"])
def test_what_the_device_would_make_of_them_is_shown_where_that_is_asked_for(
    dataset: Dataset, mix: str
) -> None:
    config = {"augment": "medium", "mix": mix, "mix_probability": 1.0, "image_size": "24x32"}
    on_cpu = shown(dataset, augment_on="cpu", **config)
    seen, again = (shown(dataset, augment_on="device", **config) for _ in range(2))
    assert np.array_equal(seen.training, again.training)
    assert np.array_equal(seen.validation, on_cpu.validation) and seen.paths == on_cpu.paths
    assert not np.array_equal(seen.training, on_cpu.training)  # the same steps by other draws
    augment = DeviceAugmenter("medium")
    rng = seeding.stream(0, seeding.AUGMENT, 0, 0)
    images = torch.from_numpy(seen.validation).permute(0, 3, 1, 2)
    expected, _ = mix_tensors(
        augment(images, rng), torch.from_numpy(seen.labels), 3, mix, 0.4, 1.0, rng, torch.from_numpy
    )
    assert np.array_equal(seen.training[:, 0], expected.permute(0, 2, 3, 1).numpy())


def test_steps_of_rare_classes_are_shown_as_the_device_does_them(dataset: Dataset) -> None:
    config = {"augment": "none", "augment_rare": "vflip(1)", "rare_share": 0.2}
    seen, on_cpu = (shown(dataset, augment_on=where, **config) for where in ("device", "cpu"))
    assert np.array_equal(seen.training, on_cpu.training)


def test_nothing_to_show_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(TrainableError, match="at least 1 row"):
        shown(dataset, rows=0)
    with pytest.raises(ImageReadError, match="cannot be read"):
        shown(replace(dataset, paths=tuple(f"gone-{path}" for path in dataset.paths)))

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import ImageReadError, TrainableError
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


def test_nothing_to_show_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(TrainableError, match="at least 1 row"):
        shown(dataset, rows=0)
    with pytest.raises(ImageReadError, match="cannot be read"):
        shown(replace(dataset, paths=tuple(f"gone-{path}" for path in dataset.paths)))

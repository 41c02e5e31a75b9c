"""Asks a trainable for the measures of images: who decodes them is its business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.core.image_measures import ImageMeasures, ImageSource
from orchestrator.core.trainable import load_trainable

SHIPPED = "trainables.image_classifier:ImageClassifier"
"""Whose decoder reads the images where there is no space, or where the space's trainable measures nothing."""


def measure_images(
    images: ImageSource,
    trainable: str = SHIPPED,
    progress: Progress | None = None,
    values: Mapping[str, Sequence[Any]] | None = None,
) -> ImageMeasures:
    """Of every file, in the order of `images.paths`; from the cache folder where it was measured before.

    trainable: "module:Class" of the space. values: each of its parameters with the values it can take, for
    what a file leaves open (background, value_range); the first of them counts. A file that cannot be read is
    told in `ImageMeasures.errors`. Raises TrainableError, StorageError.
    """
    found = getattr(load_trainable(trainable), "measure_images", None)
    if found is None:
        found = load_trainable(SHIPPED).measure_images  # type: ignore[attr-defined]
    measures: ImageMeasures = found(images, progress, values)
    return measures

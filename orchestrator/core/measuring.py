"""Asks a trainable for the measures of images: who decodes them is its business."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.core.image_measures import ImageMeasures, ImageSource
from orchestrator.core.trainable import load_trainable

SHIPPED = "trainables.image_classifier:ImageClassifier"
"""Who looks at images where there is no space, or where the space's trainable has none of its own."""
SHIPPED_LOOK = "trainables.images.looking:LooksAtImages"
"""What of SHIPPED looks at images and trains nothing; SHIPPED inherits it."""


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
    measures: ImageMeasures = own_or_shipped(trainable, "measure_images")(images, progress, values)
    return measures


def own_or_shipped(trainable: str, method: str) -> Any:
    """That class method of a trainable, or of the shipped one where it has none. Raises TrainableError."""
    own = None if trainable == SHIPPED else getattr(load_trainable(trainable), method, None)
    return _shipped(method) if own is None else own


def _shipped(method: str) -> Any:
    """The part that looks at images comes without torch, which takes seconds to load."""
    module, _, name = SHIPPED_LOOK.partition(":")
    looking = getattr(importlib.import_module(module), name)
    return getattr(looking if hasattr(looking, method) else load_trainable(SHIPPED), method)

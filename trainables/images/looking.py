"""What looks at image files for people and checks. No torch: who only looks need not wait for it to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.callbacks import Progress
from orchestrator.core.image_measures import ImageMeasures, ImageSource
from trainables.images.measuring import measure_images
from trainables.images.thumbnails import read_thumbnails


class LooksAtImages:
    """The part of the shipped trainable that trains nothing."""

    @classmethod
    def measure_images(
        cls,
        images: ImageSource,
        progress: Progress | None = None,
        values: Mapping[str, Sequence[Any]] | None = None,
    ) -> ImageMeasures:
        """What one pass over the files measures of each. Raises StorageError."""
        return measure_images(images, progress, values)

    @classmethod
    def thumbnails(cls, root: str, paths: Sequence[str], side: int) -> list[NDArray[np.uint8] | None]:
        """Each image upright and small, (h, w, 3) uint8 RGB; None for one that cannot be read."""
        return read_thumbnails(Path(root), paths, side)

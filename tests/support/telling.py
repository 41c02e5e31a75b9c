"""A trainable that has something to tell once a node is made ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from tests.pixel_trainable import PixelTrainable


class Telling(PixelTrainable):
    @classmethod
    def prepare(  # type: ignore[override]  # what it derives from has nothing to tell
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> Sequence[str]:
        return [f"images: {len(dataset.paths)} looked at", "warning: one of them is odd"]

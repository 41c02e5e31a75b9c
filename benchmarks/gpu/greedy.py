"""The image classifier, which from its second epoch on holds a share of the whole GPU's memory besides."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from orchestrator.core.dataset import Dataset
from orchestrator.core.trainable import Config, Parameter, Resources
from trainables.image_classifier import ImageClassifier

GROWS_AFTER = 1  # epochs: fold runs start side by side, and only then is the memory too small for all


class Greedy(ImageClassifier):
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        own = dict(config)
        self._share = float(own.pop("hold", 0.0))
        super().__init__(dataset, fold, own, max_epochs, seed, resources)

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {
            **super().parameters(),
            "hold": Parameter(0.0, minimum=0.0, maximum=1.0, doc="share of the GPU's memory"),
        }

    def run_epoch(self) -> dict[str, float]:
        """Raises torch.OutOfMemoryError where others hold too much."""
        held = self._hold() if self._epoch >= GROWS_AFTER else None
        found = super().run_epoch()
        del held  # torch keeps it for this process, as it keeps what a network needed
        return found

    def _hold(self) -> torch.Tensor | None:
        if not torch.cuda.is_available() or self._share == 0:
            return None
        size = int(self._share * torch.cuda.mem_get_info()[1])
        return torch.zeros(size, dtype=torch.uint8, device="cuda")

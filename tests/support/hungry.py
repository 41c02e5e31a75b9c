"""A trainable that holds memory and says how much, before it is asked to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from orchestrator.core.dataset import Dataset
from orchestrator.core.fold_run_cost import FoldRunCost
from orchestrator.core.own_memory import own_peak_unshared
from orchestrator.core.trainable import Config, Parameter, Resources
from tests.pixel_trainable import PixelTrainable

MEBIBYTES = 300


def held(config: Config) -> Any:
    """Written to, so that it is resident."""
    return np.ones(int(config.get("mebibytes", MEBIBYTES)) * 2**17)


class Hungry(PixelTrainable):
    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        super().__init__(dataset, fold, config, max_epochs, seed, resources)
        self._held = held(config)

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {**super().parameters(), "mebibytes": Parameter(MEBIBYTES, ("int",), minimum=1)}

    def close(self) -> None:
        self._held = None
        super().close()

    @classmethod
    def cost_parameters(cls) -> Sequence[str]:
        return ("mebibytes",)

    @classmethod
    def cost_family(cls, config: Config) -> Mapping[str, Any]:
        return {}

    @classmethod
    def cost_size(cls, config: Config) -> float:
        return float(config["mebibytes"])

    @classmethod
    def probe(
        cls,
        config: Config,
        classes: int,
        rows: int,
        resources: Resources,
        seconds: float,
        meet: Callable[[], None],
    ) -> FoldRunCost:
        kept = held(config)
        meet()
        return FoldRunCost(own_peak_unshared() + 0 * len(kept), 0, 0.01, 100.0)

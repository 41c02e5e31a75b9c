"""Studies whose models see what an image shows: predictions lean towards labels given apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from orchestrator.core import metrics
from orchestrator.core.callbacks import Progress
from orchestrator.core.dataset import Dataset
from orchestrator.core.errors import TrainableError
from orchestrator.core.trainable import Config, Parameter, Predictor, Resources
from orchestrator.study.study import Study
from tests.study.test_comparing import make
from tests.support.ensemble_studies import Plan


def make_leaning(path: Path, data: Path, plan: Plan, truth: Path, draw: int = 0) -> Study:
    """A study of `data` whose predictions lean towards the labels in `truth`, whatever those of `data` are.

    Both are tables of the same rows in the same order. Another draw gives other predictions.
    """
    true = plan.target.encode(pd.read_csv(truth).assign(role="train"))
    file = truth.parent / f"{truth.stem}-{plan.target.name}.npy"
    np.save(file, true)
    config = {**plan.config, "truth": str(file), "draw": draw}
    return make(path, data, replace(plan, config=config, trainable=f"{__name__}:LeaningTrainable"))


class LeaningTrainable:
    """Every epoch predicts the same of a row, whatever fold it is in."""

    def __init__(
        self, dataset: Dataset, fold: int, config: Config, max_epochs: int, seed: int, resources: Resources
    ) -> None:
        self._dataset, self._rows = dataset, dataset.validation_rows(fold)
        self._scored = dataset.scored(fold)
        true, rng = np.load(config["truth"]), np.random.default_rng([config["draw"], seed])
        several = dataset.task.multi_label
        lean = true if several else np.eye(len(dataset.classes))[true]
        odds = np.exp(rng.normal(size=lean.shape) + 3 * lean - 1.5 * several)
        chances = odds / (1 + odds) if several else odds / odds.sum(axis=1, keepdims=True)
        self._probabilities = chances.astype(np.float32)[self._rows]

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        return {
            "lr": Parameter(0.5, ("float",)),
            "truth": Parameter("", ("str",)),
            "draw": Parameter(0, ("int",)),
        }

    @classmethod
    def prepare(
        cls, dataset: Dataset, values: Mapping[str, Sequence[Any]], progress: Progress | None = None
    ) -> None:
        return

    def run_epoch(self) -> dict[str, float]:
        labels = self._dataset.labels[self._rows][self._scored]
        found = metrics.score(self._dataset.metric, labels, self._probabilities[self._scored])
        return {self._dataset.metric: found}

    def probabilities(self) -> np.ndarray:
        return self._probabilities

    def weights(self) -> bytes:
        return b""

    def state(self) -> bytes:
        return b""

    def load_state(self, data: bytes) -> None:
        return

    def close(self) -> None:
        return

    @classmethod
    def load_predictor(
        cls, weights: bytes, config: Config, classes: int, resources: Resources | None = None
    ) -> Predictor:
        raise TrainableError("it knows the rows of its study alone, and predicts no others")

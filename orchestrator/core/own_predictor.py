"""One stored model of one's own in memory, asked for a few images at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.array_files import to_numpy
from orchestrator.core.callbacks import Progress
from orchestrator.core.errors import TrainableError
from orchestrator.core.fold_data import Rows
from orchestrator.core.probabilities import any_fault

BATCH = 512  # images at once: a writer's predict may read them all into memory


class OwnPredictor:
    """Keeps `core.trainable.Predictor`."""

    def __init__(
        self, name: str, classes: int, predict: Callable[[Rows], Any], multi_label: bool = False
    ) -> None:
        """predict: probabilities (len(rows), classes) of any rows."""
        self._name, self._classes, self._predict, self._multi_label = name, classes, predict, multi_label

    def predict(
        self,
        paths: Sequence[str],
        tta: str = "none",
        progress: Progress | None = None,
        columns: Mapping[str, NDArray[Any]] | None = None,
    ) -> NDArray[np.float32]:
        """Class probabilities (len(paths), C), rows summing to 1; of several labels (len(paths), L), each in
        [0, 1]. Raises TrainableError."""
        if tta != "none":
            raise TrainableError(
                f"{self._name} knows no test-time augmentation; use tta='none' instead of {tta!r}"
            )
        parts = [np.zeros((0, self._classes), np.float32)]
        for start in range(0, len(paths), BATCH):
            part = slice(start, start + BATCH)
            own = {name: column[part] for name, column in (columns or {}).items()}
            parts.append(self._checked(Rows(tuple(paths[part]), own)))
            if progress is not None:
                progress(min(start + BATCH, len(paths)), len(paths))
        return np.concatenate(parts)

    def _checked(self, rows: Rows) -> NDArray[np.float32]:
        found = to_numpy(self._predict(rows))
        if fault := any_fault(found, rows.paths, self._classes, self._multi_label):
            raise TrainableError(f"{self._name}: what its predictor gave is wrong: {fault}")
        return found.astype(np.float32)

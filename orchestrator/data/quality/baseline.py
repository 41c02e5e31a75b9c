"""A baseline that is quickly made: logistic regression on features that nothing was trained for.

Features are standardised by the rows that are fitted to, and by no other. Pure.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.callbacks import Progress

Features = NDArray[np.float32]
PENALTY = 0.01
"""Of the squared weights, beside the mean loss of a row: the same strength for any number of rows."""
STEPS = 300  # of the optimizer, at most
TOLERANCE = 1e-3  # largest slope of the mean loss at its end: ten times less changes no score's third digit


def out_of_fold(
    features: Features,
    labels: Labels,
    folds: NDArray[np.integer],
    classes: int,
    progress: Progress | None = None,
) -> Probabilities:
    """(n, C) the probabilities of each row by the model of the other folds; 0 in rows of no fold (-1).

    features (n, D) finite; labels (n,) in [0, classes), or (n, classes) of 0 and 1; folds (n,). Rows of fold
    -1 join every training part.
    """
    found = np.zeros((len(labels), classes), np.float32)
    numbers = [int(fold) for fold in np.unique(folds) if fold >= 0]
    for done, fold in enumerate(numbers):
        scored = folds == fold
        found[scored] = fitted(features[~scored], labels[~scored], classes)(features[scored])
        if progress is not None:
            progress(done + 1, len(numbers))
    return found


class LogisticHead:
    """What `fitted` gives: features (m, D) -> probabilities (m, C)."""

    def __init__(self, scaler: Any, models: list[Any], classes: int, multi_label: bool) -> None:
        self._scaler, self._models, self._classes, self._multi_label = scaler, models, classes, multi_label

    def __call__(self, features: Features) -> Probabilities:
        scaled = self._scaler.transform(features)
        if self._multi_label:
            columns = [_columns(model, scaled, 2)[:, 1] for model in self._models]
            return np.stack(columns, axis=1).astype(np.float32)
        return _columns(self._models[0], scaled, self._classes)


def fitted(
    features: Features, labels: Labels, classes: int, balanced: bool = False, penalty: float = PENALTY
) -> LogisticHead:
    """balanced: every class weighs as much as any other, however many rows it has."""
    from sklearn.preprocessing import StandardScaler  # a second, which not every command should pay

    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    multi_label = labels.ndim == 2
    columns = list(labels.T) if multi_label else [labels]
    models = [_model(scaled, column, balanced, penalty) for column in columns]
    return LogisticHead(scaler, models, classes, multi_label)


def _model(scaled: Features, labels: Labels, balanced: bool, penalty: float) -> Any:
    """A fitted model, or the one class that all rows have."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    if len(present) == 1:
        return int(present[0])
    model = LogisticRegression(
        C=1 / (penalty * len(labels)), tol=TOLERANCE, max_iter=STEPS,
        class_weight="balanced" if balanced else None,
    )  # fmt: skip
    # The products are small: threads that wait for a busy core cost 100 times more.
    with _threads().limit(limits=1):
        return model.fit(scaled, labels)


@functools.cache
def _threads() -> Any:
    """What limits the libraries of this process, once sklearn has loaded its own: finding them costs as much
    as a small fit."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _columns(model: Any, scaled: Features, classes: int) -> Probabilities:
    """(m, classes): classes that no row fitted to has get 0."""
    found = np.zeros((len(scaled), classes), np.float32)
    if isinstance(model, int):
        found[:, model] = 1
    else:
        found[:, model.classes_] = model.predict_proba(scaled)
    return found

"""A user's own metric, `my_metrics:score`: any function of labels and probabilities that gives a number."""

from __future__ import annotations

import importlib
import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels
from orchestrator.core.code_origin import compile_own
from orchestrator.core.errors import MetricError, NonFiniteError
from orchestrator.core.metrics.contract import AnyProbabilities, Metric, Weights
from orchestrator.core.text import on_one_line

Resamples = Sequence[tuple[Labels, AnyProbabilities]]


def is_own(name: str) -> bool:
    return ":" in name


def own_metric(name: str) -> Metric[Resamples]:
    """Imports nothing before it scores, so that a study can be read where the function is not."""
    return Metric(
        resampled_rows,
        lambda found: np.array([call(name, *rows) if len(rows[0]) else math.nan for rows in found]),
        mode="",
        needs="probabilities",
        meaning="a function of your own",
        source=name,
        bounds=(-math.inf, math.inf),
    )


def resampled_rows(
    labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], groups: int
) -> Callable[[Weights], Resamples]:
    """A function says nothing of what it sums: each resample's rows are written out, one at a time."""
    return lambda weights: _Rows(labels, probabilities, codes, weights)


class _Rows(Sequence[tuple[Labels, AnyProbabilities]]):
    def __init__(
        self, labels: Labels, probabilities: AnyProbabilities, codes: NDArray[np.int64], weights: Weights
    ) -> None:
        self._labels, self._probabilities, self._codes, self._weights = labels, probabilities, codes, weights

    def __len__(self) -> int:
        return len(self._weights)

    def __getitem__(self, number: Any) -> Any:
        if number >= len(self):
            raise IndexError(number)
        times = self._weights[number][self._codes].astype(np.int64)
        rows = np.repeat(np.arange(len(self._codes)), times)
        return self._labels[rows], self._probabilities[rows]


def load_own(name: str) -> Callable[[Labels, AnyProbabilities], Any]:
    """The function itself. Raises MetricError where there is none."""
    module, _, attribute = name.partition(":")
    compile_own(module)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever the user's module raises while it is imported
        said = on_one_line(f"{type(error).__name__}: {error}")
        raise MetricError(
            f"metric={name!r} cannot be imported: {said}; the module must hold a function of that name, and "
            "lie beside the space file (--space), in the folder where the command is started, or be installed"
        ) from error
    if not callable(found):
        raise MetricError(f"metric={name!r} is {found!r}; it must be a function of (labels, probabilities)")
    checked: Callable[[Labels, AnyProbabilities], Any] = found
    return checked


def call(name: str, labels: Labels, probabilities: AnyProbabilities) -> float:
    """The function's own number.

    Raises MetricError where it raises or gives no number, NonFiniteError for NaN and infinity.
    """
    what = f"metric {name} of labels {labels.shape} and probabilities {probabilities.shape}"
    try:
        found = load_own(name)(labels, probabilities)
    except MetricError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise MetricError(f"{what} raised {type(error).__name__}: {error}") from error
    if isinstance(found, bool | np.bool_) or not isinstance(found, numbers.Real):
        raise MetricError(
            f"{what} returned {_shown(found)}, of type {type(found).__name__}; return one number, a float"
        )
    if not math.isfinite(found):
        raise NonFiniteError(f"{what} returned {float(found)}; it must be finite")
    return float(found)


def _shown(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."

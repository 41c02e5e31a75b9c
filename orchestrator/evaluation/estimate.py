"""A score with its interval and what it means, and the score fold by fold."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Labels, Probabilities
from orchestrator.core.metrics import score


@dataclass(frozen=True)
class Estimate:
    """A score and how far to believe it. In a notebook it shows as its title, its numbers and its meaning."""

    score: float
    low: float  # lower end of the interval
    high: float  # upper end of the interval
    level: float  # share of such intervals that should hold the true value, such as 0.95
    method: str  # how the interval was obtained
    n_groups: int  # groups that were resampled
    title: str = ""  # what it is, in a few words: "BBC-CV macro_f1"
    meaning: str = ""  # what the number says and what it does not, in sentences

    @property
    def words(self) -> dict[str, str]:
        return {"title": self.title, "meaning": self.meaning}

    @property
    def numbers(self) -> dict[str, Any]:
        """Every field that is not in `words`."""
        return {key: value for key, value in asdict(self).items() if key not in self.words}

    def __str__(self) -> str:
        return f"{self.score:.4f} ({self.level:.0%} interval {self.low:.4f} to {self.high:.4f})"

    def _repr_html_(self) -> str:
        title, meaning = html.escape(self.title or self.method), html.escape(self.meaning)
        return f"<p><b>{title}: {html.escape(str(self))}</b><br>{meaning}</p>"


@dataclass(frozen=True)
class FoldScores:
    """Scores by fold number, their mean and their standard deviation (n - 1; nan for one fold)."""

    scores: dict[int, float]
    mean: float
    sd: float


def fold_scores(
    labels: Labels, probabilities: Probabilities, folds: NDArray[np.int16], metric: str
) -> FoldScores:
    """The metric within each fold's rows. labels (n,), probabilities (n, C), folds (n,)."""
    scores = {}
    for fold in np.unique(folds):
        rows = folds == fold
        scores[int(fold)] = score(metric, labels[rows], probabilities[rows])
    values = np.array(list(scores.values()))
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return FoldScores(scores, float(values.mean()), sd)

"""FO003: the best trial is no better than a model that knows no images, or one that is fitted in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.study_checks.material import Answered, Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO003"
LEVEL = 0.95
WAY_OUT = (
    "look at the labels and the images first (python -m orchestrator.check), then at learning rate, image "
    "size "
    "and epochs: what was searched learns little of these images"
)


def look(material: Material) -> Iterator[Finding]:
    best = material.answered(material.best.number)
    shares = class_shares(best.labels, best.folds, best.probabilities.shape[1])
    dealt = best.probabilities[dealt_anew(best.folds, material.rng(CODE))]
    findings = [
        _finding(material, "the classes' shares alone", best, replace(best, probabilities=shares)),
        _finding(material, "its answers dealt to other rows", best, replace(best, probabilities=dealt)),
        *(_finding(material, name, own, rival) for name, own, rival in _fitted(material, best)),
    ]
    worse = [item for item in findings if item.level is not Level.OK]
    yield from worse or findings[-1:]


def class_shares(labels: Labels, folds: NDArray[np.int16], classes: int) -> Probabilities:
    """(n, C): the share of each class among the rows of the other folds. labels (n,), or (n, L)."""
    held = labels.astype(float) if labels.ndim == 2 else np.eye(classes)[labels]
    found = np.empty((len(labels), classes), np.float32)
    for fold in np.unique(folds):
        found[folds == fold] = held[folds != fold].mean(axis=0)
    return found


def dealt_anew(folds: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int64]:
    """(n,): for each row another of its fold, drawn: answers so dealt know nothing of their rows, but name
    the classes as often. A metric such as macro-F1 thinks less of one class named always than of that."""
    order = np.arange(len(folds))
    for fold in np.unique(folds):
        own = np.flatnonzero(folds == fold)
        order[own] = rng.permutation(own)
    return order


def _fitted(material: Material, best: Answered) -> Iterator[tuple[str, Answered, Answered]]:
    """The baseline's name, the best trial on its rows, and the baseline there."""
    baseline = material.baseline
    if baseline is None:
        return
    own = best.taken(np.isin(best.rows, baseline.rows))
    if not len(own.rows):
        raise UnseenError("the baseline answers none of the rows")
    at = np.argsort(baseline.rows)[np.searchsorted(np.sort(baseline.rows), own.rows)]
    yield baseline.name, own, replace(own, probabilities=baseline.probabilities[at])


def _finding(material: Material, name: str, best: Answered, rival: Answered) -> Finding:
    scores = material.resampled(CODE, best, rival)
    ahead: Floats = scores[1:, 0] - scores[1:, 1]
    low, high = np.quantile(ahead, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    metric, sign, number = material.space.metric, material.sign, material.best.number
    said = (
        f"trial {number} has {sign * scores[0, 0]:.4f} {metric}, {name} {sign * scores[0, 1]:.4f}; it is "
        "better "
        f"by {scores[0, 0] - scores[0, 1]:+.4f} (paired {LEVEL:.0%} interval {low:+.4f} to {high:+.4f})"
    )
    if low > 0:
        return fine(CODE, said)
    return coded(CODE, Level.WARNING, said, WAY_OUT, trials=(number,))

"""FO003: the best trial is no better than a model that knows no images, or one that is fitted in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.core.metrics import is_own
from orchestrator.core.text import counted
from orchestrator.study_checks.best_by_chance import LEVEL, TRIALS, BestByChance, best_by_chance
from orchestrator.study_checks.material import Answered, Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO003"
FEW_GROUPS = 6
"""Groups of a fold that are dealt in so few ways that the true one is often among them."""
WAY_OUT = (
    "look at the labels and the images first (python -m orchestrator.check), then at learning rate, image "
    "size "
    "and epochs: what was searched learns little of these images"
)


def look(material: Material) -> Iterator[Finding]:
    best = material.answered(material.best.number)
    chosen = _choice(material, best)
    shares = class_shares(best.labels, best.folds, best.probabilities.shape[1])
    share = replace(best, probabilities=shares)
    own = [
        _beside_chance(material, chosen),
        _finding(material, "the classes' shares alone", best, share),
    ]
    fitted = [_finding(material, name, ours, rival) for name, ours, rival in _fitted(material, best)]
    worse = [item for item in (*own, *fitted) if item.level is not Level.OK]
    yield from worse or (fitted or own)[:1]


def _choice(material: Material, best: Answered) -> BestByChance:
    """What choosing the best of the study's trials gives where none knows anything."""
    metric = material.space.metric
    if is_own(metric):
        raise UnseenError(f"{metric} is a function of your own, which is not called for it")
    others = [trial.number for trial in material.complete[1:TRIALS]]
    answers = [best, *(material.answered(one) for one in others if material.snapshot.oof(one) is not None)]
    trials, epochs = len(material.ranked), material.space.max_t
    return best_by_chance(answers, metric, material.sign, trials, epochs, material.rng(CODE))


def _beside_chance(material: Material, chosen: BestByChance) -> Finding:
    sign, number, score = material.sign, material.best.number, material.best.score
    trials, side = counted(len(material.ranked), "trial"), "below" if sign > 0 else "above"
    said = (
        f"trial {number} has {score:.4f} {material.space.metric}; its answers dealt to other rows have "
        f"{sign * chosen.dealt:.4f}, and the best of {trials} that know nothing, each at its best epochs, "
        f"stays {side} {sign * chosen.highest:.4f} in {LEVEL:.0%} of cases"
    )
    if sign * score > chosen.highest:
        return fine(CODE, said)
    if chosen.groups < FEW_GROUPS:
        few = f"{said}; a fold of {counted(chosen.groups, 'group')} cannot tell it from chance"
        return coded(CODE, Level.NOTE, few, "more groups, or fewer folds, would tell", trials=(number,))
    return coded(CODE, Level.WARNING, said, WAY_OUT, trials=(number,))


def class_shares(labels: Labels, folds: NDArray[np.int16], classes: int) -> Probabilities:
    """(n, C): the share of each class among the rows of the other folds. labels (n,), or (n, L)."""
    held = labels.astype(float) if labels.ndim == 2 else np.eye(classes)[labels]
    found = np.empty((len(labels), classes), np.float32)
    for fold in np.unique(folds):
        found[folds == fold] = held[folds != fold].mean(axis=0)
    return found


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
        f"better by {scores[0, 0] - scores[0, 1]:+.4f} (paired {LEVEL:.0%} interval {low:+.4f} to "
        f"{high:+.4f})"
    )
    if low > 0:
        return fine(CODE, said)
    return coded(CODE, Level.WARNING, said, WAY_OUT, trials=(number,))

"""FO002: a fold on which all trials score unlike on the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit  # `scipy.stats` takes half a second to import

from orchestrator.core.arrays import Floats
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO002"
LUCK = 0.01
"""Share of studies in which resampled groups would put some fold beyond the limit. Folds are balanced over
classes and scatter less than resampled groups do: of 1800 drawn clean studies none came near it."""
LEAST = 3  # folds: of two nobody knows which is the odd one


@dataclass(frozen=True)
class FoldDistance:
    """The fold furthest from the others."""

    fold: int
    difference: float  # from the mean of the others, larger is better
    errors: float  # the same in standard errors
    limit: float  # standard errors that chance leaves a fold in all but LUCK of studies


def look(material: Material) -> Iterator[Finding]:
    scores = material.fold_scores
    if scores.shape[1] < LEAST:
        raise UnseenError(f"of {scores.shape[1]} folds it is not known which is the odd one")
    found = furthest(scores, *_errors(material))
    said = (
        f"fold {found.fold} differs by {material.sign * found.difference:+.3f} {material.space.metric} from "
        f"the mean of the others, {abs(found.errors):.1f} standard errors (by chance a fold differs by up to "
        f"{found.limit:.1f} in {1 - LUCK:.0%} of studies)"
    )
    if abs(found.errors) <= found.limit:
        yield fine(CODE, said)
        return
    way = "worse" if found.difference < 0 else "better"
    yield coded(
        CODE,
        Level.WARNING,
        f"{said}, {way} in {_share(scores, found)} complete trials",
        f"look at the rows of fold {found.fold}: wrong labels, another camera or place, copies of training "
        "rows; python -m orchestrator.audit lists its doubtful labels",
        trials=[trial.number for trial in material.complete],
    )


def furthest(scores: Floats, errors: Floats, groups: int) -> FoldDistance:
    """scores (m, k): of complete trials on each fold, larger is better; errors (k,): the standard error that
    a fold's score has by its own rows; groups: of the fold with the fewest.

    Trials are paired: of each trial its own median over folds is taken away, then the median trial speaks for
    the fold. What the others scatter among themselves counts as chance too, if it is more than their errors.
    """
    # Errors from few groups are uncertain themselves, hence t; any of the folds could be the odd one.
    limit = float(stdtrit(max(groups - 1, 1), 1 - LUCK / 2 / len(errors)))
    effects = np.median(scores - np.median(scores, axis=1, keepdims=True), axis=0)
    found = []
    for fold in range(len(effects)):
        others = np.delete(np.arange(len(effects)), fold)
        chance = max(float(np.var(effects[others], ddof=1)), float((errors[others] ** 2).mean()))
        spread = np.sqrt(max(errors[fold] ** 2, chance) + chance / len(others))
        difference = float(effects[fold] - effects[others].mean())
        found.append(FoldDistance(fold, difference, difference / max(float(spread), 1e-9), limit))
    return max(found, key=lambda item: abs(item.errors))


def _errors(material: Material) -> tuple[Floats, int]:
    """(k,) of the best trial's score on each fold, over resampled groups; and the fewest groups of a fold."""
    answered = material.answered(material.best.number)
    found, groups = [], []
    for fold in range(material.space.folds):
        own = answered.taken(answered.folds == fold)
        if not len(own.rows):
            raise UnseenError(f"fold {fold} has no rows")
        found.append(float(material.resampled(CODE, own)[1:].std()))
        groups.append(len(np.unique(own.groups)))
    return np.array(found), min(groups)


def _share(scores: Floats, found: FoldDistance) -> str:
    own = scores[:, found.fold] - np.median(scores, axis=1)
    return f"{int((np.sign(own) == np.sign(found.difference)).sum())} of {len(scores)}"

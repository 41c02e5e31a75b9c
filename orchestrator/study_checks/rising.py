"""FO010 and FO018: the best epoch is the last one, or the first, almost everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orchestrator.core.arrays import Floats
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.study_checks.chance import ALPHA, binomial_tail
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

RISING, AT_ONCE = "FO010", "FO018"
LEAST = 3  # epochs: of two, half the runs have their best one at the end by chance
LAST = 0.2  # of the epochs, whose gain is compared with the score's standard error
WORTH = 0.5
"""Standard errors of the score: what moves it less is not worth more epochs."""
PLATEAU = 4
"""Where scores no longer rise, the best epoch is one of the last ones by chance: of half of all, or of so
many where they are fewer."""


@dataclass(frozen=True)
class BestEpochs:
    """Of the fold runs of complete trials."""

    runs: int
    epochs: int
    last: int  # runs whose best epoch is the last
    first: int  # runs whose best epoch is the first
    gain: float  # mean over runs that the last fifth of the epochs brought
    loss: float  # mean over runs from the first epoch to the last

    @property
    def is_rising(self) -> bool:
        """Chance, if no epoch were better than another, would seldom put so many at the end."""
        return binomial_tail(self.last, self.runs, self._share) <= ALPHA

    @property
    def is_best_at_once(self) -> bool:
        return binomial_tail(self.first, self.runs, self._share) <= ALPHA

    @property
    def _share(self) -> float:
        return 1 / max(self.epochs / 2, min(self.epochs, PLATEAU))


def best_epochs(curves: Floats) -> BestEpochs:
    """curves (m, k, epochs): scores, larger is better."""
    runs = curves.reshape(-1, curves.shape[-1])
    best, epochs = runs.argmax(axis=1), runs.shape[1]
    back = max(1, round(LAST * epochs))
    gain = (runs[:, -1] - runs[:, -1 - back]).mean() if epochs > back else 0.0
    ends = int((best == epochs - 1).sum()), int((best == 0).sum())
    return BestEpochs(len(runs), epochs, *ends, float(gain), float((runs[:, 0] - runs[:, -1]).mean()))


def look_at_the_end(material: Material) -> Iterator[Finding]:
    found, back = _of(material), max(1, round(LAST * material.space.max_t))
    error, metric = material.standard_error, material.space.metric
    said = (
        f"the last of {found.epochs} epochs is the best one in {found.last} of {found.runs} fold runs of "
        f"complete trials; the last {back} brought {material.sign * found.gain:+z.3f} {metric}, "
        f"{abs(found.gain) / max(error, 1e-9):.1f} standard errors {'better' if found.gain > 0 else 'worse'}"
    )
    if not (found.is_rising and found.gain > WORTH * error):
        yield fine(RISING, said)
        return
    way_out = f"train longer: max_t={2 * material.space.max_t} in the space"
    yield coded(RISING, Level.WARNING, said, way_out, trials=[trial.number for trial in material.complete])


def look_at_the_beginning(material: Material) -> Iterator[Finding]:
    found, error = _of(material), material.standard_error
    said = (
        f"the first of {found.epochs} epochs is the best one in {found.first} of {found.runs} fold runs of "
        f"complete trials; from it to the last {material.space.metric} changes by "
        f"{-material.sign * found.loss:+.3f}, {abs(found.loss) / max(error, 1e-9):.1f} standard errors "
        f"{'worse' if found.loss > 0 else 'better'}"
    )
    if not (found.is_best_at_once and found.loss > WORTH * error):
        yield fine(AT_ONCE, said)
        return
    way_out = "try smaller learning rates, more augmentation, or fewer epochs with a larger grace_period"
    yield coded(AT_ONCE, Level.WARNING, said, way_out, trials=[trial.number for trial in material.complete])


def _of(material: Material) -> BestEpochs:
    if material.space.max_t < LEAST:
        raise UnseenError(f"{material.space.max_t} epochs are too few to say where they lead")
    curves = material.curves
    if not np.isfinite(curves).all():
        raise UnseenError("some epochs have no score")
    return best_epochs(curves)

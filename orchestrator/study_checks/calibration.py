"""FO012: probabilities that are further from the share that is right than chance explains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from orchestrator.core.arrays import Floats, Labels, Probabilities
from orchestrator.core.choices import GATED
from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.evaluation.bootstrap import group_codes
from orchestrator.evaluation.calibration import claims, equal_mass_bins
from orchestrator.study_checks.chance import ALPHA
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

CODE = "FO012"
DRAWS = 1000
WORTH = 0.03
"""Error beyond what chance leaves that changes what one does with a probability."""


@dataclass(frozen=True)
class Miscalibration:
    error: float  # expected calibration error, in bins of equal mass
    by_chance: float  # its mean if the probabilities were right
    highest: float  # the most of it that chance leaves in all but ALPHA of the draws
    surplus: float  # mean probability minus the share that is right; above 0: too sure

    @property
    def is_beyond_chance(self) -> bool:
        return self.error > self.highest and self.error - self.by_chance > WORTH


def look(material: Material) -> Iterator[Finding]:
    trials: tuple[int, ...] = ()
    if material.snapshot.ensemble is not None:
        name, stored = "the ensemble", material.ensemble_answered
        answered = replace(stored, probabilities=material.ensemble_refitted[0])
    else:
        trials = (material.best.number,)
        name, answered = f"trial {trials[0]}", material.answered(trials[0])
    codes, _ = group_codes(answered.groups)
    found = miscalibration(answered.labels, answered.probabilities, codes, material.rng(CODE))
    said = (
        f"{name}: expected calibration error {found.error:.3f}; right probabilities would give "
        f"{found.by_chance:.3f}, and at most {found.highest:.3f} in {1 - ALPHA:.1%} of cases"
    )
    if not found.is_beyond_chance:
        yield fine(CODE, said)
        return
    way = "too sure" if found.surplus > 0 else "not sure enough"
    yield coded(
        CODE,
        Level.WARNING,
        f"{said}; it is {way} ({found.surplus:+.3f} on the average)",
        f"{_way_out(material)}; label smoothing and fewer epochs help too",
        trials=trials,
    )


def _way_out(material: Material) -> str:
    """Not what was done already."""
    if material.snapshot.ensemble is None:
        return "python -m orchestrator.ensemble --calibrate auto fits a temperature on rows of other folds"
    if material.record.choice.get("options", {}).get("calibrate") == GATED[0]:
        return "do not read its probabilities as shares, a temperature was tried already"
    return "do not read its probabilities as shares; --calibrate auto tries a temperature"


def miscalibration(
    labels: Labels, probabilities: Probabilities, codes: NDArray[np.int64], rng: np.random.Generator
) -> Miscalibration:
    """labels (n,) and probabilities (n, C), or both (n, L); codes (n,): groups as numbers.

    What chance leaves is drawn from the probabilities themselves, as if they were right (consistency
    resampling). Rows of one group are drawn alike, which lets chance leave more: their labels are.
    Source: Broecker, Smith, Weather and Forecasting 22 (2007), "Increasing the reliability of reliability
    diagrams".
    """
    right, sure = claims(labels, probabilities)
    chances = sure.astype(np.float64)
    if not len(right):
        raise UnseenError("there are no rows")
    bins = [equal_mass_bins(column) for column in chances.T]
    error = _error(right[None].astype(float), chances, bins)[0]
    drawn = _drawn_errors(chances, bins, codes, rng)
    return Miscalibration(
        float(error),
        float(drawn.mean()),
        float(np.quantile(drawn, 1 - ALPHA)),
        float(chances.mean() - right.mean()),
    )


def _drawn_errors(
    chances: Floats, bins: list[NDArray[np.intp]], codes: NDArray[np.int64], rng: np.random.Generator
) -> Floats:
    """(DRAWS,): a block at a time, as a thousand draws of many rows take much memory."""
    step = max(1, 2**22 // max(chances.size, 1))
    found = []
    for start in range(0, DRAWS, step):
        count = min(step, DRAWS - start)
        luck = rng.random((count, int(codes.max()) + 1, chances.shape[1]))[:, codes]
        found.append(_error((luck < chances).astype(float), chances, bins))
    return np.concatenate(found)


def _error(right: Floats, chances: Floats, bins: list[NDArray[np.intp]]) -> Floats:
    """(draws,) of right (draws, n, L), as `equal_mass_ece` of each."""
    rows = chances.shape[0]
    total = np.zeros(len(right))
    for label, own in enumerate(bins):
        gaps = right[:, :, label] - chances[:, label]
        inside = np.eye(int(own.max()) + 1)[own]
        total += np.abs(gaps @ inside).sum(axis=1) / rows
    return total / len(bins)

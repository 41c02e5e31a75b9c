"""FO006 and FO014: estimates of one ensemble that do not agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.special import ndtri  # `scipy.stats` takes half a second to import

from orchestrator.core.finding import Finding, Level
from orchestrator.core.finding_codes import coded, fine
from orchestrator.evaluation.estimate import Estimate
from orchestrator.study_checks.material import Material
from orchestrator.study_checks.unseen import UnseenError

FLATTERS, UNTOUCHED = "FO006", "FO014"
CLEAR = 3.09
"""Standard errors of a difference: by chance untouched rows are so much worse in one of 1000 studies."""


MUCH = 2.0
"""Standard errors of the score from which its fall is a warning: replays choose on fewer rows than the search
had, which alone took 0.2 to 1.1 of them in drawn clean studies of 60 groups."""


def look_at_choices(material: Material) -> Iterator[Finding]:
    estimates = material.record.estimates
    naive, corrected = _defined(estimates, "naive"), _most_corrected(estimates)
    fall, error = sign_of(material) * (naive.score - corrected.score), standard_error(naive)
    said = (
        f"{naive.title} is {naive.score:.4f}; with the choices counted in ({corrected.title}) it is "
        f"{corrected.score:.4f}, {abs(fall) / max(error, 1e-9):.1f} standard errors "
        f"{'worse' if fall > 0 else 'better'}"
    )
    if not fall > error:
        yield fine(FLATTERS, said)
        return
    way_out = (
        f"report {corrected.title} ({corrected.score:.4f}), not the higher one; more groups, or fewer trials "
        "and choices, bring the two together"
    )
    yield coded(FLATTERS, Level.WARNING if fall > MUCH * error else Level.NOTE, said, way_out)


def look_at_untouched(material: Material) -> Iterator[Finding]:
    estimates = material.record.estimates
    untouched, corrected = _defined(estimates, "untouched"), _most_corrected(estimates)
    error = float(np.hypot(standard_error(untouched), standard_error(corrected)))
    fall = sign_of(material) * (corrected.score - untouched.score)
    said = (
        f"untouched rows score {untouched}, the training rows by {corrected.title} {corrected}; the "
        f"difference is {fall / max(error, 1e-9):+.1f} standard errors"
    )
    if not fall > CLEAR * error:
        yield fine(UNTOUCHED, said)
        return
    way_out = (
        "believe the untouched rows; look for what the folds leak (groups, copies) and for a shift: "
        "python -m orchestrator.check --space SPACE --data DATA --predict ROWS"
    )
    yield coded(UNTOUCHED, Level.WARNING, said, way_out)


def sign_of(material: Material) -> float:
    return 1.0 if material.record.mode == "max" else -1.0


def standard_error(found: Estimate) -> float:
    """From the width of its interval."""
    return float((found.high - found.low) / 2 / ndtri((1 + found.level) / 2))


def _most_corrected(estimates: Mapping[str, Estimate]) -> Estimate:
    for key in ("bbc_race", "bbc", "cross_fitted"):
        if key in estimates and estimates[key].is_defined:
            return estimates[key]
    raise UnseenError("the ensemble has no corrected estimate")


def _defined(estimates: Mapping[str, Estimate], key: str) -> Estimate:
    found = estimates.get(key)
    if found is None or not found.is_defined or not np.isfinite([found.low, found.high]).all():
        raise UnseenError(f"the ensemble has no {key} estimate with an interval")
    return found

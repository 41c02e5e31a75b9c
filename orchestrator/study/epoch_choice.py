"""Which epoch of a fold run is kept: that of the largest merit, the earliest of equals. Pure.

A study's header names the choice. The race goes by scores, whatever is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

DEFAULT = "best"
"""Of a study that begins now."""

REFINED = "refined_log_loss"
"""The metric that "refine" needs: an epoch's log loss after the temperature that suits it best."""

REFINE = "refine"

Merit = Callable[[float, Mapping[str, float]], float]
"""(score, the larger the better; metrics of the epoch by name) -> merit."""


def _score(score: float, metrics: Mapping[str, float]) -> float:
    return score


def _refined(score: float, metrics: Mapping[str, float]) -> float:
    """Berta et al. 2025, "Rethinking early stopping: refine, then calibrate"."""
    return -metrics.get(REFINED, math.inf)


CHOICES: dict[str, Merit] = {"best": _score, REFINE: _refined}


def merit(choice: str, mode: str, score: float, metrics: Mapping[str, float]) -> float:
    """Of one epoch. choice: a key of CHOICES; mode: of the score."""
    return CHOICES[choice](score if mode == "max" else -score, metrics)

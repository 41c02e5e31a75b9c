"""How sure the checks are that draw a line between chance and more. Pure."""

from __future__ import annotations

import math

ALPHA = 0.001
"""Share of studies without the fault in which a check that tests against chance may find it."""


def binomial_tail(hits: int, trials: int, share: float) -> float:
    """Probability of so many hits or more where each comes with probability `share`."""
    terms = (
        math.comb(trials, number) * share**number * (1 - share) ** (trials - number)
        for number in range(hits, trials + 1)
    )
    return min(math.fsum(terms), 1.0)

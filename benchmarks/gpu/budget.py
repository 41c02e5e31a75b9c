"""How long each stage may take: a pure rule, so that the whole stays within its minutes."""

from __future__ import annotations

from dataclasses import dataclass

START_S = 10.0  # a process, torch, the CUDA context: comes on top of what a stage measures
GRACE = 1.5  # a stage may take this times its seconds before it is ended from outside


@dataclass(frozen=True)
class Grant:
    """measures_s: after which the stage begins nothing new. ends_s: after which it is ended."""

    measures_s: float
    ends_s: float


def grant(wanted_s: float, least_s: float, left_s: float) -> Grant | None:
    """Of `left_s` for a stage that wants `wanted_s` and is worth nothing below `least_s`; None: cut.

    No stage's limit goes beyond what is left, so that the whole ends in time whatever one stage does.
    """
    usable = left_s - START_S
    if usable < least_s:
        return None
    measures = min(wanted_s, usable)
    return Grant(measures, min(GRACE * measures + START_S, left_s))

"""From numbers to places between 0 and 1, and the round numbers to write on an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.pages.figures import Axis, Number

TICKS = 5
"""About so many: their texts stand beside each other at 320 pixels too."""
_MARGIN = 0.04  # of the length, on both sides of the numbers
_SHORT = 2.5  # powers of ten: a log scale that covers fewer has ticks between them too
_ALIKE = 1e-9  # numbers whose relative difference is smaller are one: a scale between them means nothing


@dataclass(frozen=True)
class Tick:
    at: float  # between 0 and 1
    text: str


@dataclass(frozen=True)
class Scale:
    low: float  # log10 of the number where log
    high: float
    log: bool = False
    ticks: tuple[Tick, ...] = ()

    def at(self, value: Number) -> Number:
        """Between 0 and 1 for what is inside; None where there is no place for it."""
        if value is None or (self.log and value <= 0):
            return None
        return ((math.log10(value) if self.log else value) - self.low) / (self.high - self.low)

    def covers(self, value: float) -> bool:
        place = self.at(value)
        return place is not None and -1e-9 <= place <= 1 + 1e-9


def number_text(value: float) -> str:
    """0.25, 5760, 3e-5: three digits that count, and whole thousands."""
    if 1000 <= abs(value) < 1e6:
        return f"{value:.0f}"
    written = f"{value:.3g}"
    mantissa, e, exponent = written.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else written


def scale_of(
    values: Iterable[Number],
    log: bool = False,
    limits: tuple[float, float] | None = None,
    margin: float = _MARGIN,
) -> Scale:
    """Long enough for the values; limits are taken as they are."""
    known = [value for value in values if value is not None and not (log and value <= 0)]
    low, high = limits or ((min(known), max(known)) if known else (0.1 if log else 0.0, 1.0))
    if log:
        low, high = math.log10(low), math.log10(high)
    if high - low <= _ALIKE * max(abs(low), abs(high)):
        room = 0.5 if log else abs(low) / 10 or 0.5
        low, high = low - room, high + room
    elif limits is None:
        low, high = low - margin * (high - low), high + margin * (high - low)
    whole = limits is None and all(value == int(value) for value in known)  # epochs, counts
    return Scale(low, high, log, _log_ticks(low, high) if log else _ticks(low, high, whole))


def scale_on(axis: Axis, values: Iterable[Number]) -> Scale:
    """With categories, each has a place of its own."""
    if not axis.categories:
        return scale_of(values, axis.log)
    low, high = -0.5, len(axis.categories) - 0.5
    ticks = ((index - low) / (high - low) for index in range(len(axis.categories)))
    return Scale(low, high, False, tuple(map(Tick, ticks, axis.categories)))


def _ticks(low: float, high: float, whole: bool) -> tuple[Tick, ...]:
    step = _step((high - low) / TICKS)
    if whole:
        step = max(1.0, step)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    found = []
    for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1):
        value = index * step
        is_long = decimals > 4 or abs(value) >= 1e6
        text = number_text(value) if is_long else f"{value:z.{decimals}f}"
        found.append(Tick((value - low) / (high - low), text))
    return tuple(found)


def _step(rough: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not much larger: there are 4 to 12 ticks."""
    power = 10.0 ** math.floor(math.log10(rough))
    return max(factor * power for factor in (0.5, 1, 2, 5, 10) if factor * power <= rough * 1.3)


def _log_ticks(low: float, high: float) -> tuple[Tick, ...]:
    """At powers of ten, with 2 and 5 times those where the scale is short."""
    factors = (1, 2, 5) if high - low < _SHORT else (1,)
    every = max(1, math.ceil((high - low) / (TICKS + 1)))
    found = []
    for power in range(math.floor(low), math.ceil(high) + 1):
        for factor in factors:
            place = power + math.log10(factor)
            if low <= place <= high and power % every == 0:
                found.append(Tick((place - low) / (high - low), number_text(factor * 10.0**power)))
    return tuple(found)

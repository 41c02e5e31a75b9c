"""What a user may limit, and the sizes of a race that a limit is held against."""

from __future__ import annotations

import re
from dataclasses import dataclass

from orchestrator.core.errors import InputError
from orchestrator.core.text import counted

UNITS_S = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
LONGEST_S = 36_500 * UNITS_S["d"]
_DURATION = re.compile(r"".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?){unit})?" for unit in UNITS_S))


def parse_duration(text: str, option: str = "--time-budget") -> float:
    """Seconds of 90s, 45m, 2h, 1d, 1h30m. Raises InputError."""
    found = _DURATION.fullmatch(text.strip())
    parts = {} if found is None else {unit: part for unit, part in found.groupdict().items() if part}
    seconds = sum(float(part) * UNITS_S[unit] for unit, part in parts.items())
    if not 0 < seconds <= LONGEST_S:
        shown = text if len(text) <= 40 else f"{text[:37]}..."
        raise InputError(
            f"{option} {shown}: give a time above 0, of at most 36500d, in days, hours, minutes and seconds, "
            "for example 90s, 45m, 2h or 1h30m"
        )
    return seconds


def duration_text(seconds: float) -> str:
    """Inverse of `parse_duration`, to the second: 5400 -> 1h30m; below half a second to the millisecond."""
    if 0 < seconds < 0.5:
        return f"{max(seconds, 0.001):.3f}".rstrip("0") + "s"
    left, text = round(seconds), ""
    for unit, size in UNITS_S.items():
        count, left = divmod(left, round(size))
        text += f"{count}{unit}" if count else ""
    return text or "0s"


@dataclass(frozen=True)
class Budget:
    """What may be spent; a limit that is None does not exist."""

    fold_epochs: int | None = None  # of the study, all its sessions together
    seconds: float | None = None  # of one run of the command

    @property
    def given(self) -> bool:
        return self.fold_epochs is not None or self.seconds is not None

    def __str__(self) -> str:
        parts = [] if self.fold_epochs is None else [counted(self.fold_epochs, "fold-epoch")]
        parts += [] if self.seconds is None else [duration_text(self.seconds)]
        return " and ".join(parts)


NO_BUDGET = Budget()


@dataclass(frozen=True)
class Bounds:
    """The sizes of a race that a limit is held against."""

    finalists: int  # at the beginning; there may be fewer later (`Race.finalists`)
    folds: int
    max_t: int  # epochs of a fold run at full length
    slots: int  # fold runs at a time
    trials: int  # now
    cohort: int  # trials that may come at once
    most: int | None = None  # trials there may be in all; without end if None

    @property
    def full(self) -> int:
        """Fold-epochs of a complete trial."""
        return self.folds * self.max_t

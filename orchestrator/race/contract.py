"""What every stopping rule can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from orchestrator.core.events import Decision, Leg, RaceEvent, State

OUT = (State.PRUNED, State.FAIL)
"""States of a trial that is out of the race."""


@dataclass(frozen=True)
class TrialStatus:
    """Where a trial stands."""

    trial: int
    state: State
    rung: int | None  # the last one it finished, from 0
    score: float | None  # there: mean running best over the rung's folds, in the metric's own direction
    folds_complete: int  # folds at full length
    epochs_spent: int  # fold-epochs
    reason: str


class Race(Protocol):
    """A rule. Deterministic: the same events give the same state. `next` asks and changes nothing."""

    @property
    def done(self) -> bool:
        """Nothing is running and nothing is left to run."""
        ...

    def next(self) -> Leg | None:
        """The leg a free slot should take; None while only what runs can bring more, and when it is done."""
        ...

    def apply(self, event: RaceEvent) -> list[Decision]:
        """Takes one event and answers what follows from it.

        Raises ValueError for one that cannot follow the events before it.
        """
        ...

    def state(self, trial: int) -> State: ...

    def epochs_set_aside(self, trial: int) -> list[int]:
        """Of each fold, the epochs that a failed trial had."""
        ...

    def statuses(self) -> list[TrialStatus]:
        """One per trial, best first: complete ones by score, then by rung reached and score."""
        ...

    @property
    def finalists(self) -> int:
        """Trials that are to end complete, where so many come so far."""
        ...

    @property
    def most_finalists(self) -> int:
        """As many as there may be if there is more time (`Widened`)."""
        ...

    @property
    def planned_fold_epochs(self) -> int:
        """Fold-epochs the rule expects to spend in all, speculation not counted."""
        ...

    @property
    def spent_fold_epochs(self) -> int: ...

    def remaining_fold_epochs(self, trials: int) -> int:
        """Expected to be spent still if no trial from number `trials` on were proposed."""
        ...

    @property
    def finish_fold_epochs(self) -> int:
        """What completing the finalists takes if nothing else runs from now on (`BudgetSpent`)."""
        ...

"""When time is over, and what still fits before."""

from __future__ import annotations

from collections.abc import Callable, Collection

from orchestrator.budget.limits import duration_text
from orchestrator.budget.pace import EpochSpeed

CHOOSING_SHARE = 0.25
"""Of the time left once speed is known, what goes into choosing where a complete trial takes more than the
rest: see docs/benchmarks/short_budgets.md."""


class Deadline:
    """A limit of time. One too short for a single complete trial is planned as what that trial takes after
    `CHOOSING_SHARE` of it: something is handed in at the limit all the same, and completed after it.

    seconds: None for no limit. best_lacks: fold-epochs that complete the trial that leads.
    """

    def __init__(
        self, seconds: float | None, speed: EpochSpeed, longest_leg: int, best_lacks: Callable[[], int]
    ) -> None:
        self.seconds, self._speed = seconds, speed
        self._longest_leg, self._best_lacks = longest_leg, best_lacks
        self._until: float | None = None  # once speed is known
        self._choose_until: float | None = None  # where the limit is too short

    def __str__(self) -> str:
        """How much of it is over."""
        assert self.seconds is not None  # nothing is said of no limit
        gone, limit = duration_text(self._speed.elapsed()), duration_text(self.seconds)
        return f"{gone} of --time-budget {limit} are over"

    @property
    def measured(self) -> bool:
        """Whether it is known what fits, or that everything does."""
        return self.seconds is None or self._speed.knows(self.seconds)

    @property
    def passed(self) -> bool:
        return self.seconds is not None and self._speed.elapsed() >= self.seconds

    def fits(self, work: int, trials: Collection[int] = ()) -> bool:
        """Whether there is time for so many fold-epochs (of these trials)."""
        if self.seconds is None or not work or not self._speed.knows(self.seconds):
            return True
        now = self._speed.elapsed()
        if self._until is None:
            self._until = self._settled(now, self.seconds)
        return now + self._speed.seconds_for(work, self._longest_leg, trials) <= self._until

    def finish_fits(self, work: int, trials: Collection[int]) -> bool:
        """Whether there is time for these fold-epochs of the finalists so far, and for choosing still."""
        if not self.fits(work, trials):
            return False
        return self._choose_until is None or self._speed.elapsed() < self._choose_until

    def _settled(self, now: float, limit: float) -> float:
        choose_until = now + CHOOSING_SHARE * (limit - now)
        complete = choose_until + self.seconds_of(self._best_lacks())
        if complete <= limit:
            return limit
        self._choose_until = choose_until
        return complete

    def seconds_of(self, finish: int) -> float:
        """What so many fold-epochs that complete a trial take."""
        return self._speed.seconds_for(finish, self._longest_leg) if finish else 0.0

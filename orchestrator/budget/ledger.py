"""Where a race stands: what its finalists still take, and what runs beside them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.budget.limits import Bounds
from orchestrator.core.events import FoldRunKey, State
from orchestrator.race.contract import OUT, Race, TrialStatus


@dataclass(frozen=True)
class Ledger:
    """Where a race stands, and what a limit must still have room for."""

    finish: int  # fold-epochs that complete the finalists so far
    reserved_unstarted: int  # fold-epochs of finalists still to come, from trials without an epoch
    begun: int  # trials that have an epoch
    unstarted_running: int  # fold runs under way of finalists to come: they have no epoch yet
    stopping: int  # fold runs under way of all others; each reports one more epoch before it stops
    unfilled: int  # finalists for which no trial runs yet
    unstarted: tuple[int, ...]  # trials without an epoch, in order
    kept: frozenset[int]  # the finalists, also those to come whose fold runs are under way
    others: bool  # whether some trials beside them are still in

    @property
    def reserved(self) -> int:
        """Fold-epochs that are needed still if no leg but the finalists' starts from now on."""
        return self.finish + self.reserved_unstarted + self.stopping

    @property
    def to_finish(self) -> int:
        """Fold-epochs needed after a `BudgetSpent` now: who has no epoch yet stops too."""
        return self.finish + self.unstarted_running + self.stopping

    def with_more(self, trials: int, bounds: Bounds) -> int:
        """`reserved` with so many trials more, of which some may have to be finalists."""
        missing = bounds.finalists - self.begun - self.reserved_unstarted // bounds.full
        return self.reserved + min(max(missing, 0), trials) * bounds.full

    def is_reserved_for(self, trial: int) -> bool:
        """Whether what this trial runs is part of what is reserved."""
        return trial in self.kept or (self.unfilled > 0 and trial in self.unstarted)


def still_in(race: Race) -> list[TrialStatus]:
    """Trials that are not out, best first."""
    return [status for status in race.statuses() if status.state not in OUT]


def ledger(race: Race, running: Collection[FoldRunKey], bounds: Bounds) -> Ledger:
    """running: the fold runs under way."""
    alive = still_in(race)
    begun = [status.trial for status in alive if status.epochs_spent]
    unstarted = sorted(status.trial for status in alive if not status.epochs_spent)
    first = begun[: race.finalists]
    to_come = min(race.finalists - len(first), len(unstarted))
    coming = sorted({key.trial for key in running} & set(unstarted))[:to_come]
    kept = frozenset([*first, *coming])
    return Ledger(
        finish=race.finish_fold_epochs,
        reserved_unstarted=to_come * bounds.full,
        begun=len(begun),
        unstarted_running=sum(key.trial in coming for key in running),
        stopping=sum(key.trial not in kept for key in running),
        unfilled=to_come - len(coming),
        unstarted=tuple(unstarted),
        kept=kept,
        others=any(status.trial not in kept and status.state is not State.COMPLETE for status in alive),
    )


def least_fold_epochs(race: Race, bounds: Bounds) -> int:
    """The smallest limit under which this race, of which nothing runs, can complete its finalists."""
    return race.spent_fold_epochs + ledger(race, (), bounds).reserved

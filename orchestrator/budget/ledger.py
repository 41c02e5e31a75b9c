"""Where a race stands: what its finalists still take, and what runs beside them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orchestrator.budget.limits import Bounds
from orchestrator.core.events import FoldRunKey, State
from orchestrator.race.contract import Race
from orchestrator.race.standings import OUT


@dataclass(frozen=True)
class Ledger:
    """Fold-epochs, fold runs and trials of a race now.

    finish: fold-epochs that complete the finalists so far; owed: those of finalists still to come, from
    trials without an epoch; begun: trials that have one; coming: fold runs of finalists to come; leaving:
    fold runs of all others, each of which reports one more epoch before it stops; open_places: finalists for
    which no trial runs yet; untouched: trials without an epoch, in order; kept: the finalists, also those who
    are coming; others: whether some beside them are still in.
    """

    finish: int
    owed: int
    begun: int
    coming: int
    leaving: int
    open_places: int
    untouched: tuple[int, ...]
    kept: frozenset[int]
    others: bool

    @property
    def reserved(self) -> int:
        """Fold-epochs that are needed still if no leg but the finalists' starts from now on."""
        return self.finish + self.owed + self.leaving

    @property
    def to_finish(self) -> int:
        """The same after a `BudgetSpent` now: who is still coming leaves too."""
        return self.finish + self.coming + self.leaving

    def with_more(self, trials: int, bounds: Bounds) -> int:
        """`reserved` with so many trials more, of which some may have to be finalists."""
        missing = bounds.finalists - self.begun - self.owed // bounds.full
        return self.reserved + min(max(missing, 0), trials) * bounds.full

    def welcomes(self, trial: int) -> bool:
        """Whether what this trial runs is reserved for."""
        return trial in self.kept or (self.open_places > 0 and trial in self.untouched)


def ledger(race: Race, running: Collection[FoldRunKey], bounds: Bounds) -> Ledger:
    alive = [status for status in race.statuses() if status.state not in OUT]  # best first
    begun = [status.trial for status in alive if status.epochs_spent]
    untouched = sorted(status.trial for status in alive if not status.epochs_spent)
    places = min(bounds.finalists - len(begun[: bounds.finalists]), len(untouched))
    coming = sorted({key.trial for key in running} & set(untouched))[:places]
    kept = frozenset([*begun[: bounds.finalists], *coming])
    return Ledger(
        finish=race.finish_fold_epochs,
        owed=places * bounds.full,
        begun=len(begun),
        coming=sum(key.trial in coming for key in running),
        leaving=sum(key.trial not in kept for key in running),
        open_places=places - len(coming),
        untouched=tuple(untouched),
        kept=kept,
        others=any(status.trial not in kept and status.state is not State.COMPLETE for status in alive),
    )


def least_fold_epochs(race: Race, bounds: Bounds) -> int:
    """The smallest limit under which this race, of which nothing runs, can complete its finalists."""
    return race.spent_fold_epochs + ledger(race, (), bounds).reserved

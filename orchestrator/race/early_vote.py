"""A vote early: the best trial so far gets a model of every fold long before a rung asks for them.

Until a trial reaches the first rung of all folds there is nothing to vote over: half of a race, on the
tables of docs/benchmarks/race.md. So the trial that leads, the first at the highest rung with entries, runs
its other folds to as many epochs as it was compared at, whenever that keeps such legs at one in `early_votes`
of the fold-epochs spent. It is judged by its rungs alone all the same: nobody is promoted or pruned for it,
and where it goes on to the finals the epochs are used again. See docs/decisions.md, The race ("Early votes").
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.events import Leg, LegStarted, State
from orchestrator.core.text import counted
from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.cohort import Cohort

TRIALS = 12
"""A race of fewer is soon at its finals."""
ENTRIES = 6
"""At the bottom rung, before anyone leads."""


class EarlyVote:
    """Of the first cohort; trials that come later find a vote there."""

    def __init__(self, book: Bookkeeping, cohort: Cohort) -> None:
        self._book, self._cohort = book, cohort
        self._order: Sequence[int] = book.cfg.order
        self._share = 0 if book.cfg.rule_version == 3 else book.cfg.early_votes
        self._first_of_all = next(n for n, rung in enumerate(cohort.ladder) if rung.folds == book.cfg.folds)
        self._spent: dict[int, int] = {}  # trial -> fold-epochs of folds that its next rung does not compare
        self._counted: dict[tuple[int, int], int] = {}  # (trial, fold) -> the last of its epochs among them

    @property
    def wasted(self) -> int:
        """Fold-epochs of trials that are out: the race has them to spend again."""
        final = self._book.final
        return sum(
            spent for trial, spent in self._spent.items() if final.get(trial) in (State.PRUNED, State.FAIL)
        )

    @property
    def at_risk(self) -> int:
        """Fold-epochs of trials that may yet be overtaken: whoever takes their place has to run its own."""
        cohort, final = self._cohort, self._book.final
        below = (trial for trial in self._spent if cohort.level[trial] < self._first_of_all)
        return sum(self._spent[trial] for trial in below if trial not in final)

    def next(self) -> Leg | None:
        """The leg a free slot should take for it, before any other; None where nothing is due."""
        trial = self._leader()
        if trial is None:
            return None
        rung = self._cohort.last_entry(trial)
        epochs = self._cohort.ladder[rung].epochs
        lacking = [run for fold in self._order if (run := self._book.runs.get(trial, fold)).epochs < epochs]
        cost = sum(self._new(run.trial, run.fold, run.epochs, epochs) for run in lacking if not run.running)
        if self._share * (sum(self._spent.values()) + cost) > self._book.runs.total_spent:
            return None
        reason = f"an early vote: leads at rung {rung + 1}, all folds to {counted(epochs, 'epoch')}"
        free = (run for run in lacking if not run.running)
        return next((Leg(trial, run.fold, run.epochs, epochs, reason=reason) for run in free), None)

    def note(self, event: LegStarted) -> None:
        """Counts a leg that starts, if it is on a fold that the trial's next rung does not compare."""
        cohort = self._cohort
        if event.trial not in cohort.trials:
            return
        coming = cohort.ladder[min(cohort.last_entry(event.trial) + 1, cohort.top)]
        if self._order.index(event.fold) >= coming.folds:
            new = self._new(event.trial, event.fold, event.start, event.end)
            self._spent[event.trial] = self._spent.get(event.trial, 0) + new
            key = event.trial, event.fold
            self._counted[key] = max(event.end, self._counted.get(key, 0))

    def _new(self, trial: int, fold: int, start: int, end: int) -> int:
        """Epochs of a leg that were not counted before: one that a kill cut short is begun again."""
        return max(end - max(start, self._counted.get((trial, fold), 0)), 0)

    def _leader(self) -> int | None:
        """None before `ENTRIES` were compared, and from the first rung of all folds on."""
        cohort = self._cohort
        entries = min(ENTRIES, cohort.members[0]) if self._book.narrowed else ENTRIES
        if not self._share or len(cohort.trials) < TRIALS or len(cohort.ranks[0]) < entries:
            return None
        if any(cohort.members[self._first_of_all :]):
            return None
        rung = max(number for number, ranks in enumerate(cohort.ranks) if ranks)
        alive = (trial for _, trial in cohort.ranks[rung] if trial not in self._book.final)
        return next(alive, None)

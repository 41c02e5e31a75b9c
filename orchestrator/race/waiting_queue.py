"""Which fold runs wait for a slot, trial by trial and fold by fold."""

from __future__ import annotations

from collections.abc import Callable

from sortedcontainers import SortedList

from orchestrator.core.events import Leg
from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.fold_runs import FoldRun


class WaitingQueue:
    """Fold runs that are not under way and have epochs to go, ordered by trial, then by the fold order.

    goal: epochs at which the next leg of a fold run ends; 0 where it is to have none. Without it every trial
    that is not out, nor complete, runs all folds at full length. The bookkeeping tells the queue of a fold
    run that starts, stops or loses its trial; a rule by which other fold runs may go on tells it (`update`).
    """

    def __init__(self, book: Bookkeeping, goal: Callable[[FoldRun], int] | None = None) -> None:
        self._book, self._goal = book, goal or self._full_length
        self._position = {fold: position for position, fold in enumerate(book.cfg.order)}
        runs = (run for trial in range(book.runs.trials) for run in book.runs.of(trial))
        self._waiting: SortedList[tuple[int, int]] = SortedList(  # (trial, position in the fold order)
            (run.trial, self._position[run.fold]) for run in runs if self._waits(run)
        )
        book.on_change = self.update

    def leg(self, reason: Callable[[FoldRun], str]) -> Leg | None:
        """Of the first that waits. reason: why that fold run is run."""
        if not self._waiting:
            return None
        trial, position = self._waiting[0]
        run = self._book.runs.get(trial, self._book.cfg.order[position])
        return Leg(trial, run.fold, run.epochs, self._goal(run), False, reason(run))

    def update(self, run: FoldRun) -> None:
        """Looks again at whether this fold run waits."""
        item = (run.trial, self._position[run.fold])
        waits = self._waits(run)
        if item not in self._waiting:
            if waits:
                self._waiting.add(item)
        elif not waits:
            self._waiting.remove(item)

    def _waits(self, run: FoldRun) -> bool:
        return not run.running and run.epochs < self._goal(run)

    def _full_length(self, run: FoldRun) -> int:
        return 0 if run.trial in self._book.final else self._book.cfg.max_t

"""Which fold runs of a ladder race wait for a slot, and which of them is next."""

from __future__ import annotations

from typing import NamedTuple

from sortedcontainers import SortedList

from orchestrator.race.bookkeeping import Bookkeeping
from orchestrator.race.cohort import Cohort
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.ladder import Rung


class Waiting(NamedTuple):
    """A fold run that waits. Sorted: the best trial first, its folds in the fold order."""

    negative_score: float  # of its trial at its last entry; 0 before the first
    trial: int
    fold_position: int  # in the fold order


class Turn(NamedTuple):
    """The fold run whose turn it is."""

    cohort: Cohort
    rung: int  # its trial's last entry (a guess), or where it is a member (certain)
    target: int  # the rung it runs to
    waiting: Waiting


class LadderQueue:
    """Fold runs wait for the rung their trial is a member of (certain), or for one above it (a guess)."""

    def __init__(self, book: Bookkeeping) -> None:
        self.cohorts: list[Cohort] = []
        self._book = book
        self._certain: list[list[SortedList]] = []  # cohort -> rung -> fold runs
        self._guesses: list[dict[tuple[int, int], SortedList]] = []  # cohort -> (last entry, target) -> ..
        self._queued: dict[tuple[int, int], tuple[SortedList, Waiting]] = {}  # fold run -> where it waits
        self._position = {fold: position for position, fold in enumerate(book.cfg.order)}
        book.on_change = self.update

    def add(self, cohort: Cohort) -> None:
        """Its trials have the numbers that follow those of the cohorts before it."""
        self.cohorts.append(cohort)
        self._certain.append([SortedList() for _ in cohort.ladder])
        self._guesses.append({})

    def number_of(self, trial: int) -> int:
        """Of the cohort this trial climbs with."""
        number = len(self.cohorts) - 1
        while self.cohorts[number].trials.start > trial:
            number -= 1
        return number

    def cohort_of(self, trial: int) -> Cohort:
        return self.cohorts[self.number_of(trial)]

    # ---- whose turn it is ----

    def certain(self) -> Turn | None:
        """From the finalists down; of equal height the earlier cohort first."""
        for down in range(self._height()):
            for number, cohort in enumerate(self.cohorts):
                rung = cohort.top - down
                if rung >= 0 and self._certain[number][rung]:
                    return Turn(cohort, rung, rung, self._certain[number][rung][0])
        return None

    def guess(self) -> Turn | None:
        """The nearest target first, and of equally near ones the highest."""
        height = self._height()
        for ahead in range(1, height):
            for down in range(ahead, height):
                for number, cohort in enumerate(self.cohorts):
                    rung = cohort.top - down
                    guesses = self._guesses[number].get((rung, rung + ahead))
                    if guesses and cohort.likely(guesses[0].trial, rung + ahead):
                        return Turn(cohort, rung, rung + ahead, guesses[0])
        return None

    def _height(self) -> int:
        return max(len(cohort.ladder) for cohort in self.cohorts)

    # ---- what waits ----

    def update(self, run: FoldRun) -> None:
        """Looks again at whether this fold run waits, and for what."""
        key = (run.trial, run.fold)
        if key in self._queued:
            queue, waiting = self._queued.pop(key)
            queue.remove(waiting)
        found = None if run.running or run.trial in self._book.final else self._queue_of(run)
        if found is not None:
            found[0].add(found[1])
            self._queued[key] = found

    def _queue_of(self, run: FoldRun) -> tuple[SortedList, Waiting] | None:
        number = self.number_of(run.trial)
        cohort = self.cohorts[number]
        rung, last = cohort.level[run.trial], cohort.last_entry(run.trial)
        negative = -cohort.scores[run.trial, last] if last >= 0 else 0.0
        waiting = Waiting(negative, run.trial, self._position[run.fold])
        if last < rung and self._lacks(run, cohort.ladder[rung]):
            return self._certain[number][rung], waiting
        for target in range(rung + 1, cohort.top + 1 if last >= 0 else 0):
            if self._lacks(run, cohort.ladder[target]):
                return self._guesses[number].setdefault((last, target), SortedList()), waiting
        return None

    def _lacks(self, run: FoldRun, rung: Rung) -> bool:
        """Whether the rung compares this fold, after more epochs than it has."""
        return self._position[run.fold] < rung.folds and run.epochs < rung.epochs

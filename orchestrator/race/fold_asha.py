"""FoldASHA: successive halving over folds and epochs together.

Fold runs park at rungs and are promoted late, when the place of their trial is certain; idle slots go ahead
with the likeliest trials without taking quota; a finalist that fails gives its place to the next best, so
that there are always finalists with all their folds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from sortedcontainers import SortedList

from orchestrator.core.events import Action, Decision, Extended, Leg, State
from orchestrator.race.cohort import Cohort
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.ladder import (
    Ladder,
    Rung,
    build_ladder,
    check_ladder,
    cost,
    describe,
    ladder_for_later_cohort,
    resize,
)
from orchestrator.race.quota import adaptive_quota
from orchestrator.race.rule import Rule, check_extended

Waiting = tuple[float, int, int]
"""(-score one rung below, trial, place in the fold order): the order in which legs are handed out."""

SLOPE = 0.2
"""Of what a score gained in the second half of its epochs, the share it is expected to gain still."""


class FoldASHA(Rule):
    """The ladder is built from grace_period, reduction_factor, max_t, folds and finalists unless given.

    A ladder that is given: the last rung must be all folds at max_t. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        super().__init__(**numbers)
        own = self.numbers
        self._given = (
            None if own.ladder is None else check_ladder(own.ladder, own.trials, own.folds, own.max_t)
        )
        self._cohorts: list[Cohort] = []
        self._certain: list[list[SortedList]] = []  # cohort -> rung -> fold runs that wait for a slot
        self._guesses: list[dict[tuple[int, int], SortedList]] = []  # cohort -> (rung, aim) -> others
        self._queued: dict[tuple[int, int], tuple[SortedList, Waiting]] = {}  # fold run -> where it waits
        self._place = {fold: place for place, fold in enumerate(self.fold_order)}
        self._add_cohort(0, own.trials)

    # ---- asked ----

    @property
    def _done(self) -> bool:
        return not self.runs.running and all(cohort.done for cohort in self._cohorts)

    def _next(self) -> Leg | None:
        rungs = max(len(cohort.ladder) for cohort in self._cohorts)
        for down in range(rungs):  # from the finalists down
            for number, cohort in enumerate(self._cohorts):
                rung = cohort.top - down
                if rung >= 0 and self._certain[number][rung]:
                    return self._certain_leg(cohort, rung, self._certain[number][rung][0])
        return next(self._guessed_legs(rungs), None)

    @property
    def planned_fold_epochs(self) -> int:
        return sum(cost(cohort.ladder) for cohort in self._cohorts)

    @property
    def ladder_text(self) -> str:
        return " and ".join(describe(cohort.ladder) for cohort in self._cohorts)

    def remaining_fold_epochs(self, trials: int) -> int:
        """What one cohort saves or overspends is not the others'."""
        left = 0
        for cohort in self._cohorts:
            if cohort.done:
                continue
            spent = sum(self.runs.spent[cohort.trials.start : cohort.trials.stop])
            left += max(self._planned_of(cohort, trials) - spent, 0)
        return left

    def _planned_for(self, trials: int) -> int:
        return sum(self._planned_of(cohort, trials) for cohort in self._cohorts)

    def _planned_of(self, cohort: Cohort, trials: int) -> int:
        kept = min(trials - cohort.trials.start, len(cohort.trials))
        kept -= sum(trial in cohort.trials and trial < trials for trial in self.withdrawn)
        return cost(self._ladder_for(kept)) if kept > 0 else 0

    # ---- legs ----

    def _certain_leg(self, cohort: Cohort, rung: int, waiting: Waiting) -> Leg:
        _, trial, place = waiting
        run = self.runs.get(trial, self.fold_order[place])
        step = cohort.ladder[rung]
        if rung == 0:
            words = f"every trial runs to rung 1 {_at(step)}"
        else:
            rank = cohort.rank(trial, rung - 1)
            words = (
                f"to rung {rung + 1} {_at(step)}: rank {rank} at rung {rung}, quota {cohort.quota_told(rung)}"
            )
        return Leg(trial, run.fold, run.epochs, step.epochs, False, words)

    def _guessed_legs(self, rungs: int) -> Iterator[Leg]:
        """The nearest rungs first, and of them the highest."""
        for ahead in range(1, rungs):
            for down in range(ahead, rungs):
                for number, cohort in enumerate(self._cohorts):
                    rung = cohort.top - down
                    guesses = self._guesses[number].get((rung, rung + ahead))
                    if guesses and cohort.likely(guesses[0][1], rung + ahead):
                        yield self._guessed_leg(cohort, rung, rung + ahead, guesses[0])

    def _guessed_leg(self, cohort: Cohort, rung: int, target: int, waiting: Waiting) -> Leg:
        _, trial, place = waiting
        run, step = self.runs.get(trial, self.fold_order[place]), cohort.ladder[target]
        words = (
            f"idle slot: {self._standing(cohort, rung, trial)}likely inside quota {cohort.quota_told(target)}"
        )
        return Leg(trial, run.fold, run.epochs, step.epochs, True, words)

    def _first_folds(self, trial: int, step: Rung) -> list[FoldRun]:
        row = self.runs.of(trial)
        return [row[fold] for fold in self.fold_order[: step.folds]]

    # ---- what waits for a slot ----

    def _requeue(self, run: FoldRun) -> None:
        key = (run.trial, run.fold)
        if key in self._queued:
            queue, waiting = self._queued.pop(key)
            queue.remove(waiting)
        found = None if run.running or run.trial in self._final else self._queue_of(run)
        if found is not None:
            found[0].add(found[1])
            self._queued[key] = found

    def _queue_of(self, run: FoldRun) -> tuple[SortedList, Waiting] | None:
        """Where a fold run waits: for its trial's rung, or for a guess at the ones above; None: nowhere."""
        number = self._cohort_number(run.trial)
        cohort = self._cohorts[number]
        rung, place = cohort.level[run.trial], self._place[run.fold]
        last = cohort.last_entry(run.trial)
        waiting = (-cohort.scores[run.trial, last] if last >= 0 else 0.0, run.trial, place)
        if last < rung and self._needs(run, cohort.ladder[rung]):
            return self._certain[number][rung], waiting
        for target in range(rung + 1, cohort.top + 1 if last >= 0 else 0):
            if self._needs(run, cohort.ladder[target]):
                return self._guesses[number].setdefault((last, target), SortedList()), waiting
        return None

    def _needs(self, run: FoldRun, step: Rung) -> bool:
        return self._place[run.fold] < step.folds and run.epochs < step.epochs

    def _cohort_number(self, trial: int) -> int:
        number = len(self._cohorts) - 1
        while self._cohorts[number].trials.start > trial:
            number -= 1
        return number

    # ---- what events lead to ----

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        self._enter_if_ready(run.trial)
        return []

    def _enter_if_ready(self, trial: int) -> None:
        cohort = self._cohorts[self._cohort_number(trial)]
        rung = cohort.level[trial]
        step = cohort.ladder[rung]
        if trial in self._final or (trial, rung) in cohort.scores:
            return
        if all(run.epochs >= step.epochs for run in self._first_folds(trial, step)):
            score = self.runs.mean(trial, self.fold_order[: step.folds], step.epochs)
            cohort.enter(trial, score if rung == cohort.top else self._projected(trial, step, score))
            self._last[trial] = (rung, score)
            for run in self.runs.of(trial):
                self._requeue(run)

    def _projected(self, trial: int, step: Rung, score: float) -> float:
        """A score that still rises counts for more."""
        half = self.runs.mean(trial, self.fold_order[: step.folds], max(step.epochs // 2, 1))
        return score + SLOPE * (score - half)

    def _settle(self) -> list[Decision]:
        decisions: list[Decision] = []
        for number, cohort in enumerate(self._cohorts):
            decisions += self._promote(cohort)
            while (rung := cohort.unset()) is not None:
                cohort.set_quota(
                    rung, adaptive_quota(cohort, rung, self._cohorts[:number], self.numbers.finalists)
                )
                decisions += self._promote(cohort)
            decisions += self._prune(cohort)
        return decisions

    def _promote(self, cohort: Cohort) -> list[Decision]:
        decisions = []
        rung = cohort.top
        while rung >= 0:
            trial = cohort.certain(rung)
            if trial is None:
                rung -= 1
                continue
            decisions.append(self._promote_one(cohort, rung, trial))
            rung = min(rung + 1, cohort.top)  # what speculation did may count as an entry up there now
        return decisions + self._complete(cohort)

    def _promote_one(self, cohort: Cohort, rung: int, trial: int) -> Decision:
        words = self._standing(cohort, rung, trial) + f"certain inside quota {cohort.quota_told(rung + 1)}"
        if cohort.promote(trial):
            del self._final[trial]
            cohort.out -= 1
            words += ", fills a vacancy and runs again from the start"
        self._why[trial] = words
        for run in self.runs.of(trial):
            self._requeue(run)
        self._enter_if_ready(trial)
        return Decision(Action.PROMOTE, trial, words)

    def _prune(self, cohort: Cohort) -> list[Decision]:
        decisions = []
        for rung in range(cohort.top):
            while (trial := cohort.outside(rung)) is not None:
                words = (
                    self._standing(cohort, rung, trial)
                    + f"certain outside quota {cohort.quota_told(rung + 1)}"
                )
                cohort.prune(trial)
                self._close(trial, State.PRUNED, words)
                decisions.append(Decision(Action.PRUNE, trial, words))
        return decisions

    def _complete(self, cohort: Cohort) -> list[Decision]:
        decisions = []
        for _, trial in tuple(cohort.open[cohort.top]):
            words = (
                self._standing(cohort, cohort.top, trial)
                + f"owns all {self.folds} folds at {self.max_t} epochs"
            )
            cohort.prune(trial)  # no longer open: nothing above this rung
            self._close(trial, State.COMPLETE, words)
            decisions.append(Decision(Action.COMPLETE, trial, words))
        return decisions

    def _close(self, trial: int, state: State, words: str) -> None:
        self._cohorts[self._cohort_number(trial)].out += trial not in self._final
        super()._close(trial, state, words)

    def _standing(self, cohort: Cohort, rung: int, trial: int) -> str:
        entries, missing = len(cohort.ranks[rung]), cohort.missing(rung)
        return (
            f"rank {cohort.rank(trial, rung)} of {entries} {'entry' if entries == 1 else 'entries'} at rung "
            f"{rung + 1} {_at(cohort.ladder[rung])}, {missing} missing: "
        )

    def _tries(self, run: FoldRun, failure: str) -> int:
        cohort = self._cohorts[self._cohort_number(run.trial)]
        finalist = cohort.level[run.trial] == cohort.top
        own = self.max_retries if finalist and failure in ("exception", "killed") else 0
        return max(own, super()._tries(run, failure))

    def _after_fail(self, run: FoldRun, words: str) -> None:
        number = self._cohort_number(run.trial)
        self._cohorts[number].fail(run.trial)
        for later in self._cohorts[number + 1 :]:
            later.forget_quotas()  # it may have been one of those they had to be as good as

    # ---- cohorts ----

    def _withdraw(self, trial: int) -> None:
        cohort = self._cohorts[self._cohort_number(trial)]
        cohort.fail(trial)
        if left := cohort.members[0]:
            ladder = self._ladder_for(left)
            cohort.set_ladder(ladder_for_later_cohort(ladder) if cohort is not self._cohorts[0] else ladder)

    def _extend(self, event: Extended) -> list[Decision]:
        now = self.runs.trials
        check_extended(event, now)
        self.runs.grow(event.trials)
        self._add_cohort(now, event.trials - now)
        return []

    def _add_cohort(self, first: int, trials: int) -> None:
        ladder = self._ladder_for(trials)
        ladder = ladder_for_later_cohort(ladder) if self._cohorts else ladder
        self._cohorts.append(Cohort(first, ladder))
        self._top = max(self._top, len(ladder) - 1)
        self._certain.append([SortedList() for _ in ladder])
        self._guesses.append({})
        for trial in range(first, first + trials):
            for run in self._first_folds(trial, ladder[0]):
                self._requeue(run)

    def _ladder_for(self, trials: int) -> Ladder:
        if self._given is not None:
            return resize(self._given, trials)
        own = self.numbers
        return build_ladder(
            trials, own.folds, own.max_t, own.grace_period, own.reduction_factor, own.finalists
        )


def _at(step: Rung) -> str:
    return f"({step.folds} fold{'s' * (step.folds > 1)}, {step.epochs} epochs)"

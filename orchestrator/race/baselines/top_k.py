"""All but the top K after i epochs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Unpack

from sortedcontainers import SortedList

from orchestrator.core.events import Action, Decision, Leg
from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun


@dataclass
class Group:
    """Trials that are cut together."""

    trials: range
    missing: int  # trials that may still come in
    entries: SortedList[tuple[float, int]] = field(default_factory=SortedList)  # (-score, trial), not inside
    inside: set[int] = field(default_factory=set)  # those that go, or went, to the end
    entered: int = 0
    cut: bool = False


class TopKAfterEpochs(Exhaustive):
    """All but the top K after i epochs: one cut and no more. K = finalists, i = grace_period.

    Every trial runs i epochs of the first fold of the fold order. When all are in, the K with the best
    running best go to the end of all folds, the others are PRUNED; slots may idle while the last come in. A
    finalist that fails gives its place to the next best, which starts again. Trials of an extension are cut
    on their own. Raises SearchSpaceError.
    """

    _top = 1

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        self._groups: list[Group] = []
        super().__init__(**numbers)

    def _planned_for(self, trials: int) -> int:
        """Exactly what it spends when nothing fails."""
        kept = (min(trials - group.trials.start, len(group.trials)) for group in self._groups)
        return sum(self._cost(count) for count in kept if count > 0)

    def _cost(self, trials: int) -> int:
        own = self.numbers
        to_the_end = self.folds * self.max_t - own.grace_period
        return trials * own.grace_period + min(own.finalists, trials) * to_the_end

    @property
    def ladder_text(self) -> str:
        own = self.numbers
        epochs = f"{own.grace_period} epoch{'s' * (own.grace_period > 1)} of one fold"
        return f"{self.runs.trials} trials run {epochs}, the best {own.finalists} go to the end of all folds"

    def _group(self, trial: int) -> Group:
        return next(group for group in self._groups if trial in group.trials)

    # ---- what waits for a slot ----

    def _queue_trials(self, first: int, until: int) -> None:
        self._groups.append(Group(range(first, until), until - first))
        super()._queue_trials(first, until)

    def _first_places(self) -> range:
        return range(1)

    def _goal(self, run: FoldRun) -> int:
        if run.trial in self._group(run.trial).inside:
            return self.max_t
        return self.numbers.grace_period if self._place[run.fold] == 0 else 0

    def _leg_words(self, run: FoldRun) -> str:
        if run.trial in self._group(run.trial).inside:
            return f"one of the best {self.numbers.finalists}: all folds at full length"
        return f"every trial runs {self.numbers.grace_period} epochs of fold {run.fold}"

    # ---- what events lead to ----

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        if run.epochs < leg.end or run.trial in self._final:
            return []
        group = self._group(run.trial)
        if run.trial in group.inside:
            return super()._after_epoch(run, leg)
        score = run.bests[-1]
        self._last[run.trial] = (0, score)
        group.entries.add((-score, run.trial))
        group.entered += 1
        group.missing -= 1
        return []

    def _after_fail(self, run: FoldRun, words: str) -> None:
        if run.trial not in self._final:  # another of its fold runs may have failed before
            self._withdraw(run.trial)

    def _withdraw(self, trial: int) -> None:
        group = self._group(trial)
        if trial in group.inside:
            group.inside.remove(trial)
        else:
            group.missing -= 1

    def _settle(self) -> list[Decision]:
        decisions: list[Decision] = []
        for group in self._groups:
            if group.missing == 0:
                decisions += self._fill(group)
        return decisions

    def _fill(self, group: Group) -> list[Decision]:
        decisions: list[Decision] = []
        while group.entries and len(group.inside) < self.numbers.finalists:
            decisions += self._promote(group, group.entries.pop(0)[1])
        if not group.cut:
            group.cut = True
            for place, (_, trial) in enumerate(group.entries, len(group.inside) + 1):
                decisions += self._pruned(trial, self._standing(group, place) + "out")
        return decisions

    def _promote(self, group: Group, trial: int) -> list[Decision]:
        words = self._standing(group, group.entered - len(group.entries)) + "goes to the end of all folds"
        if self._final.pop(trial, None) is not None:
            words += ", fills a vacancy and runs again from the start"
        group.inside.add(trial)
        self._why[trial] = words
        for run in self.runs.of(trial):
            self._requeue(run)
        decision = Decision(Action.PROMOTE, trial, words)
        done = self.runs.full(trial) == self.folds  # one fold, and max_t was the grace period
        return [decision, *self._complete(trial)] if done else [decision]

    def _standing(self, group: Group, place: int) -> str:
        own = self.numbers
        return (
            f"rank {place} of {group.entered} after {own.grace_period} "
            f"epoch{'s' * (own.grace_period > 1)} of fold {self.fold_order[0]}, best {own.finalists} kept: "
        )

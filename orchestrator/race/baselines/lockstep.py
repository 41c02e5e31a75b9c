"""All folds of a trial in lockstep: they wait for each other, and their mean is judged."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Unpack

from orchestrator.core.events import Action, Decision, Leg
from orchestrator.race.baselines.exhaustive import Exhaustive
from orchestrator.race.baselines.stock_asha import ScoreList, expected_fold_epochs, milestones
from orchestrator.race.config import RaceOptions
from orchestrator.race.fold_runs import FoldRun


class Lockstep(Exhaustive):
    """Each fold run of a trial goes to the next milestone and parks; when all are there the mean is judged.

    Milestones: grace_period * reduction_factor^j < max_t. Waiting fold runs are taken trial by trial, so the
    slot that a parked fold run leaves goes to a later trial when no earlier one can use it.
    """

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        self._levels: list[int] = []  # of each trial: milestones passed
        super().__init__(**numbers)
        self._milestones = [epoch for epoch in milestones(self.numbers) if epoch < self.max_t]
        self._goals = [*self._milestones, self.max_t]
        self._top = len(self._milestones)

    @abstractmethod
    def _worse(self, trial: int, level: int, mean: float) -> str | None:
        """Why a trial with this mean of its folds' latest scores (larger is better) is pruned, or None."""

    def _planned_for(self, trials: int) -> int:
        """What it would spend if exactly 1/reduction_factor of the trials passed each milestone."""
        return round(expected_fold_epochs(trials * self.folds, self._milestones, self.numbers))

    @property
    def ladder_text(self) -> str:
        size = f"{self.runs.trials} trials, all {self.folds} folds in lockstep to {self.max_t} epochs"
        stops = ", ".join(str(epoch) for epoch in self._milestones)
        return f"{size}, their mean judged at epochs {stops}" if stops else size

    def _goal(self, run: FoldRun) -> int:
        return self._goals[self._levels[run.trial]]

    def _leg_words(self, run: FoldRun) -> str:
        return f"all folds of a trial go to epoch {self._goal(run)} together"

    def _queue_trials(self, first: int, until: int) -> None:
        self._levels += [0] * (until - first)
        super()._queue_trials(first, until)

    def _after_epoch(self, run: FoldRun, leg: Leg) -> list[Decision]:
        goal = self._goal(run)
        if run.epochs < goal or run.trial in self._final:
            return []
        row = self.runs.of(run.trial)
        if any(other.epochs < goal for other in row):
            return []
        return self._complete(run.trial) if goal == self.max_t else self._judge(run.trial, row)

    def _judge(self, trial: int, row: list[FoldRun]) -> list[Decision]:
        level = self._levels[trial]
        self._last[trial] = (level, self.runs.mean(trial, self.fold_order, self._goals[level]))
        words = self._worse(trial, level, math.fsum(run.latest for run in row) / self.folds)
        if words is not None:
            return self._pruned(trial, words)
        self._levels[trial] += 1
        for run in row:
            self._requeue(run)
        words = f"passed epoch {self._goals[level]}: all folds go to epoch {self._goals[level + 1]}"
        self._why[trial] = words
        return [Decision(Action.PROMOTE, trial, words)]


class FoldMeanASHA(Lockstep):
    """Stock ASHA on the fold mean: a trial is one learning curve, the mean of its folds' curves.

    At a milestone the mean of the k scores of that epoch is compared with the means recorded before; a trial
    below their 1 - 1/reduction_factor percentile is PRUNED, as Ray's AsyncHyperBandScheduler does with one
    reported score. Raises SearchSpaceError.
    """

    def __init__(self, **numbers: Unpack[RaceOptions]) -> None:
        super().__init__(**numbers)
        fraction = 1 - 1 / self.numbers.reduction_factor
        self._lists = [ScoreList(fraction) for _ in self._milestones]

    def _worse(self, trial: int, level: int, mean: float) -> str | None:
        before = self._lists[level]
        cut = before.cut()
        words = f"mean {self.runs.sign * mean:.4f} of {self.folds} folds at epoch {self._goals[level]} "
        words += f"is worse than the cut {self.runs.sign * cut:.4f} of {len(before)} entries"
        before.add(mean)
        return words if mean < cut else None

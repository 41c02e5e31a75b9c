"""All folds of a trial in lockstep: they wait for each other, and their mean is judged."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import defaultdict

from orchestrator.core.events import Decision, Leg
from orchestrator.core.text import counted
from orchestrator.race.baselines.stock_asha import ScoreList, cut_text, expected_fold_epochs, milestones
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun
from orchestrator.race.rule import Rule
from orchestrator.race.waiting_queue import WaitingQueue


class Lockstep(Rule):
    """Each fold run of a trial goes to the next milestone and parks; when all are there the mean is judged.

    Milestones: grace_period * reduction_factor^j < max_t. Waiting fold runs are taken trial by trial, so the
    slot that a parked fold run leaves goes to a later trial when no earlier one can use it.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._milestones = judged_epochs(cfg)
        self._goals = [*self._milestones, self.max_t]
        self._levels: defaultdict[int, int] = defaultdict(int)  # trial -> milestones passed
        self.book.top_rung = len(self._milestones)
        self._waiting = WaitingQueue(self.book, self._goal)

    @abstractmethod
    def _worse(self, trial: int, level: int, mean: float) -> str | None:
        """Why a trial with this mean of its folds' latest scores (larger is better) is pruned, or None."""

    def next(self) -> Leg | None:
        return self._waiting.leg(
            lambda run: f"all folds of a trial go to epoch {self._goals[self._levels[run.trial]]} together"
        )

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        if run.inside_leg or run.trial in self.book.final:
            return []
        goal, row = self._goal(run), self.runs.of(run.trial)
        if any(other.epochs < goal for other in row):
            return []
        return self.complete(run.trial) if goal == self.max_t else self._judge(run.trial, row)

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """What it would spend if exactly 1/reduction_factor of the trials passed each milestone."""
        return round(expected_fold_epochs(cfg.trials * cfg.folds, judged_epochs(cfg), cfg))

    def describe(self) -> str:
        size = f"{counted(self.runs.trials, 'trial')}, all {counted(self.folds, 'fold')} in lockstep"
        size += f" to {counted(self.max_t, 'epoch')}"
        stops = ", ".join(str(epoch) for epoch in self._milestones)
        return f"{size}, their mean judged at epochs {stops}" if stops else size

    def _goal(self, run: FoldRun) -> int:
        return 0 if run.trial in self.book.final else self._goals[self._levels[run.trial]]

    def _judge(self, trial: int, row: list[FoldRun]) -> list[Decision]:
        level = self._levels[trial]
        mean = self.runs.mean(trial, self.fold_order, self._goals[level])
        self.book.last_rung_score[trial] = (level, mean)
        # Judged by the latest scores, as Ray does; what is shown is the running best, as everywhere.
        reason = self._worse(trial, level, math.fsum(run.latest for run in row) / self.folds)
        if reason is not None:
            return self.prune(trial, reason)
        self._levels[trial] += 1
        reason = f"passed epoch {self._goals[level]}: all folds go to epoch {self._goals[level + 1]}"
        return [self.promote(trial, reason)]

    def _mean_text(self, mean: float, level: int) -> str:
        seen = f"mean {self.runs.sign * mean:.4f} of {counted(self.folds, 'fold')}"
        return f"{seen} at epoch {self._goals[level]}"


def judged_epochs(cfg: RaceConfig) -> list[int]:
    """The milestones at which a trial may still be stopped."""
    return [epoch for epoch in milestones(cfg) if epoch < cfg.max_t]


class FoldMeanASHA(Lockstep):
    """Stock ASHA on the fold mean: a trial is one learning curve, the mean of its folds' curves.

    At a milestone the mean of the k scores of that epoch is compared with the means recorded before; a trial
    below their 1 - 1/reduction_factor percentile is PRUNED, as Ray's AsyncHyperBandScheduler does with one
    reported score. Raises SearchSpaceError.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        fraction = 1 - 1 / cfg.reduction_factor
        self._lists = [ScoreList(fraction) for _ in self._milestones]

    def _worse(self, trial: int, level: int, mean: float) -> str | None:
        before = self._lists[level]
        cut = before.cut()
        reason = f"{self._mean_text(mean, level)} is worse than {cut_text(cut, self.runs.sign, len(before))}"
        before.add(mean)
        return reason if mean < cut else None

"""Early-stopped cross-validation: after each fold a trial may be given up for the incumbent's sake.

Source: E. Bergman, L. Purucker, F. Hutter 2024, Don't Waste Your Time: Early Stopping Cross-Validation
(arXiv 2405.03389). The incumbent is the best trial with all its folds so far. There are no epochs in it: the
score of a fold is its running best at full length, and what is saved is entire folds.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache

from orchestrator.core.events import Decision
from orchestrator.race.baselines.sequential_cv import SequentialCV
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun


@dataclass(frozen=True)
class Incumbent:
    """The best complete trial; larger scores are better."""

    trial: int
    mean: float  # over its folds
    worst: float  # of its folds


class EarlyStoppedCV(SequentialCV):
    """Folds one after another; after each but the last the trial may be PRUNED."""

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self.book.top_rung = self.folds - 1  # a rung is a number of folds
        self._incumbent: Incumbent | None = None

    @abstractmethod
    def _worse(self, trial: int, mean: float) -> str | None:
        """Why a trial with this mean over its folds so far (larger is better) is pruned, or None."""

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        if run.epochs < self.max_t or run.trial in self.book.final:
            return []
        row = self.runs.of(run.trial)
        scores = [other.bests[-1] for other in row if other.epochs >= self.max_t]
        mean = math.fsum(scores) / len(scores)
        self.book.last_rung_score[run.trial] = (len(scores) - 1, mean)
        if len(scores) == self.folds:
            self._challenge(Incumbent(run.trial, mean, min(scores)))
            return self.complete(run.trial)
        reason = self._worse(run.trial, mean)
        return [] if reason is None else self.prune(run.trial, reason)

    def _challenge(self, trial: Incumbent) -> None:
        if self._incumbent is None or trial.mean > self._incumbent.mean:
            self._incumbent = trial

    def _below(self, trial: int, mean: float, bar: float, bar_text: str) -> str | None:
        if mean >= bar:
            return None
        seen = f"mean {self.runs.sign * mean:.4f} of {self._folds_done(trial)} of {self.folds} folds"
        return f"{seen} is worse than {self.runs.sign * bar:.4f}, {bar_text}"

    def _folds_done(self, trial: int) -> int:
        return self.book.last_rung_score[trial][0] + 1


class Aggressive(EarlyStoppedCV):
    """A trial stops as soon as the mean of its folds so far is worse than the incumbent's mean.

    After arXiv 2405.03389; the authors' program stops an exact tie too. Raises SearchSpaceError.
    """

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """If one fold decided all: the i-th trial is the best so far with chance 1/i, else stops after it."""
        return round(records_and_rest(cfg.trials, cfg.folds, 1) * cfg.max_t)

    def describe(self) -> str:
        return f"{super().describe()}; a trial stops when its mean is worse than the best trial's mean"

    def _worse(self, trial: int, mean: float) -> str | None:
        best = self._incumbent
        if best is None:
            return None
        return self._below(trial, mean, best.mean, f"the mean of the incumbent, trial {best.trial}")


class Forgiving(EarlyStoppedCV):
    """A trial stops as soon as the mean of its folds so far is worse than the incumbent's worst single fold.

    After arXiv 2405.03389; the authors' program stops an exact tie too. `planned` is what it
    spends if nobody stops: how many do is a matter of how far folds and trials lie apart.
    Raises SearchSpaceError.
    """

    def describe(self) -> str:
        return f"{super().describe()}; a trial stops when its mean is worse than the best trial's worst fold"

    def _worse(self, trial: int, mean: float) -> str | None:
        best = self._incumbent
        if best is None:
            return None
        return self._below(trial, mean, best.worst, f"the worst fold of the incumbent, trial {best.trial}")


@lru_cache(maxsize=64)
def records_and_rest(trials: int, folds: int, least: int) -> float:
    """Folds run if trial i runs all with chance 1/i (it is the best so far), else `least` of them."""
    least = min(least, folds)
    records = math.fsum(1 / number for number in range(1, trials + 1))
    return trials * least + records * (folds - least)

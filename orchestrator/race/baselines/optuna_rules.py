"""Optuna's own pruners as rules. Apart from the others, for importing Optuna takes a second."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.trial import TrialState

from orchestrator.core.errors import SearchSpaceError
from orchestrator.core.events import Decision, State
from orchestrator.race.baselines.early_stopped_cv import EarlyStoppedCV, records_and_rest
from orchestrator.race.baselines.lockstep import Lockstep, judged_epochs
from orchestrator.race.baselines.stock_asha import expected_fold_epochs
from orchestrator.race.config import RaceConfig
from orchestrator.race.fold_runs import FoldRun

P_THRESHOLD = 0.1  # Optuna's own default
OPTUNA_STATE = {State.PRUNED: TrialState.PRUNED, State.FAIL: TrialState.FAIL}


class PrunerStudy:
    """An Optuna study in memory that learns what the race observes, larger is better, and asks its pruner."""

    def __init__(self, pruner: BasePruner) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        # The name is fixed because Hyperband draws a trial's bracket from it and the trial's number.
        self._study = optuna.create_study(
            study_name="race",
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=pruner,
        )
        self._asked: list[optuna.Trial] = []
        self._ended: set[int] = set()

    def report(self, trial: int, score: float, step: int) -> None:
        while len(self._asked) <= trial:  # in order, so that both sides number a trial alike
            self._asked.append(self._study.ask())
        self._asked[trial].report(score, step)

    def prunes(self, trial: int) -> bool:
        return self._asked[trial].should_prune()

    def tell(self, trial: int, state: State, score: float) -> None:
        """How a trial ended; score: of a complete one."""
        if trial in self._ended or trial >= len(self._asked):
            return
        self._ended.add(trial)
        if state is State.COMPLETE:
            self._study.tell(self._asked[trial], score)
        else:
            self._study.tell(self._asked[trial], state=OPTUNA_STATE[state])


class OptunaWilcoxon(EarlyStoppedCV):
    """Optuna's WilcoxonPruner over folds: the paired signed-rank test against the best complete trial.

    Folds of a trial run one after another at full length; each is reported as the step of its number. With
    few folds the test needs nearly all: at p_threshold 0.1 nobody stops before four. After the last fold it
    is not asked, for there is nothing left to save. Raises SearchSpaceError.
    """

    takes_back = False

    def __init__(self, cfg: RaceConfig, p_threshold: float = P_THRESHOLD) -> None:
        super().__init__(cfg)
        if not 0 < p_threshold <= 1:
            raise SearchSpaceError(f"p_threshold={p_threshold} must be above 0 and at most 1")
        self._p_threshold = p_threshold
        with warnings.catch_warnings():  # Optuna calls this pruner experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            self._optuna = PrunerStudy(WilcoxonPruner(p_threshold=p_threshold))

    @classmethod
    def planned(cls, cfg: RaceConfig, p_threshold: float = P_THRESHOLD) -> int:
        """If all but a new best (chance 1/i for trial i) stopped when the test first can: 2^-folds < p."""
        least = max(2, math.floor(-math.log2(p_threshold)) + 1)
        return round(records_and_rest(cfg.trials, cfg.folds, least) * cfg.max_t)

    def planned_for(self, trials: int) -> int:
        return self.planned(replace(self.cfg, trials=trials), self._p_threshold) if trials > 0 else 0

    def describe(self) -> str:
        return f"{super().describe()}; WilcoxonPruner over folds (p < {self._p_threshold})"

    def on_epoch(self, run: FoldRun) -> list[Decision]:
        if run.epochs >= self.max_t and run.trial not in self.book.final:
            self._optuna.report(run.trial, run.bests[-1], run.fold)
        return super().on_epoch(run)

    def _worse(self, trial: int, mean: float) -> str | None:
        if not self._optuna.prunes(trial):
            return None
        best = self._incumbent
        against = "" if best is None else f" against trial {best.trial}"
        seen = f"after {self._folds_done(trial)} of {self.folds} folds"
        return f"WilcoxonPruner {seen}{against}: p < {self._p_threshold}"

    def close(self, trial: int, state: State, reason: str) -> None:
        super().close(trial, state, reason)
        self._optuna.tell(trial, state, self.book.last_rung_score.get(trial, (0, 0.0))[1])


class OptunaLockstep(Lockstep):
    """A pruner of Optuna on the fold mean over epochs, all folds in lockstep.

    The mean is reported at the milestones alone: at any other epoch these pruners answer no and keep nothing.
    At max_t it is not asked, for there is nothing left to save.
    """

    takes_back = False
    _optuna: PrunerStudy

    def _worse(self, trial: int, level: int, mean: float) -> str | None:
        self._optuna.report(trial, mean, self._goals[level])
        if not self._optuna.prunes(trial):
            return None
        return f"{self._mean_text(mean, level)}: {type(self).__name__} prunes it"

    def close(self, trial: int, state: State, reason: str) -> None:
        super().close(trial, state, reason)
        self._optuna.tell(trial, state, self.book.last_rung_score.get(trial, (0, 0.0))[1])


class OptunaSuccessiveHalving(OptunaLockstep):
    """Optuna's SuccessiveHalvingPruner on the fold mean: at a milestone the best 1/reduction_factor go on.

    A trial is judged once among those that came before it, as in FoldMeanASHA, but itself counts among them.
    Raises SearchSpaceError.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._optuna = PrunerStudy(
            SuccessiveHalvingPruner(min_resource=cfg.grace_period, reduction_factor=cfg.reduction_factor)
        )


class OptunaHyperband(OptunaLockstep):
    """Optuna's HyperbandPruner on the fold mean: brackets of successive halving that begin later and later.

    A trial's bracket is a hash of its number; it is judged among the trials of its bracket.
    Raises SearchSpaceError.
    """

    def __init__(self, cfg: RaceConfig) -> None:
        super().__init__(cfg)
        self._optuna = PrunerStudy(
            HyperbandPruner(
                min_resource=cfg.grace_period,
                max_resource=self.max_t,
                reduction_factor=cfg.reduction_factor,
            )
        )

    @classmethod
    def planned(cls, cfg: RaceConfig) -> int:
        """The mean over brackets, weighted by their shares of trials, 1/reduction_factor kept."""
        factor = cfg.reduction_factor
        # Optuna's own number of brackets and share of each.
        count = math.floor(math.log(cfg.max_t / cfg.grace_period, factor)) + 1
        shares = [math.ceil(count * float(factor) ** left / (left + 1)) for left in reversed(range(count))]
        steps, fold_runs = judged_epochs(cfg), cfg.trials * cfg.folds
        costs = [expected_fold_epochs(fold_runs, steps[bracket:], cfg) for bracket in range(count)]
        total = math.fsum(share * cost for share, cost in zip(shares, costs, strict=True))
        return round(total / sum(shares))
